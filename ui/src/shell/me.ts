import { createContext, useContext } from 'react'
import type { Me } from '../api/schema.ts'
import { can, type Need } from '../api/session.ts'
import { usePreferences } from './preferences.ts'

export const MeContext = createContext<Me | undefined>(undefined)

/** Who looks at the page. */
export function useCaller(): Me {
  const me = useContext(MeContext)
  if (me === undefined) throw new Error('only inside the frame')
  return me
}

/** Whether they may do things of this kind. */
export function useCan(need: Need): boolean {
  return can(useCaller(), need)
}

/** The tenant that lists are narrowed to: the chosen one; undefined for all, and where the key has one anyway. */
export function useTenant(): string | undefined {
  const me = useCaller()
  const { tenant } = usePreferences()
  return me.tenant === null && tenant !== '' ? tenant : undefined
}
