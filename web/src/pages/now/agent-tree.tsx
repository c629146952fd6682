/** Agents as a tree: who has started whom, what each is to reach, does and waits for, what it has spent and what is left. */
import { Bot, X } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { type AgentLine, agentSpent, agentState, badgeText, labelBadges } from '../../../../src/terminal/index.ts'
import { Link } from '../../app/router.tsx'
import { useAction } from '../../data/calls.ts'
import { IconButton } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Switch } from '../../ui/field.tsx'
import { Badge, Time, type Tone } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'
import { AgentControls } from './agent-controls.tsx'
import { ownValue } from '../../../../src/base/index.ts'

const tones: Readonly<Record<string, Tone>> = {
  running: 'accent',
  starting: 'neutral',
  waiting: 'warn',
  paused: 'warn',
  idle: 'neutral',
  done: 'good',
  failed: 'bad',
  killed: 'bad',
}

interface AgentTreeProps {
  readonly agents: readonly AgentLine[]
  readonly onChanged: () => void
}

export function AgentTree({ agents, onChanged }: AgentTreeProps): ReactNode {
  const [isAll, setAll] = useState(false)
  const [ending, setEnding] = useState<AgentLine | null>(null)
  const kill = useAction()
  const shown = isAll ? agents : agents.filter(({ ended_at: endedAt }) => endedAt === null)
  const known = new Set<string>(shown.map(({ id }) => id))
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
        <Branch agents={below.get('') ?? []} below={below} onEnd={setEnding} onChanged={onChanged} />
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
  readonly agents: readonly AgentLine[]
  readonly below: ReadonlyMap<string, readonly AgentLine[]>
  readonly onEnd: (agent: AgentLine) => void
  readonly onChanged: () => void
}

function Branch({ agents, below, onEnd, onChanged }: BranchProps): ReactNode {
  return (
    <ul className="agents">
      {agents.map((agent) => (
        <li key={agent.id}>
          <AgentRow agent={agent} onEnd={onEnd} onChanged={onChanged} />
          {below.has(agent.id) && <Branch agents={below.get(agent.id)!} below={below} onEnd={onEnd} onChanged={onChanged} />}
        </li>
      ))}
    </ul>
  )
}

interface AgentRowProps extends Pick<BranchProps, 'onEnd' | 'onChanged'> {
  readonly agent: AgentLine
}

function AgentRow({ agent, onEnd, onChanged }: AgentRowProps): ReactNode {
  const { name, state, task, session, usage, reason, branch, ended_at: endedAt } = agent
  return (
    <div className="agent">
      <div className="agent-head">
        <Link to={`/chat/${session}`} className="agent-name">
          {name}
        </Link>
        <Badge tone={ownValue(tones, state) ?? 'neutral'}>
          <span data-volatile>{agentState(agent)}</span>
        </Badge>
        {labelBadges(agent).map((badge) => (
          <span key={badge.label} className="agent-cost" title={badge.from.join('\n')}>
            {badgeText([badge])}
          </span>
        ))}
        <span className="agent-cost">
          {agentSpent(agent)}
          {usage !== null && ` · ${usage.memory_mb} MB`}
          {branch !== undefined && ' · on a branch of files'}
        </span>
        {endedAt === null ? (
          <>
            <AgentControls agent={agent} onChanged={onChanged} />
            <IconButton icon={<X />} size="s" label={`End ${name}`} onClick={() => onEnd(agent)} />
          </>
        ) : (
          <Time at={endedAt} />
        )}
      </div>
      <p className="agent-task">{reason === '' ? task : `${reason} — ${task}`}</p>
    </div>
  )
}
