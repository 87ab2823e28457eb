import type { Preset } from './preset.ts'
import { bodyPresets } from './presets/body.ts'
import { certificatePresets } from './presets/certificates.ts'
import { datedPresets } from './presets/dated.ts'
import { keyPresets, tokenPresets } from './presets/keys.ts'
import { partPresets } from './presets/parts.ts'

/** In the order of their ids. A new one is an entry in a file of `presets/`, and a signature in the tests. */
export const presets: readonly Preset[] = [
  ...bodyPresets,
  ...datedPresets,
  ...partPresets,
  ...keyPresets,
  ...tokenPresets,
  ...certificatePresets,
].sort((one, other) => (one.id < other.id ? -1 : 1))

const byId = new Map(presets.map(preset => [preset.id, preset]))

export function presetOf(id: string): Preset | undefined {
  return byId.get(id)
}
