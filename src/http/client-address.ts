/**
 * The client behind the address of a connection, for limits that hold per client: an IPv4 address as it is, of an IPv6
 * address the first 64 bits, because one client has a whole such network. A proxy is one client, whomever it speaks for:
 * what `X-Forwarded-For` says is not believed.
 */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return ''
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  if (!address.includes(':')) return address
  const [before = '', after] = (address.split('%', 1)[0] ?? '').split('::')
  const left = groups(before)
  if (after === undefined) return left.slice(0, 4).join(':')
  const right = groups(after)
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0')
  return [...left, ...zeros, ...right].slice(0, 4).join(':')
}

function groups(text: string): readonly string[] {
  return text === '' ? [] : text.toLowerCase().split(':')
}
