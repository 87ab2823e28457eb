import { Link } from '@tanstack/react-router'
import { useRead } from '../api/queries.ts'

/** To what arrived, where this is the address of a test receiver; nothing for any other. */
export function OwnReceiver({ url }: { readonly url: string }) {
  const { data = [] } = useRead(
    'listTestReceivers',
    { query: { limit: 50 } },
    { enabled: /\/t\/[\w-]{20,}$/.test(url) },
  )
  const own = data.find(receiver => receiver.url === url)
  if (own === undefined) return null
  return (
    <Link
      to="/test-receivers"
      search={{ id: String(own.id) }}
      className="rounded font-medium whitespace-nowrap text-accent hover:underline"
    >
      Its test receiver
    </Link>
  )
}
