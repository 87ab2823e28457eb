interface Sending {
  readonly root: string
  readonly type: string
  readonly to: string
  readonly tenant: string | undefined
  readonly payload: string
}

interface Sample {
  readonly name: string
  readonly code: string
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

/** How an event is sent from a shell and from programs. */
export function sendSamples({ root, type, to, tenant, payload }: Sending): readonly Sample[] {
  const query = new URLSearchParams({ ...(to && { to }), ...(tenant && { tenant }) }).toString()
  const url = `${root}events${query ? `?${query}` : ''}`
  const typed = JSON.stringify(type)
  return [
    {
      name: 'cURL',
      code: [
        `curl -X POST ${quoted(url)}`,
        `  -H 'content-type: application/json'`,
        ...(type ? [`  -H ${quoted(`x-event-type: ${type}`)}`] : []),
        `  -H "authorization: Bearer $WEBHOOKS_KEY"`,
        `  --data-binary ${quoted(payload)}`,
      ].join(' \\\n'),
    },
    {
      name: 'TypeScript',
      code: `const answer = await fetch(${JSON.stringify(url)}, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',${type ? `\n    'x-event-type': ${typed},` : ''}
    authorization: \`Bearer \${process.env.WEBHOOKS_KEY}\`,
    'idempotency-key': crypto.randomUUID(), // the same again for a second try
  },
  body: JSON.stringify(${indented(payload, '  ')}),
})
const { webhook_id, deliveries } = await answer.json()`,
    },
    {
      name: 'Python',
      code: `import json, os, urllib.request

request = urllib.request.Request(
    ${JSON.stringify(url)},
    method="POST",
    data=${JSON.stringify(payload)}.encode(),
    headers={
        "content-type": "application/json",${type ? `\n        "x-event-type": ${typed},` : ''}
        "authorization": f"Bearer {os.environ['WEBHOOKS_KEY']}",
    },
)
print(json.load(urllib.request.urlopen(request)))`,
    },
  ]
}

function indented(text: string, by: string): string {
  return text.trim().replaceAll('\n', `\n${by}`)
}

/** How a receiver verifies the signature of Standard Webhooks, in eight languages. */
export function verifySamples(secret: string): readonly Sample[] {
  return [
    {
      name: 'TypeScript',
      code: `import { Webhook } from 'standardwebhooks'

const webhook = new Webhook(${JSON.stringify(secret)})
// body: the bytes as they came, before any parsing
const payload = webhook.verify(body, request.headers)`,
    },
    {
      name: 'Node.js',
      code: `import { createHmac, timingSafeEqual } from 'node:crypto'

const key = Buffer.from(${JSON.stringify(secret)}.replace('whsec_', ''), 'base64')
const id = headers['webhook-id'], timestamp = headers['webhook-timestamp']
if (Math.abs(Date.now() / 1000 - Number(timestamp)) > 300) throw new Error('too old')
const expected = createHmac('sha256', key).update(\`\${id}.\${timestamp}.\`).update(body).digest()
const valid = headers['webhook-signature'].split(' ').some(part => {
  const [version, text] = part.split(',')
  const given = Buffer.from(text ?? '', 'base64')
  return version === 'v1' && given.length === 32 && timingSafeEqual(given, expected)
})`,
    },
    {
      name: 'Python',
      code: `from standardwebhooks import Webhook

webhook = Webhook(${JSON.stringify(secret)})
payload = webhook.verify(body, headers)  # body: bytes as they came`,
    },
    {
      name: 'Go',
      code: `wh, err := standardwebhooks.NewWebhook(${JSON.stringify(secret)})
if err != nil { log.Fatal(err) }
if err := wh.Verify(body, r.Header); err != nil {
	http.Error(w, "bad signature", http.StatusBadRequest)
	return
}`,
    },
    {
      name: 'Ruby',
      code: `require 'standardwebhooks'

webhook = StandardWebhooks::Webhook.new(${JSON.stringify(secret)})
payload = webhook.verify(request.raw_post, request.headers)`,
    },
    {
      name: 'PHP',
      code: `$webhook = new \\StandardWebhooks\\Webhook(${JSON.stringify(secret)});
$payload = $webhook->verify(file_get_contents('php://input'), getallheaders());`,
    },
    {
      name: 'Java',
      code: `Webhook webhook = new Webhook(${JSON.stringify(secret)});
webhook.verify(body, headers); // com.standardwebhooks:standardwebhooks`,
    },
    {
      name: 'Rust',
      code: `let webhook = standardwebhooks::Webhook::new(${JSON.stringify(secret)})?;
webhook.verify(&body, &headers)?;`,
    },
  ]
}
