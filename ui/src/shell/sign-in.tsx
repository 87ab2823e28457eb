import { useQueryClient } from '@tanstack/react-query'
import { Webhook } from 'lucide-react'
import { type FormEvent, useEffect, useState } from 'react'
import { isStatus, sentenceOf } from '../api/problem.ts'
import { signIn } from '../api/session.ts'
import { Button } from '../design/button.tsx'
import { Field, Input } from '../design/field.tsx'
import { Notice } from '../design/states.tsx'

/** The door: a key is exchanged for a session of this browser. */
export function SignIn({ ended }: { readonly ended?: boolean }) {
  const client = useQueryClient()
  const [key, setKey] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  useEffect(() => {
    document.title = 'Sign in · Webhooks'
  }, [])
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    try {
      await signIn(key.trim())
      await client.resetQueries()
    } catch (error) {
      setProblem(
        isStatus(error, 401)
          ? 'This key is not valid. It may have been revoked, or has expired.'
          : sentenceOf(error).sentence,
      )
      setBusy(false)
    }
  }
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <form onSubmit={submit} className="w-full max-w-sm space-y-5 rounded-card border bg-surface p-6">
        <div className="flex items-center gap-2.5">
          <span className="grid h-8 w-8 place-items-center rounded-control bg-accent-fill text-on-accent">
            <Webhook aria-hidden="true" className="h-5 w-5" />
          </span>
          <h1 className="text-lg font-semibold">Webhook Delivery Service</h1>
        </div>
        {ended && <Notice kind="warn">Your session has ended. Sign in again to go on where you were.</Notice>}
        <Field
          label="API key"
          error={problem}
          hint="It is exchanged for a session of this browser and kept nowhere. What you see depends on its scope."
        >
          <Input
            type="password"
            name="api-key"
            value={key}
            onChange={event => setKey(event.target.value)}
            placeholder="whk_…"
            autoFocus
            required
          />
        </Field>
        <Button type="submit" look="primary" busy={busy} className="w-full">
          Sign in
        </Button>
        <p className="text-xs text-ink-3">
          The first key is in the file <code className="font-mono">first-api-key</code> of the data folder.
          Others are made on the page API keys, or with{' '}
          <code className="font-mono">webhooks keys create</code>.
        </p>
      </form>
    </main>
  )
}
