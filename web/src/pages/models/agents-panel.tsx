/** The agent of the configuration, the agents that it has spawned, and the roles that say what an agent may do. */
import { Bot, Square } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { type Json, ownValue } from '../../../../src/base/index.ts'
import { Link } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { type ShownConfig, useConfig } from '../../data/settings.ts'
import { IconButton } from '../../ui/button.tsx'
import { Switch } from '../../ui/field.tsx'
import { Badge, Card, Facts, type Tone } from '../../ui/layout.tsx'
import { countText, moneyText } from '../../ui/numbers.ts'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { Table } from '../../ui/table.tsx'

export function AgentsPanel(): ReactNode {
  const config = useConfig()
  const roles = useCall('role.list', {}, { refreshOn: ['role_*'] })
  return (
    <>
      {config.data !== undefined && <DefinedAgent config={config.data} />}
      <SpawnedAgents />
      {roles.failure !== null ? (
        <Problem failure={roles.failure} onRetry={roles.refresh} />
      ) : (
        roles.data !== undefined && (
          <Table
            label="Roles"
            rows={roles.data}
            keyOf={({ role }) => role}
            columns={[
              { title: 'Role', cell: ({ role }) => <strong>{role}</strong> },
              { title: 'May do', cell: ({ rights }) => <Rights rights={rights} /> },
            ]}
          />
        )
      )}
    </>
  )
}

function Rights({ rights }: { readonly rights: readonly string[] }): ReactNode {
  return (
    <span className="models-rights">{rights.includes('*') ? 'everything' : rights.map((right) => <code key={right}>{right}</code>)}</span>
  )
}

/** What the configuration says of the agent that answers. */
function DefinedAgent({ config }: { readonly config: ShownConfig }): ReactNode {
  const valueOf = (name: string): Json => config.entries.find(({ key }) => key.join('.') === name)?.value ?? ''
  const textOf = (name: string): string => {
    const value = valueOf(name)
    return typeof value === 'string' ? value : ''
  }
  const rights = valueOf('agent.rights')
  const instructions = textOf('agent.instructions')
  return (
    <Card title={textOf('agent.name')} actions={<Link to="/settings">Change in the settings</Link>}>
      <Facts
        facts={[
          ['Instructions', instructions === '' ? 'only its own' : instructions],
          ['May do', <Rights key="rights" rights={Array.isArray(rights) ? rights.map(String) : []} />],
        ]}
      />
    </Card>
  )
}

const tones: Readonly<Record<string, Tone>> = {
  running: 'accent',
  waiting: 'warn',
  done: 'good',
  idle: 'good',
  failed: 'bad',
  killed: 'bad',
}

function SpawnedAgents(): ReactNode {
  const [withEnded, setWithEnded] = useState(false)
  const { data, failure, refresh } = useCall('agent.list', { ended: withEnded }, { refreshOn: ['agent_*'], everyMs: 10_000 })
  const { run, failure: refusal } = useAction()
  if (failure !== null) return <Problem failure={failure} onRetry={refresh} />
  if (data === undefined) return <Loading />
  return (
    <>
      <Switch label="Show those that have ended" isOn={withEnded} onChange={setWithEnded} />
      {data.agents.length === 0 ? (
        <Card>
          <Empty title="No agent works at the moment." icon={<Bot />}>
            An agent spawns others for parts of its work; they appear here, and as a tree on the page Now.
          </Empty>
        </Card>
      ) : (
        <Table
          label="Agents"
          rows={data.agents}
          keyOf={({ id }) => id}
          columns={[
            {
              title: 'Agent',
              cell: ({ name, depth, session }) => <Link to={`/chat/${session}`}>{`${'· '.repeat(Math.max(0, depth - 1))}${name}`}</Link>,
            },
            { title: 'State', cell: ({ state }) => <Badge tone={ownValue(tones, state) ?? 'neutral'}>{state}</Badge> },
            { title: 'Task', isMinor: true, cell: ({ task }) => <span className="models-task">{task}</span> },
            {
              title: 'Used',
              align: 'end',
              isMinor: true,
              cell: ({ spent }) => `${countText(spent.tokens)} tokens, ${moneyText(spent.micro_dollars)}`,
            },
            {
              title: 'Stop',
              align: 'end',
              cell: ({ id, name, state }) =>
                /^(?:running|waiting|idle|queued|starting)$/.test(state) ? (
                  <IconButton
                    size="s"
                    icon={<Square />}
                    label={`Stop ${name}`}
                    onClick={() => void run('agent.kill', { agent: id }).then(refresh)}
                  />
                ) : (
                  ''
                ),
            },
          ]}
        />
      )}
      <ProblemLine failure={refusal} />
    </>
  )
}
