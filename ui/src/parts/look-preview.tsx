import type { CSSProperties } from 'react'
import type { PortalLook } from '../api/session.ts'
import { accentFor } from '../design/accent.ts'

const themes = ['light', 'dark'] as const
const grounds = { light: '#ffffff', dark: '#17191f' }

/** A name, a picture and a colour as the page has them: the colour as it can be read. The picture is an address. */
export function LookPreview({ look: { name, logo, accent } }: { readonly look: PortalLook }) {
  return (
    <div className="space-y-4">
      <div className="flex items-center gap-2 text-sm">
        {logo ? (
          <img src={logo} alt="" className="h-6 max-w-28 object-contain" />
        ) : (
          <span className="text-ink-3">no picture</span>
        )}
        <span className="font-semibold">{name}</span>
      </div>
      {accent === undefined ? (
        <p className="text-sm text-ink-2">No colour is set, so it has that of the dashboard.</p>
      ) : (
        <>
          <ul className="grid grid-cols-2 gap-2">
            {themes.map(theme => (
              <li key={theme}>
                <Swatch accent={accent} theme={theme} />
              </li>
            ))}
          </ul>
          <p className="text-xs text-ink-3">
            <code className="font-mono">{accent}</code> in the nearest shades that can be read: text at least
            4.5 : 1, buttons 3 : 1.
          </p>
        </>
      )}
    </div>
  )
}

function Swatch({ accent, theme }: { readonly accent: string; readonly theme: 'light' | 'dark' }) {
  const { text, fill, onFill } = accentFor(accent, theme)
  const style: CSSProperties = { background: grounds[theme], color: text }
  return (
    <span
      className="flex items-center justify-between gap-2 rounded-control border px-3 py-2 text-sm"
      style={style}
    >
      {theme === 'light' ? 'Light' : 'Dark'}
      <span
        className="rounded-control px-2 py-1 text-xs font-medium"
        style={{ background: fill, color: onFill }}
      >
        Button
      </span>
    </span>
  )
}
