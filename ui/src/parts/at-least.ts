import { numberText } from '../design/time.tsx'

/** What is looked at of one subscription is counted up to here. */
export const countedMax = 100

/** How many there are, where more than that are not counted. */
export function atLeastText(count: number): string {
  return count >= countedMax ? `${numberText(count)} or more` : numberText(count)
}
