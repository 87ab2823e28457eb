/** Resolves with the first SIGINT or SIGTERM. A second one ends the process at once, after calling `leaving`. */
export function waitForSignal(leaving: () => void = () => {}): Promise<NodeJS.Signals> {
  return new Promise(resolve => {
    let asked = false
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.on(name, () => {
        if (asked) {
          leaving()
          process.exit(name === 'SIGINT' ? 130 : 143)
        }
        asked = true
        resolve(name)
      })
    }
  })
}
