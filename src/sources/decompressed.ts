import { brotliDecompressSync, gunzipSync, inflateSync, zstdDecompressSync } from 'node:zlib'

/** A few kilobytes can be gigabytes: what is more than four times an event of the usual limit is not read. */
export const plainBytesMax = 1_048_576

const codings: Readonly<
  Record<string, (bytes: Buffer, options: { readonly maxOutputLength: number }) => Buffer>
> = {
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateSync,
  br: brotliDecompressSync,
  zstd: zstdDecompressSync,
}

/**
 * What a body is without its `Content-Encoding`. At once, and not beside: what is to be read is bounded, and whoever sends
 * such a body has to know an address of a source.
 *
 * @returns undefined: the coding is another one, or several; the bytes are not of it; or they are too many then
 */
export function decompressed(body: Buffer, coding: string | undefined): Buffer | undefined {
  const name = coding?.trim().toLowerCase() ?? ''
  if (name === '' || name === 'identity') return body
  const decompress = Object.hasOwn(codings, name) ? codings[name] : undefined
  try {
    return decompress?.(body, { maxOutputLength: plainBytesMax })
  } catch {
    return undefined
  }
}
