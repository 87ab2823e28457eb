import { useState } from 'react'
import { useRead } from '../../api/queries.ts'
import { useConfig } from '../../api/session.ts'
import { Button } from '../../design/button.tsx'
import { Card, Section } from '../../design/page.tsx'
import { LookPreview } from '../../parts/look-preview.tsx'
import { TenantLook } from '../../parts/tenant-look.tsx'
import { lookOf } from '../../shell/brand.ts'
import { useCan } from '../../shell/me.ts'

/** The name, the picture and the colour of a tenant's own page: its own, or as the settings give them for all. */
export function Look({ tenant }: { readonly tenant: string }) {
  const config = useConfig()
  const mayChange = useCan('admin')
  const [changing, setChanging] = useState(false)
  const read = useRead('getTenant', { path: { id: tenant } })
  if (config.data === undefined) return null
  return (
    <Section
      title="Name, picture and colour"
      hint="Each tenant's own; what is not given is as PORTAL_NAME, PORTAL_LOGO (a file) and PORTAL_ACCENT say for all."
      actions={
        mayChange && (
          <Button size="sm" onClick={() => setChanging(true)}>
            Change
          </Button>
        )
      }
    >
      <Card>
        <LookPreview look={lookOf(config.data.portal, read.data?.portal)} />
      </Card>
      {changing && <TenantLook tenant={tenant} onClose={() => setChanging(false)} />}
    </Section>
  )
}
