import { type ComponentType, type LazyExoticComponent, lazy } from 'react'

const againMs = 2000

/**
 * A part of a page that is loaded when it is shown. While the service cannot be reached it is asked for again and again: React
 * itself tries once, and then gives up the page around it.
 */
export function late<Props>(
  load: () => Promise<ComponentType<Props>>,
): LazyExoticComponent<ComponentType<Props>> {
  const untilThere = async (): Promise<{ default: ComponentType<Props> }> => {
    for (;;) {
      try {
        return { default: await load() }
      } catch {
        await new Promise(resolve => setTimeout(resolve, againMs))
      }
    }
  }
  return lazy(untilThere)
}
