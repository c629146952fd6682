/** The page to leave open: what runs and waits, which agents there are, what the machine does, and what today has cost. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { Activity, Bot, Coins, Hand, MessageSquareText, Square } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { Link } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { IconButton } from '../../ui/button.tsx'
import { Badge, Card, Page, Time } from '../../ui/layout.tsx'
import { countText, moneyText, plural } from '../../ui/numbers.ts'
import { Empty, Loading, NoticeBar, Problem, ProblemLine } from '../../ui/states.tsx'
import { AgentTree } from './agent-tree.tsx'
import { ResourcesCard } from './resources-card.tsx'
import { hourMs, UsageCard, useUsage } from './usage-card.tsx'
import './now.css'

type NowView = OutputOf<'system.now'>

interface RunningCall {
  readonly call: string
  readonly name: string
  readonly actor: string
  readonly session: string
  readonly elapsed_ms: number
}

/** Whatever changes what is shown here. */
const changing = ['turn_*', 'message_received', 'approval_*', 'agent_*', 'schedule_*', 'call_refused', 'session_*']
/** Calls begin and end without an event: while something runs, it is read at this interval. */
const busyMs = 2_000
const idleMs = 30_000

export default function NowPage(): ReactNode {
  const [isBusy, setBusy] = useState(false)
  const { data, failure, refresh } = useCall('system.now', {}, { refreshOn: changing, everyMs: isBusy ? busyMs : idleMs })
  const agents = useCall(
    'agent.list',
    { ended: true, limit: 100 },
    { refreshOn: ['agent_*', 'turn_*'], everyMs: isBusy ? 3 * busyMs : idleMs },
  )
  const usage = useUsage()
  useEffect(() => setBusy(data !== undefined && (data.turns.length > 0 || data.calls.length > 0)), [data])
  if (data === undefined)
    return <Page title="Now">{failure === null ? <Loading label="Now" /> : <Problem failure={failure} onRetry={refresh} />}</Page>

  const waiting = data.turns.reduce((sum, turn) => sum + turn.waiting, 0)
  const live = agents.data?.agents.filter(({ ended_at: endedAt }) => endedAt === null).length ?? 0
  const today = usage.today
  return (
    <Page title="Now" intro="What runs and waits, and what it costs. Leave this page open.">
      <LoosenedWalls />
      <div className="tiles">
        <Tile
          icon={<Activity />}
          label="Running"
          value={String(data.turns.length)}
          isLive={data.turns.length > 0}
          note={waiting > 0 ? `${plural(waiting, 'message')} waiting` : 'no message waits'}
        />
        <Tile
          icon={<Hand />}
          label="Approvals"
          value={String(data.approvals.length)}
          tone={data.approvals.length > 0 ? 'warn' : undefined}
          note={<Asking approvals={data.approvals} />}
        />
        <Tile icon={<Bot />} label="Agents" value={String(live)} note={queueNote(data.admission)} />
        <Tile
          icon={<Coins />}
          label="Spent today"
          value={moneyText(today.micro_dollars)}
          note={`${countText(today.tokens)} tokens, ${plural(today.calls, 'request')}`}
        />
      </div>
      <div className="now-columns">
        <div className="now-column">
          <Card title="Running">
            <Turns view={data} />
          </Card>
          <Card title="Agents">
            {agents.data !== undefined ? (
              <AgentTree agents={agents.data.agents} onChanged={agents.refresh} />
            ) : agents.failure === null ? (
              <Loading label="Agents" />
            ) : (
              <Problem failure={agents.failure} onRetry={agents.refresh} />
            )}
          </Card>
        </div>
        <ResourcesCard />
      </div>
      <UsageCard usage={usage} />
    </Page>
  )
}

/** Walls of the configuration that were loosened within a day, by whatever means. */
function LoosenedWalls(): ReactNode {
  const { data } = useCall('config.changes', {}, { refreshOn: ['config_*'] })
  return (data?.loosened ?? []).map(({ key, before, after, at }) => (
    <NoticeBar key={key} tone="warn" role="status">
      <code>{key}</code> was loosened: <code>{JSON.stringify(before)}</code> became <code>{JSON.stringify(after)}</code>, <Time at={at} />.{' '}
      <Link to="/settings">Settings</Link>
    </NoticeBar>
  ))
}

