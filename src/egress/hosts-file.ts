import { readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { ownLackIn } from './own-lack.ts'

/** It is looked at no more often than this; a file that has not changed is not read again. */
const lookEveryMs = 5000
/** Larger than any hosts file that is meant as one; a larger file is not read. */
const bytesMax = 1_048_576

/** The names in the system's hosts file, which c-ares does not read when it is asked for records. */
export class HostsFile {
  readonly #path: string
  readonly #now: () => number
  #names: ReadonlyMap<string, readonly string[]> = new Map()
  #seen = ''
  #lookedAt = Number.NEGATIVE_INFINITY

  /** @param now milliseconds; replaced in tests */
  constructor(
    path = process.platform === 'win32' ? windowsPath : '/etc/hosts',
    now = () => performance.now(),
  ) {
    this.#path = path
    this.#now = now
  }

  /** @returns the addresses of a name in lower case, none when it is not in the file. Never rejects. */
  async addressesOf(name: string): Promise<readonly string[]> {
    const now = this.#now()
    if (now - this.#lookedAt >= lookEveryMs) {
      this.#lookedAt = now
      await this.#look().catch(error => {
        // There need not be one; what was read before stays. For want of descriptors it is read at the next look-up.
        if (ownLackIn(error) !== undefined) this.#lookedAt = Number.NEGATIVE_INFINITY
      })
    }
    return this.#names.get(name) ?? []
  }

  async #look(): Promise<void> {
    const { mtimeMs, ino, size } = await stat(this.#path)
    const version = `${mtimeMs}/${ino}/${size}`
    if (version === this.#seen || size > bytesMax) return
    this.#names = parseHosts(await readFile(this.#path, 'utf8'))
    this.#seen = version
  }
}

const windowsPath = 'C:\\Windows\\System32\\drivers\\etc\\hosts'

/** `<address> <name> <name> # comment`, a line each (hosts(5)). */
function parseHosts(text: string): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (isIP(address) === 0) continue
    for (const name of names.map(given => given.toLowerCase())) {
      const known = found.get(name)
      if (known === undefined) found.set(name, [address])
      else known.push(address)
    }
  }
  return found
}
