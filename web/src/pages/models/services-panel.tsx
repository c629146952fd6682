/** Services that offer models: whether their key is there, never what it is. And what runs on this machine. */
import { KeyRound, Radar } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { FoundService } from '../../../../src/protocol/index.ts'
import { setupChanges } from '../../../../src/config/index.ts'
import { callOf, useAction, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { useApplyConfig } from '../../data/settings.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { Badge, Card, type Tone } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'
import type { ServiceView } from './models-panel.tsx'

const keyTexts: Readonly<Record<ServiceView['key'], readonly [text: string, tone: Tone]>> = {
  present: ['there', 'good'],
  missing: ['missing', 'neutral'],
  not_needed: ['not needed', 'neutral'],
}

export function ServicesPanel(): ReactNode {
  const { data, failure, refresh } = useCall('model.services', {})
  const [asked, setAsked] = useState<ServiceView | null>(null)
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading />
  const order = { present: 0, missing: 1, not_needed: 2 } as const
  const rows = data.services.toSorted((a, b) => Number(b.is_default) - Number(a.is_default) || order[a.key] - order[b.key])
  return (
    <>
      <LocalServices refresh={refresh} />
      <Table
        label="Services"
        rows={rows}
        keyOf={({ id }) => id}
        columns={[
          {
            title: 'Service',
            cell: ({ name, is_default: isDefault }) => (
              <span className="models-name">
                {name} {isDefault && <Badge tone="accent">in use</Badge>}
              </span>
            ),
          },
          {
            title: 'Address',
            isMinor: true,
            cell: ({ base_url: url }) => <code className="models-address">{url === '' ? '–' : url}</code>,
          },
          {
            title: 'Key',
            cell: ({ key }) => <Badge tone={keyTexts[key][1]}>{keyTexts[key][0]}</Badge>,
          },
          {
            title: 'Change',
            align: 'end',
            cell: (service) =>
              service.key === 'not_needed' ? (
                ''
              ) : (
                <Button
                  size="s"
                  icon={<KeyRound />}
                  aria-label={`${service.key === 'missing' ? 'Add key' : 'Replace'}: ${service.name}`}
                  onClick={() => setAsked(service)}
                >
                  {service.key === 'missing' ? 'Add key' : 'Replace'}
                </Button>
              ),
          },
        ]}
      />
      <KeyDialog service={asked} onClose={() => setAsked(null)} refresh={refresh} />
    </>
  )
}

interface KeyDialogProps {
  readonly service: ServiceView | null
  readonly onClose: () => void
  readonly refresh: () => void
}

function KeyDialog({ service, onClose, refresh }: KeyDialogProps): ReactNode {
  const { client } = useGuest()
  const apply = useApplyConfig()
  const [value, setValue] = useState('')
  const name = service?.key_names[0] ?? ''
  const close = (): void => {
    setValue('')
    apply.clear()
    onClose()
  }
  const save = async (): Promise<void> => {
    const saved = await apply.attempt(() => callOf(client, 'secret.set', { name, value: value.trim() }))
    if (saved === undefined || !(await apply.restart())) return
    close()
    refresh()
  }
  return (
    <Dialog title={service === null ? '' : `Key of ${service.name}`} isOpen={service !== null} onClose={close}>
      <form
        className="models-key"
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <TextField
          label={name}
          type="password"
          autoComplete="off"
          hint="Stored encrypted. No page, no agent and no record shows it; Oxbow restarts to use it."
          value={value}
          onChange={(event) => setValue(event.target.value)}
        />
        <ProblemLine failure={apply.failure} />
        <div className="models-buttons">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="primary" disabled={value.trim() === ''} isBusy={apply.isBusy}>
            Store and restart
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Asks this machine only when a person wants to know. */
function LocalServices({ refresh }: { readonly refresh: () => void }): ReactNode {
  const { client } = useGuest()
  const discovery = useAction()
  const apply = useApplyConfig()
  const [found, setFound] = useState<readonly FoundService[] | null>(null)
  const use = async (service: FoundService, model: string): Promise<void> => {
    const config = await apply.attempt(() => callOf(client, 'config.show', {}))
    if (config === undefined) return
    const changes = setupChanges({ model: { kind: 'local', service, model }, tier: null })
    if ((await apply.save({ changes }, config.hash)) !== null && (await apply.restart())) refresh()
  }
  return (
    <Card
      title="Models on this machine"
      actions={
        <Button
          size="s"
          icon={<Radar />}
          isBusy={discovery.isBusy}
          onClick={() => void discovery.run('model.discover', {}).then((output) => setFound(output?.services ?? null))}
        >
          Look for them
        </Button>
      }
    >
      {found === null ? (
        <p className="field-hint">Ollama, LM Studio, llama.cpp, vLLM and LocalAI are found by their usual ports.</p>
      ) : found.length === 0 ? (
        <p role="status">No model service answers on this machine.</p>
      ) : (
        <ul className="models-local">
          {found.map((service) => (
            <li key={service.id}>
              <strong>{service.name}</strong> <span className="models-provider">{plural(service.models.length, 'model')}</span>
              <ul>
                {service.models.map(({ name, contextTokens }) => (
                  <li key={name}>
                    {name} {contextTokens !== null && <span className="models-provider">{contextTokens.toLocaleString('en')} tokens</span>}{' '}
                    <Button size="s" isBusy={apply.isBusy} aria-label={`Use ${name}`} onClick={() => void use(service, name)}>
                      Use
                    </Button>
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
      )}
      <ProblemLine failure={discovery.failure ?? apply.failure} />
    </Card>
  )
}
