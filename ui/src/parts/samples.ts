interface Sending {
  readonly root: string
  readonly type: string
  readonly to: string
  readonly tenant: string | undefined
  readonly payload: string
}

export interface Sample {
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
    ...moreSamples(url, type, payload),
  ]
}

function moreSamples(url: string, type: string, payload: string): readonly Sample[] {
  const [address, typed, body] = [url, type, payload].map(text => JSON.stringify(text))
  const single = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
  return [
    {
      name: 'Go',
      code: `body := strings.NewReader(${goText(payload)})
req, _ := http.NewRequest("POST", ${address}, body)
req.Header.Set("content-type", "application/json")${type ? `\nreq.Header.Set("x-event-type", ${typed})` : ''}
req.Header.Set("authorization", "Bearer "+os.Getenv("WEBHOOKS_KEY"))
res, err := http.DefaultClient.Do(req)`,
    },
    {
      name: 'Ruby',
      code: `require 'net/http'

headers = {
  'content-type' => 'application/json',${type ? `\n  'x-event-type' => ${single(type)},` : ''}
  'authorization' => "Bearer #{ENV['WEBHOOKS_KEY']}",
}
answer = Net::HTTP.post(URI(${single(url)}), ${single(payload)}, headers)`,
    },
    {
      name: 'PHP',
      code: `$request = curl_init(${single(url)});
curl_setopt_array($request, [
    CURLOPT_POSTFIELDS => ${single(payload)},
    CURLOPT_HTTPHEADER => [
        'content-type: application/json',${type ? `\n        ${single(`x-event-type: ${type}`)},` : ''}
        'authorization: Bearer ' . getenv('WEBHOOKS_KEY'),
    ],
    CURLOPT_RETURNTRANSFER => true,
]);
$answer = json_decode(curl_exec($request));`,
    },
    {
      name: 'Java',
      code: `var request = HttpRequest.newBuilder(URI.create(${address}))
    .header("content-type", "application/json")${type ? `\n    .header("x-event-type", ${typed})` : ''}
    .header("authorization", "Bearer " + System.getenv("WEBHOOKS_KEY"))
    .POST(HttpRequest.BodyPublishers.ofString(${body}))
    .build();
var answer = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());`,
    },
    {
      name: 'C#',
      code: `using var client = new HttpClient();
client.DefaultRequestHeaders.Authorization =
    new("Bearer", Environment.GetEnvironmentVariable("WEBHOOKS_KEY"));${type ? `\nclient.DefaultRequestHeaders.Add("x-event-type", ${typed});` : ''}
var body = new StringContent(${body}, Encoding.UTF8, "application/json");
var answer = await client.PostAsync(${address}, body);`,
    },
  ]
}

/** Go has texts without escapes, but for the backquote itself. */
function goText(text: string): string {
  return text.includes('`') ? JSON.stringify(text) : `\`${text}\``
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
      name: 'C#',
      code: `var webhook = new StandardWebhooks.Webhook(${JSON.stringify(secret)});
webhook.Verify(body, headers); // a WebHeaderCollection; package StandardWebhooks`,
    },
    {
      name: 'Rust',
      code: `let webhook = standardwebhooks::Webhook::new(${JSON.stringify(secret)})?;
webhook.verify(&body, &headers)?;`,
    },
  ]
}
