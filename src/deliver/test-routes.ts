import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { callerFor } from '../http/access.ts'
import { subscriptionIdParameter, tenantParameter, unknownSubscription } from '../http/parameters.ts'
import { problems } from '../http/problem.ts'
import type { Subscriptions } from '../subscriptions/subscriptions.ts'
import { DraftTest, SubscriptionTest } from './test-schema.ts'
import type { TestSends } from './test-sends.ts'

const tags = ['Testing']

export interface TestRoutesDeps {
  readonly subscriptions: Subscriptions
  readonly testSends: TestSends
}

/** The routes that send one message now, and tell what came of it. */
export function registerTests(scope: FastifyInstance, { subscriptions, testSends }: TestRoutesDeps): void {
  const app = scope.withTypeProvider<TypeBoxTypeProvider>()
  app.post(
    '/subscriptions/:id/test',
    {
      config: { bodyMayBeLeftOut: true },
      schema: {
        operationId: 'testSubscription',
        summary: 'Send a signed sample now',
        description:
          'As every attempt is sent: with the headers, the signature and the time limits of the subscription, and to no address that is not allowed. ' +
          'The answer is the whole exchange; secrets in it are `[redacted]`. Also while the subscription is paused or disabled, but not before its receiver is verified, where that is asked for. ' +
          'It is in the log with `trigger: test`, and counts for nothing: no circuit, no disabling, no limit.',
        tags,
        params: Type.Object({ id: subscriptionIdParameter }),
        querystring: Type.Object({ tenant: Type.Optional(tenantParameter) }, { additionalProperties: false }),
        body: SubscriptionTest,
        response: {
          200: Type.Ref('TestResult', { description: 'What came of it, whether it was delivered or not' }),
          ...problems(401, 403, 404, 409, 413, 415, 422),
        },
      },
    },
    async request => {
      const caller = callerFor(request, request.query.tenant)
      const id = await subscriptions.idIn(caller.reach, request.params.id)
      const result = await testSends.test(caller, id, request.body)
      if (result === undefined) throw unknownSubscription(request.params.id)
      return result
    },
  )
  app.post(
    '/subscriptions/test',
    {
      schema: {
        operationId: 'testDraft',
        summary: 'Try a subscription before it is saved',
        description:
          'Takes what `POST /subscriptions/` takes, and sends one message as that subscription would. Nothing is saved but an entry of the audit log.',
        tags,
        body: DraftTest,
        response: {
          200: Type.Ref('TestResult', { description: 'What came of it, whether it was delivered or not' }),
          ...problems(401, 403, 409, 413, 415, 422),
        },
      },
    },
    async request => {
      const { event_type, payload, ...draft } = request.body
      const test = {
        ...(event_type !== undefined && { event_type }),
        ...(payload !== undefined && { payload }),
      }
      return testSends.testDraft(callerFor(request, draft.tenant), draft, test)
    },
  )
}
