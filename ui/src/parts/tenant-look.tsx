import { type FormEvent, useState } from 'react'
import { useChange, useRead } from '../api/queries.ts'
import type { Tenant } from '../api/schema.ts'
import { type PortalLook, useConfig } from '../api/session.ts'
import { Button } from '../design/button.tsx'
import { Dialog, fieldErrors } from '../design/dialog.tsx'
import { Field, Input } from '../design/field.tsx'
import { Card } from '../design/page.tsx'
import { ErrorState, SkeletonLines } from '../design/states.tsx'
import { toast } from '../design/toast.tsx'
import { lookOf } from '../shell/brand.ts'
import { LookPreview } from './look-preview.tsx'

/** Name, picture and colour of the page for the customers of one tenant; what is left empty is as for all. */
export function TenantLook({ tenant, onClose }: { readonly tenant: string; readonly onClose: () => void }) {
  const config = useConfig()
  const read = useRead('getTenant', { path: { id: tenant } })
  return (
    <Dialog
      open
      onClose={onClose}
      title={`How the page of ${tenant} looks`}
      description="What is left empty is as the settings PORTAL_NAME, PORTAL_ACCENT and PORTAL_LOGO say for all tenants."
    >
      {read.isError ? (
        <ErrorState error={read.error} retry={() => void read.refetch()} />
      ) : read.data === undefined || config.data === undefined ? (
        <SkeletonLines lines={5} />
      ) : (
        <LookForm tenant={read.data} ofAll={config.data.portal} onClose={onClose} />
      )}
    </Dialog>
  )
}

/** As a picker of colours wants one. */
const isColour = (text: string) => /^#[0-9a-fA-F]{6}$/.test(text)

function LookForm({
  tenant: { id, portal },
  ofAll,
  onClose,
}: {
  readonly tenant: Tenant
  readonly ofAll: PortalLook
  readonly onClose: () => void
}) {
  const [name, setName] = useState(portal.name ?? '')
  const [accent, setAccent] = useState(portal.accent ?? '')
  const [logo, setLogo] = useState(portal.logo ?? null)
  const patch = useChange('patchTenant', { affects: ['getTenant', 'listTenants'], quiet: true })
  const problem = fieldErrors(patch.error)
  const look = lookOf(ofAll, { name: name || null, accent: isColour(accent) ? accent : null, logo })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    patch
      .mutateAsync({
        path: { id },
        body: { portal: { name: name || null, accent: accent || null, logo } },
      })
      .then(() => {
        toast('It is saved. Pages that are open have it when they are opened again.')
        onClose()
      })
      .catch(() => undefined) // shown below
  }
  return (
    <form onSubmit={submit} className="space-y-4">
      <Field label="Name" optional error={problem('/portal/name')}>
        <Input value={name} placeholder={ofAll.name} onChange={event => setName(event.target.value)} />
      </Field>
      <Field label="Colour" optional hint="Such as #0055ff" error={problem('/portal/accent')}>
        <div className="flex gap-2">
          <Input
            aria-label="Colour"
            value={accent}
            placeholder={ofAll.accent ?? 'that of the dashboard'}
            onChange={event => setAccent(event.target.value)}
          />
          <input
            type="color"
            aria-label="Pick the colour"
            className="h-8 w-10 shrink-0 rounded-control border border-control bg-surface"
            value={isColour(accent) ? accent : (ofAll.accent ?? '#4f46e5')}
            onChange={event => setAccent(event.target.value)}
          />
        </div>
      </Field>
      <Picture logo={logo} set={setLogo} error={problem('/portal/logo')} />
      <Card>
        <LookPreview look={look} />
      </Card>
      {patch.isError && <ErrorState error={patch.error} />}
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" look="primary" busy={patch.isPending}>
          Save
        </Button>
      </div>
    </form>
  )
}

function Picture({
  logo,
  set,
  error,
}: {
  readonly logo: string | null
  readonly set: (logo: string | null) => void
  readonly error: string | undefined
}) {
  return (
    <Field
      label="Picture"
      optional
      hint="PNG, JPEG, WebP or SVG of at most 12 KB; shown 24 pixels high"
      error={error}
    >
      <div className="flex items-center gap-2">
        <input
          type="file"
          aria-label="Picture"
          accept="image/png,image/jpeg,image/webp,image/svg+xml"
          className="min-w-0 grow text-xs text-ink-2 file:mr-2 file:h-7 file:rounded-control file:border file:border-control file:bg-surface file:px-2 file:text-xs file:text-ink"
          onChange={event => {
            const [file] = event.target.files ?? []
            if (file !== undefined) void dataUrlOf(file).then(set)
          }}
        />
        {logo !== null && (
          <Button size="sm" onClick={() => set(null)}>
            Take it away
          </Button>
        )}
      </div>
    </Field>
  )
}

/** A picture as text: what is no picture, or too large, is refused by the service, which says so beside the field. */
function dataUrlOf(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => resolve(String(reader.result)))
    reader.addEventListener('error', () => reject(reader.error))
    reader.readAsDataURL(file)
  })
}
