/** Agents as a tree: who has spawned whom, what each does, and what it has cost. */
import { Bot, X } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Link } from '../../app/router.tsx'
import { useAction } from '../../data/calls.ts'
import { IconButton } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Switch } from '../../ui/field.tsx'
import { Badge, durationText, Time, type Tone } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty } from '../../ui/states.tsx'

export interface AgentList {
  readonly agents: readonly Agent[]
}

interface Agent {
  readonly id: string
  readonly name: string
  readonly session: string
  readonly parent: string
  readonly task: string
  readonly model: string
  readonly state: string
  readonly reason: string
  readonly waiting_for: string | null
  readonly current_call: { readonly name: string; readonly elapsed_ms: number } | null
  readonly usage: { readonly cpu_ms: number; readonly memory_mb: number; readonly processes: number } | null
  readonly spent: { readonly tokens: number; readonly micro_dollars: number }
  readonly created_at: number
  readonly ended_at: number | null
}

const tones: Readonly<Record<string, Tone>> = {
  running: 'accent',
  starting: 'neutral',
  waiting: 'warn',
  idle: 'neutral',
  done: 'good',
  failed: 'bad',
  killed: 'bad',
}

interface AgentTreeProps {
  readonly agents: readonly Agent[]
  readonly onChanged: () => void
}

export function AgentTree({ agents, onChanged }: AgentTreeProps): ReactNode {
  const [isAll, setAll] = useState(false)
  const [ending, setEnding] = useState<Agent | null>(null)
  const kill = useAction()
  const shown = isAll ? agents : agents.filter(({ ended_at: endedAt }) => endedAt === null)
  const known = new Set(shown.map(({ id }) => id))
  const below = Map.groupBy(shown, ({ parent }) => (known.has(parent) ? parent : ''))
  const confirm = async (): Promise<void> => {
    if (ending === null || (await kill.run('agent.kill', { agent: ending.id })) === undefined) return
    setEnding(null)
    onChanged()
  }
  const hasEnded = agents.some(({ ended_at: endedAt }) => endedAt !== null)
  return (
    <>
      {hasEnded && <Switch label="Also those that have ended" isOn={isAll} onChange={setAll} />}
      {shown.length === 0 ? (
        <Empty title="No agents" icon={<Bot />}>
          A session starts one when a task is worth a conversation of its own.
        </Empty>
      ) : (
        <Branch agents={below.get('') ?? []} below={below} onEnd={setEnding} />
      )}
      <Confirm
        title={`End ${ending?.name ?? ''}?`}
        isOpen={ending !== null}
        onClose={() => setEnding(null)}
        verb="End"
        onConfirm={() => void confirm()}
        isBusy={kill.isBusy}
        failure={kill.failure}
      >
        <p>It stops at once, with everything that it runs. What it has written stays.</p>
      </Confirm>
    </>
  )
}

interface BranchProps {
  readonly agents: readonly Agent[]
  readonly below: ReadonlyMap<string, readonly Agent[]>
  readonly onEnd: (agent: Agent) => void
}

function Branch({ agents, below, onEnd }: BranchProps): ReactNode {
  return (
    <ul className="agents">
      {agents.map((agent) => (
        <li key={agent.id}>
          <AgentRow agent={agent} onEnd={onEnd} />
          {below.has(agent.id) && <Branch agents={below.get(agent.id)!} below={below} onEnd={onEnd} />}
        </li>
      ))}
    </ul>
  )
}

function AgentRow({ agent, onEnd }: { readonly agent: Agent; readonly onEnd: (agent: Agent) => void }): ReactNode {
  const { name, state, task, session, spent, usage, reason, current_call: call, waiting_for: waitingFor, ended_at: endedAt } = agent
  return (
    <div className="agent">
      <div className="agent-head">
        <Link to={`/chat/${session}`} className="agent-name">
          {name}
        </Link>
        <Badge tone={tones[state] ?? 'neutral'}>{waitingFor === null ? state : `waits for ${waitingFor}`}</Badge>
        {call !== null && (
          <span className="agent-call">
            <code>{call.name}</code> <span data-volatile>{durationText(call.elapsed_ms)}</span>
          </span>
        )}
        <span className="agent-cost">
          {moneyText(spent.micro_dollars)} · {countText(spent.tokens)} tokens
          {usage !== null && ` · ${usage.memory_mb} MB`}
        </span>
        {endedAt === null ? <IconButton icon={<X />} size="s" label={`End ${name}`} onClick={() => onEnd(agent)} /> : <Time at={endedAt} />}
      </div>
      <p className="agent-task">{reason === '' ? task : `${reason} — ${task}`}</p>
    </div>
  )
}
