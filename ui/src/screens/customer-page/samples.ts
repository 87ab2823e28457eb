import type { Sample } from '../../parts/samples.ts'

interface Link {
  readonly root: string
  readonly tenant: string
  readonly seconds: number
  readonly readOnly: boolean
  readonly views: readonly string[] | null
}

/** How a program makes the link for a customer who is signed in to it. */
export function linkSamples({ root, tenant, seconds, readOnly, views }: Link): readonly Sample[] {
  const url = JSON.stringify(`${root}portal-tokens`)
  const body = JSON.stringify({
    tenant,
    expires_in_seconds: seconds,
    ...(readOnly && { read_only: true }),
    ...(views !== null && { views }),
  })
  return [
    {
      name: 'cURL',
      code: [
        `curl -X POST ${root}portal-tokens`,
        `  -H 'content-type: application/json'`,
        `  -H "authorization: Bearer $WEBHOOKS_KEY"`,
        `  -d '${body}'`,
      ].join(' \\\n'),
    },
    {
      name: 'TypeScript',
      code: `const answer = await fetch(${url}, {
  method: 'POST',
  headers: {
    'content-type': 'application/json',
    authorization: \`Bearer \${process.env.WEBHOOKS_KEY}\`,
  },
  body: JSON.stringify(${body}),
})
const { url } = await answer.json() // for this customer, until it expires`,
    },
    {
      name: 'Python',
      code: `import json, os, urllib.request

request = urllib.request.Request(
    ${url},
    method="POST",
    data=json.dumps(${pythonOf(body)}).encode(),
    headers={
        "content-type": "application/json",
        "authorization": f"Bearer {os.environ['WEBHOOKS_KEY']}",
    },
)
url = json.load(urllib.request.urlopen(request))["url"]`,
    },
  ]
}

function pythonOf(json: string): string {
  return json.replaceAll(':true', ': True').replaceAll(':false', ': False')
}

/** What a page puts where the customer's own page is to be seen. */
export function frameSample(theme: string): string {
  const query = theme === 'system' ? '' : `, and ?theme=${theme} put before its #`
  return `<!-- url: as POST /portal-tokens answered it${query} -->
<iframe src="{{ url }}" title="Webhooks"
        style="width: 100%; height: 720px; border: 0"></iframe>`
}
