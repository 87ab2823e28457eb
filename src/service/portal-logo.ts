import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { codeOf, StartupError } from '../errors.ts'
import type { PortalLogo } from '../server/dashboard.ts'

const bytesMax = 102_400

const types: Readonly<Record<string, string>> = {
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webp': 'image/webp',
  '.jpg': 'image/jpeg',
  '.jpeg': 'image/jpeg',
}

/**
 * The picture of PORTAL_LOGO.
 *
 * @param path empty: there is none
 * @throws StartupError for a file that cannot be read or is too large
 */
export async function readLogo(path: string): Promise<PortalLogo | undefined> {
  if (path === '') return undefined
  const body = await readFile(path).catch((error: unknown) => {
    throw new StartupError(`PORTAL_LOGO must be a file that can be read (${codeOf(error) ?? 'failed'}).`)
  })
  if (body.length > bytesMax) {
    throw new StartupError(
      `PORTAL_LOGO has ${body.length} bytes; give a picture of at most ${bytesMax}. It is shown 24 pixels high.`,
    )
  }
  return { type: types[extname(path).toLowerCase()] ?? 'application/octet-stream', body }
}
