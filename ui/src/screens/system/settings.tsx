import { useState } from 'react'
import { apiRoot } from '../../api/client.ts'
import { useRead } from '../../api/queries.ts'
import type { SettingReport } from '../../api/schema.ts'
import { Tag } from '../../design/badge.tsx'
import { Input, Segmented } from '../../design/field.tsx'
import { Card, Section } from '../../design/page.tsx'
import { ErrorState, SkeletonLines } from '../../design/states.tsx'
import { PlainTable } from '../../design/table.tsx'

/** The settings of the process that answers, without secrets. */
export function Settings() {
  const settings = useRead('listSettings')
  const { data } = settings
  const changed = data?.filter(({ is_default: isDefault }) => !isDefault) ?? []
  return (
    <Section
      title="Settings in force"
      hint={
        data &&
        `Of the process that answers at ${apiRoot.host}: ${changed.length} of ${data.length} differ from their defaults. Secrets are masked.`
      }
    >
      <Card>
        {data === undefined ? (
          settings.isError ? (
            <ErrorState error={settings.error} retry={() => void settings.refetch()} />
          ) : (
            <SkeletonLines />
          )
        ) : (
          <Table settings={data} />
        )}
      </Card>
    </Section>
  )
}

function Table({ settings }: { readonly settings: readonly SettingReport[] }) {
  const [which, setWhich] = useState<'changed' | 'all'>('changed')
  const [text, setText] = useState('')
  const shown = settings.filter(
    ({ variable, is_default: isDefault }) =>
      (which === 'all' || !isDefault || text !== '') && variable.includes(text.trim().toUpperCase()),
  )
  return (
    <>
      <div className="mb-2 flex flex-wrap items-center gap-2">
        <Segmented
          label="Which settings"
          value={which}
          onChange={setWhich}
          options={[
            { value: 'changed', label: 'Changed' },
            { value: 'all', label: 'All' },
          ]}
        />
        <span className="w-56">
          <Input
            type="search"
            aria-label="Find a setting"
            placeholder="Find a setting"
            value={text}
            onChange={event => setText(event.target.value)}
          />
        </span>
      </div>
      {shown.length === 0 ? (
        <p className="py-2 text-sm text-ink-2">
          {text === '' ? 'Nothing differs from its default.' : 'No setting has this in its name.'}
        </p>
      ) : (
        <PlainTable head={['Setting', 'Value', '']}>
          {shown.map(({ variable, value, is_default: isDefault }) => (
            <tr key={variable}>
              <td className="max-sm:min-w-36">
                <code className="font-mono text-xs max-sm:[overflow-wrap:anywhere]">{variable}</code>
              </td>
              <td className="w-full">
                <code className="font-mono text-xs [overflow-wrap:anywhere]">
                  {value === '' || value === '(not set)' ? (
                    <span className="text-ink-3">not set</span>
                  ) : (
                    value
                  )}
                </code>
              </td>
              <td>{isDefault ? <span className="text-xs text-ink-3">default</span> : <Tag>set</Tag>}</td>
            </tr>
          ))}
        </PlainTable>
      )}
    </>
  )
}
