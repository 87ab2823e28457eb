/** A share as people read it; not rounded up to all where something failed. */
export function percentText(share: number | null): string {
  if (share === null) return '–'
  return `${share === 1 ? '100' : (Math.floor(share * 1000) / 10).toFixed(1)} %`
}
