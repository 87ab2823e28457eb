import { hash } from 'node:crypto'
import type { FieldError } from '../errors.ts'

/** How a tenant's own page looks; left out or null: as the settings `PORTAL_*` say. */
export interface PortalLook {
  readonly name?: string | null
  /** Such as `#0055ff`. */
  readonly accent?: string | null
  /** A picture as a data URL in base64. */
  readonly logo?: string | null
}

export const portalLookLimits = { nameChars: 60, logoChars: 16_384 } as const

/** What each kind of picture begins with, or has in it. */
const pictures: Readonly<Record<string, (bytes: Buffer) => boolean>> = {
  'image/png': bytes => bytes.subarray(0, 8).toString('latin1') === '\x89PNG\r\n\x1a\n',
  'image/jpeg': bytes => bytes.subarray(0, 3).toString('latin1') === '\xff\xd8\xff',
  'image/webp': bytes =>
    bytes.subarray(0, 4).toString('latin1') === 'RIFF' && bytes.subarray(8, 12).toString('latin1') === 'WEBP',
  'image/svg+xml': bytes => /<svg[\s>]/.test(bytes.toString()),
}

const fields = ['name', 'accent', 'logo'] as const

/** Applies a merge patch. @returns what is stored: without what is as for all; null where all is */
export function mergedPortal(
  stored: PortalLook | null,
  patch: PortalLook | null | undefined,
): PortalLook | null {
  if (patch === undefined) return stored
  const merged = { ...stored, ...patch }
  const given = fields.flatMap(name =>
    patch === null || merged[name] == null ? [] : [[name, merged[name]] as const],
  )
  return given.length === 0 ? null : Object.fromEntries(given)
}

/** A picture has to be what it says, as browsers show nothing else. */
export function portalFaults(look: PortalLook | null | undefined): readonly FieldError[] {
  if (look?.logo == null) return []
  const [, type = '', base64 = ''] = /^data:([^;,]+);base64,(.*)$/s.exec(look.logo) ?? []
  const isPicture = pictures[type]?.(Buffer.from(base64, 'base64'))
  if (isPicture) return []
  return [{ pointer: '/portal/logo', detail: `Give a picture: these bytes are no ${type || 'picture'}.` }]
}

export function portalAnswer(stored: PortalLook | null): {
  name: string | null
  accent: string | null
  logo?: string | null
} {
  return { name: stored?.name ?? null, accent: stored?.accent ?? null, logo: stored?.logo ?? null }
}

/** The same for the audit log: of a picture what says whether it is another one. */
export function portalSummary(stored: PortalLook | null): PortalLook {
  const { logo, ...rest } = portalAnswer(stored)
  if (logo == null) return rest
  const type = /^data:([^;,]+)/.exec(logo)?.[1]
  return { ...rest, logo: `${type}, SHA-256 ${hash('sha256', logo).slice(0, 16)}…` }
}
