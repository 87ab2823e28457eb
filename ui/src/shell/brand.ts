import { useEffect } from 'react'
import { isPortal } from '../api/client.ts'
import type { Tenant } from '../api/schema.ts'
import { type PortalLook, useConfig, useMe } from '../api/session.ts'
import { accentFor } from '../design/accent.ts'

type TenantLook = Tenant['portal']

const own: PortalLook = { name: 'Webhooks', frame_ancestors: [] }

/**
 * Whose page this is: a tenant's own page has the name, the picture and the colour that were given to the tenant, and for what
 * was not given those of the service. The picture is an address.
 */
export function useBrand(): PortalLook {
  const config = useConfig()
  const me = useMe()
  return isPortal ? lookOf(config.data?.portal ?? own, me.data?.portal) : own
}

/** How the page of a tenant looks: field by field its own, else that of all. */
export function lookOf(ofAll: PortalLook, its: Partial<TenantLook> | undefined): PortalLook {
  const { accent = undefined, logo = undefined } = ofAll
  const picture = its?.logo ?? (logo && `./${logo}`)
  const colour = its?.accent ?? accent
  return {
    name: its?.name ?? ofAll.name,
    ...(colour && { accent: colour }),
    ...(picture && { logo: picture }),
    frame_ancestors: ofAll.frame_ancestors,
  }
}

/** Gives the page the accent of its brand, in the theme that is shown; to be used once. */
export function useBrandColours(): void {
  const { accent } = useBrand()
  useEffect(() => {
    if (accent === undefined) return
    const root = document.documentElement
    const paint = () => {
      const { text, fill, fillHover, onFill } = accentFor(
        accent,
        root.dataset.theme === 'dark' ? 'dark' : 'light',
      )
      root.style.setProperty('--accent', text)
      root.style.setProperty('--accent-fill', fill)
      root.style.setProperty('--accent-fill-hover', fillHover)
      root.style.setProperty('--on-accent', onFill)
    }
    paint()
    addEventListener('themechange', paint)
    return () => removeEventListener('themechange', paint)
  }, [accent])
}
