import { Copy } from 'lucide-react'
import { useState } from 'react'
import { addressOf, fetchApi } from '../../api/client.ts'
import type { AttemptDetails } from '../../api/schema.ts'
import { Button } from '../../design/button.tsx'
import { copyText } from '../../design/copy.tsx'
import { toast, toastError } from '../../design/toast.tsx'
import { quoted } from '../../parts/curl.ts'

/** A longer payload is saved from its event, and read from the file. */
const inlineBytesMax = 20_000

/** The request to send by hand: what is masked here is left out, and said. */
export function CopyAsCurl({ attempt }: { readonly attempt: AttemptDetails }) {
  const [busy, setBusy] = useState(false)
  const copy = async () => {
    setBusy(true)
    try {
      await copyText(curlOf(attempt, await bodyOf(attempt)))
      toast('Copied. What is masked here, such as the signature, is not in it.')
    } catch (error) {
      toastError(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <Button size="sm" busy={busy} icon={<Copy className="h-3.5 w-3.5" />} onClick={() => void copy()}>
      Copy as cURL
    </Button>
  )
}

/** Undefined: a test has no event whose payload it could be. */
async function bodyOf({ webhook_id: id, trigger }: AttemptDetails): Promise<string | undefined> {
  if (trigger === 'test') return undefined
  return (await fetchApi(addressOf('getPayload', { path: { webhook_id: id } }), {})).text()
}

const ownHeaders = ['host', 'content-length', 'connection', 'transfer-encoding']

function curlOf({ request, webhook_id: id }: AttemptDetails, body: string | undefined): string {
  if (request === null) return ''
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    ownHeaders.includes(name.toLowerCase()) || String(value).includes('[redacted]')
      ? []
      : [`  -H ${quoted(`${name}: ${[value].flat().join(', ')}`)}`],
  )
  const data =
    body === undefined
      ? []
      : [`  --data-binary ${body.length > inlineBytesMax ? `@${id}.json` : quoted(body)}`]
  return [`curl -i -X ${request.method} ${quoted(request.url)}`, ...headers, ...data].join(' \\\n')
}
