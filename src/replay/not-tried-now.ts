import { AppError } from '../errors.ts'
import type { Obstacle } from '../lanes/try-now.ts'

/** The refusal to try deliveries at once, with what is in the way of each of them. @param ids in the order of the request */
export function notTriedNow(ids: readonly number[], obstacles: ReadonlyMap<number, Obstacle>): AppError {
  const errors = ids.flatMap((id, index) => {
    const obstacle = obstacles.get(id)
    return obstacle === undefined
      ? []
      : [{ pointer: `/subscription_ids/${index}`, detail: sentenceOf(id, obstacle) }]
  })
  const [first, ...more] = errors
  if (first === undefined) return new AppError('not_tried_now', 'The event was for no subscription.')
  const others = more.length === 0 ? '' : ` And ${more.length} more cannot be tried now; see errors.`
  return new AppError('not_tried_now', `${first.detail}${others}`, { errors: errors.slice(0, errorsMax) })
}

const errorsMax = 100

/** What is in the way, and what to do. */
function sentenceOf(id: number, obstacle: Obstacle): string {
  const name = `Subscription ${id}`
  switch (obstacle.kind) {
    case 'not_owed':
      return `Nothing of this event waits for subscription ${id} any more. Replay it to send it again.`
    case 'paused':
      return `${name} is paused. Resume it, and what waits is sent.`
    case 'disabled':
      return `${name} is disabled. Resume it, and what waits is sent.`
    case 'circuit_open':
      return `The circuit of subscription ${id} is open, as its receiver failed again and again; it is tried ${
        obstacle.until === null
          ? 'with one attempt at a time'
          : `again by itself at ${timeOf(obstacle.until)}`
      }. Once its receiver is back, resume the subscription: then it is tried at once.`
    case 'ordered':
      return `${name} is ordered, and the first of its deliveries waits for its retry at ${timeOf(obstacle.until)}. Resume the subscription to try that one at once.`
    case 'closed':
      return `${name} is sent nothing before ${timeOf(obstacle.until)}: its receiver asked for that, or what is needed to send is missing. Resume the subscription to try it at once all the same.`
    case 'behind_key':
      return `The delivery to subscription ${id} waits behind another one with the same ordering key. Try that one now.`
    case 'scheduled':
      return `The delivery to subscription ${id} is planned for ${timeOf(obstacle.at)}, as its sender has asked. It is not sent sooner.`
  }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
