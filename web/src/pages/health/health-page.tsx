/** What `oxbow doctor` says, as far as a running guest can know it, and what to do about each finding. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { Check, CircleAlert, HeartPulse, RefreshCw, TriangleAlert } from 'lucide-react'
import { type ReactNode, useMemo, useState } from 'react'
import type { DoctorCheck } from '../../../../src/protocol/index.ts'
import { type CallState, useAction, useCall } from '../../data/calls.ts'
import { useGuest } from '../../data/guest.tsx'
import { Button } from '../../ui/button.tsx'
import { Card, durationText, Facts, Page, Time } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { Loading, Problem, ProblemLine, WithCode } from '../../ui/states.tsx'
import './health.css'

type HealthView = OutputOf<'system.health'>

/** The guest's own checks are cheap; the model's service is asked less often. */
const guestEveryMs = 20_000
const modelEveryMs = 120_000

export default function HealthPage(): ReactNode {
  const guest = useCall('system.health', { part: 'guest' }, { everyMs: guestEveryMs })
  const model = useCall('system.health', { part: 'model' }, { everyMs: modelEveryMs })
  const [machine, setMachine] = useState<HealthView | null>(null)
  const test = useAction()
  const testMachine = async (): Promise<void> => {
    const found = await test.run('system.health', { part: 'machine' })
    if (found !== undefined) setMachine(found)
  }
  const checks = useMemo(
    () => [...(guest.data?.checks ?? []), ...(model.data?.checks ?? []), ...(machine?.checks ?? [])],
    [guest.data, model.data, machine],
  )
  const checkAgain = (): void => {
    guest.refresh()
    model.refresh()
  }
  return (
    <Page
      title="Health"
      intro="What works, what does not, and what to do about it."
      actions={
        <Button icon={<RefreshCw />} onClick={checkAgain}>
          Check again
        </Button>
      }
    >
      {guest.data !== undefined && <Verdict checks={checks} at={guest.data.at} />}
      <Part title="This guest" state={guest} />
      <Part title="Model" state={model} />
      <Card
        title="Sandboxes of this machine"
        actions={
          <Button size="s" onClick={() => void testMachine()} isBusy={test.isBusy}>
            {machine === null ? 'Test' : 'Test again'}
          </Button>
        }
      >
        <ProblemLine failure={test.failure} />
        {machine === null ? (
          <p className="soft">
            {test.isBusy
              ? 'Each sandbox is started and tried once. This takes up to a minute.'
              : 'Starts each kind of sandbox once and tries what must fail inside it, as oxbow doctor does.'}
          </p>
        ) : (
          <Checks checks={machine.checks} />
        )}
      </Card>
      <About />
    </Page>
  )
}

function Verdict({ checks, at }: { readonly checks: readonly DoctorCheck[]; readonly at: number }): ReactNode {
  const broken = checks.filter(({ state, required }) => state === 'missing' && required)
  const open = checks.filter(({ state }) => state !== 'ok')
  const tone = broken.length > 0 ? 'bad' : open.length > 0 ? 'warn' : 'good'
  const title =
    broken.length > 0
      ? `${broken.map(({ name }) => capital(name)).join(' and ')} ${broken.length === 1 ? 'does' : 'do'} not work`
      : open.length > 0
        ? `${plural(open.length, 'thing')} to look at`
        : 'Everything works'
  return (
    <div className="verdict" data-tone={tone} role="status">
      <span className="verdict-icon" aria-hidden="true">
        {tone === 'good' ? <HeartPulse /> : <TriangleAlert />}
      </span>
      <div>
        <p className="verdict-title">{title}</p>
        <p className="verdict-text">
          {tone === 'good' ? plural(checks.length, 'check') : open.map(({ name }) => capital(name)).join(', ')} · checked <Time at={at} />
        </p>
      </div>
    </div>
  )
}

function Part({ title, state }: { readonly title: string; readonly state: CallState<HealthView> }): ReactNode {
  const { data, failure, refresh } = state
  return (
    <Card title={title}>
      {data !== undefined ? (
        <Checks checks={data.checks} />
      ) : failure !== null ? (
        <Problem failure={failure} onRetry={refresh} />
      ) : (
        <Loading label={title} />
      )}
    </Card>
  )
}

const icons = { ok: <Check />, weak: <TriangleAlert />, missing: <CircleAlert /> } as const
const words = { ok: 'Works', weak: 'Look at this', missing: 'Does not work' } as const

/** What needs a person comes first. */
const order = { missing: 0, weak: 1, ok: 2 } as const

function Checks({ checks }: { readonly checks: readonly DoctorCheck[] }): ReactNode {
  const sorted = checks.toSorted((a, b) => order[a.state] - order[b.state])
  return (
    <ul className="checks">
      {sorted.map(({ name, state, says, fix, ms }) => (
        <li key={name} className="check" data-state={state}>
          <span className="check-icon" role="img" aria-label={words[state]} title={words[state]}>
            {icons[state]}
          </span>
          <span className="check-name">{capital(name)}</span>
          <span className="check-says">
            {says}
            {ms >= slowMs && <span className="check-ms"> · {durationText(ms)}</span>}
            {fix !== '' && (
              <span className="check-fix">
                {/^(?:apt-get|chmod|sudo|npm|oxbow|systemd-run) /.test(fix) ? <code>{fix}</code> : <WithCode text={fix} />}
              </span>
            )}
          </span>
        </li>
      ))}
    </ul>
  )
}

const slowMs = 1_000

function About(): ReactNode {
  const { status } = useGuest()
  const { sandbox } = status
  return (
    <Card title="About this guest">
      <Facts
        facts={[
          ['Version', status.version],
          ['User', status.user],
          ['Model', <code key="model">{[status.model, ...status.fallback].join(' → ')}</code>],
          ['Sandbox', `${sandbox.tier}${sandbox.provider === '' ? '' : `, ${sandbox.provider}`}`],
          ['Isolated', status.isolated === true ? 'yes, in a container of its own without network' : 'no, it runs as your user'],
          ['Limits', sandbox.limits.length === 0 ? 'none in force' : <List key="limits" items={sandbox.limits} />],
          ['Store', <code key="store">{status.store}</code>],
          ['Search model', <code key="embedder">{status.embedder}</code>],
          ['Recording', status.recording === 'raw' ? 'raw exchanges with models' : 'messages and calls'],
        ]}
      />
    </Card>
  )
}

function List({ items }: { readonly items: readonly string[] }): ReactNode {
  return (
    <ul className="plain-list">
      {items.map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
