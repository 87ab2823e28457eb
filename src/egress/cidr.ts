import { BlockList, isIP } from 'node:net'

/** A block of addresses. Families are kept apart, since `BlockList` matches IPv4 against v4-mapped IPv6 blocks. */
export interface Cidr {
  readonly family: 'ipv4' | 'ipv6'
  readonly address: string
  readonly prefix: number
}

/** @returns undefined when the text is neither an address nor `<address>/<bits>` */
export function parseCidr(text: string): Cidr | undefined {
  const [, address = '', bits] = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
  const version = isIP(address)
  if (version === 0) return undefined
  const bitsMax = version === 4 ? 32 : 128
  const prefix = bits === undefined ? bitsMax : Number(bits)
  return prefix > bitsMax ? undefined : { family: version === 4 ? 'ipv4' : 'ipv6', address, prefix }
}

export function cidrText({ address, prefix }: Cidr): string {
  return `${address}/${prefix}`
}

/** Blocks written in the source. @throws when one is not a block: left out, it would be allowed */
export function cidrs(...texts: readonly string[]): readonly Cidr[] {
  return texts.map(text => {
    const cidr = parseCidr(text)
    if (cidr === undefined) throw new Error(`${text} is not a block of addresses`)
    return cidr
  })
}

/** The blocks of one family, to look addresses of that family up in. */
export function blockList(family: Cidr['family'], blocks: readonly Cidr[]): (address: string) => boolean {
  const list = new BlockList()
  for (const { address, prefix } of blocks.filter(block => block.family === family)) {
    list.addSubnet(address, prefix, family)
  }
  return address => list.check(address, family)
}
