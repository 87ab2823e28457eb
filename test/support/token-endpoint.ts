import { type Behaviour, type Received, type Receiver, startReceiver } from './receiver.ts'

/** A server that gives access tokens, numbered `token-1`, `token-2` and so on. */
export interface TestTokenEndpoint extends Receiver {
  readonly url: string
}

/** @param answer what it answers in place of the next token */
export async function startTokenEndpoint(
  answer: (request: Received, index: number) => Behaviour | undefined = () => undefined,
  lifetimeSeconds = 3600,
): Promise<TestTokenEndpoint> {
  const receiver = await startReceiver(
    (request, index) => answer(request, index) ?? tokenAnswer(index + 1, lifetimeSeconds),
  )
  return Object.assign(receiver, { url: `${receiver.origin}/token` })
}

export function tokenAnswer(number: number, lifetimeSeconds: number): Behaviour {
  const body = { access_token: `token-${number}`, token_type: 'Bearer', expires_in: lifetimeSeconds }
  return { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
