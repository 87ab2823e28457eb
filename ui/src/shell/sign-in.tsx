import { useQueryClient } from '@tanstack/react-query'
import { Webhook } from 'lucide-react'
import { type FormEvent, useEffect, useState } from 'react'
import { isStatus, sentenceOf } from '../api/problem.ts'
import { signIn } from '../api/session.ts'
import { Button } from '../design/button.tsx'
import { Field, Input } from '../design/field.tsx'

/** The door: a key is exchanged for a session of this browser. */
export function SignIn() {
  const client = useQueryClient()
  useEffect(() => {
    document.title = 'Sign in · Webhooks'
  }, [])
  return (
    <main className="grid min-h-dvh place-items-center p-4">
      <div className="w-full max-w-sm space-y-5 rounded-card border bg-surface p-6">
        <div className="flex items-center gap-2.5">
          <span className="grid h-8 w-8 place-items-center rounded-control bg-accent-fill text-on-accent">
            <Webhook aria-hidden="true" className="h-5 w-5" />
          </span>
          <h1 className="text-lg font-semibold">Webhook Delivery Service</h1>
        </div>
        <KeyForm onSignedIn={() => client.resetQueries()} />
        <p className="text-xs text-ink-3">
          The first key is in the file <code className="font-mono">first-api-key</code> of the data folder.
          Others are made on the page API keys, or with{' '}
          <code className="font-mono">webhooks keys create</code>.
        </p>
      </div>
    </main>
  )
}

/** @param onSignedIn what follows; the form is busy until then */
export function KeyForm({ onSignedIn }: { readonly onSignedIn: () => Promise<unknown> }) {
  const [key, setKey] = useState('')
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<string>()
  const submit = async (event: FormEvent) => {
    event.preventDefault()
    if (busy) return
    setBusy(true)
    try {
      await signIn(key.trim())
      await onSignedIn()
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
    <form onSubmit={submit} className="space-y-5">
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
    </form>
  )
}
