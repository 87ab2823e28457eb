import type { Member } from '../../src/cluster/membership.ts'

/** A process that is sure of itself and delivers alone, unless changed; a getter among the changes is asked each time. */
export function aMember(changes: Partial<Member> = {}): Member {
  const alone = { id: 7, isSure: true, position: { count: 1, index: 0 } }
  return Object.defineProperties(alone, Object.getOwnPropertyDescriptors(changes)) as Member // its own fields, replaced
}
