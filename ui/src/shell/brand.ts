import { useEffect } from 'react'
import { isPortal } from '../api/client.ts'
import { type PortalLook, useConfig } from '../api/session.ts'
import { accentFor } from '../design/accent.ts'

const own: PortalLook = { name: 'Webhooks', frame_ancestors: [] }

/** Whose page this is: a tenant's own page has the name, the picture and the colour of whoever offers it. */
export function useBrand(): PortalLook {
  const config = useConfig()
  return isPortal ? (config.data?.portal ?? own) : own
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
