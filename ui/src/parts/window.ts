/** The times that figures are of. */
export const windows = ['1h', '24h', '7d', '30d'] as const
export type Window = (typeof windows)[number]

export function windowOf(text: string | undefined): Window {
  return windows.find(one => one === text) ?? '24h'
}