/** Leads to the oldest question: the next one follows there. */
function Asking({ approvals }: Pick<NowView, 'approvals'>): ReactNode {
  const [oldest] = approvals
  if (oldest === undefined) return 'nothing to decide'
  return (
    <Link to={`/chat/${oldest.session}`}>
      Decide <code>{oldest.name}</code>
    </Link>
  )
}

function queueNote({ queued, paused_by: pausedBy }: NowView['admission']): string {
  if (pausedBy.length > 0) return 'none starts: the machine is busy'
  return queued.length === 0 ? 'no run waits to start' : `${plural(queued.length, 'run')} waiting to start`
}

interface TileProps {
  readonly icon: ReactNode
  readonly label: string
  readonly value: string
  readonly note: ReactNode
  readonly tone?: 'warn' | undefined
  readonly isLive?: boolean
}

function Tile({ icon, label, value, note, tone, isLive = false }: TileProps): ReactNode {
  return (
    <section className="tile" data-tone={tone} aria-label={label}>
      <span className="tile-label">
        {icon}
        {label}
        {isLive && <span className="pulse" aria-hidden="true" />}
      </span>
      <span className="tile-value">{value}</span>
      <span className="tile-note">{note}</span>
    </section>
  )
}

function Turns({ view }: { readonly view: NowView }): ReactNode {
  const { turns, calls, at } = view
  const cancel = useAction()
  // Calls of agents and of the background belong to sessions without a turn here.
  const others = calls.filter(({ session }) => !turns.some((turn) => turn.session === session))
  if (turns.length === 0 && others.length === 0)
    return (
      <Empty title="Nothing runs" icon={<MessageSquareText />}>
        <Link to="/chat">Ask for something in Chat</Link>
      </Empty>
    )
  return (
    <>
      <ProblemLine failure={cancel.failure} />
      <ul className="turns">
        {turns.map((turn) => (
          <li key={turn.turn} className="turn">
            <div className="turn-head">
              <Link to={`/chat/${turn.session}`} className="turn-title">
                {turn.title || 'Untitled session'}
              </Link>
              {turn.waiting > 0 && <Badge tone="warn">{plural(turn.waiting, 'message')} waiting</Badge>}
              <Elapsed since={turn.since} />
              <IconButton
                icon={<Square />}
                size="s"
                label={`Stop ${turn.title || 'this turn'}`}
                onClick={() => void cancel.run('turn.cancel', { session: turn.session }, turn.session)}
              />
            </div>
            <Calls calls={calls.filter(({ session }) => session === turn.session)} at={at} />
          </li>
        ))}
        {others.length > 0 && (
          <li className="turn">
            <div className="turn-head">
              <span className="turn-title">In the background</span>
            </div>
            <Calls calls={others} at={at} />
          </li>
        )}
      </ul>
    </>
  )
}

function Calls({ calls, at }: { readonly calls: readonly RunningCall[]; readonly at: number }): ReactNode {
  return (
    <ul className="running-calls">
      {calls.map(({ call, name, actor, elapsed_ms: elapsed }) => (
        <li key={call}>
          <span className="pulse" aria-hidden="true" />
          <code>{name}</code>
          <span className="soft">{actor}</span>
          <Elapsed since={at - elapsed} />
        </li>
      ))}
    </ul>
  )
}

/** Counts on between two views, so that a long call looks alive. */
function Elapsed({ since }: { readonly since: number }): ReactNode {
  const [now, setNow] = useState(Date.now)
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000)
    return () => clearInterval(timer)
  }, [])
  return (
    <span className="elapsed" data-volatile>
      {clockText(Math.max(0, now - since))}
    </span>
  )
}

/** 75 000 → `1:15`. */
function clockText(ms: number): string {
  const s = Math.floor(ms / 1_000)
  const minutes = Math.floor(s / 60) % 60
  const hours = Math.floor((s * 1_000) / hourMs)
  const rest = `${String(minutes).padStart(hours > 0 ? 2 : 1, '0')}:${String(s % 60).padStart(2, '0')}`
  return hours > 0 ? `${hours}:${rest}` : rest
}
