/** How a receiver is asked whether it wants what is sent to it. */
export const ownershipChecks = ['off', 'challenge', 'cloudevents'] as const
export type OwnershipCheck = (typeof ownershipChecks)[number]
