/** Definitions of one kind: whose each is, whether it counts and why not, its files; a new one in the workspace. */
import { FileCode, Play, Plus } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import type { DefinitionKind } from '../../../../src/config/index.ts'
import { approveDefinition, revokeDefinition } from '../../../../src/terminal/index.ts'
import type { Place } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { GraphCheck } from './graph-check.tsx'
import { NewDefinition } from './new-definition.tsx'
import { StartGraph } from './start-graph.tsx'

type Definition = OutputOf<'definition.list'>['definitions'][number]
type Shown = OutputOf<'definition.show'>

/** Files change without an event. */
const listEveryMs = 15_000

export function DefinitionsPanel({ kind, place }: { readonly kind: Exclude<DefinitionKind, 'programs'>; readonly place: Place }): ReactNode {
  const definitions = useCall('definition.list', { kind }, { refreshOn: ['turn_ended'], everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  const noun = kind === 'agents' ? 'agent' : 'graph'
  return (
    <>
      <div>
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New {noun}
        </Button>
      </div>
      <Shelf
        place={place}
        page={`/definitions/${kind}`}
        label={kind === 'agents' ? 'Agents' : 'Graphs'}
        noun={noun}
        call={definitions}
        entries={definitions.data?.definitions.map((definition) => ({
          id: definition.name,
          title: definition.name,
          note: definition.problem === '' ? whose[definition.from] : definition.problem,
          state: states[definition.state],
        }))}
        empty={
          <Empty title={`There are no definitions of ${kind}.`} icon={<FileCode />}>
            Yours are in <code>{`~/.oxbow/${kind}/NAME.toml`}</code>, the workspace’s in <code>{`/shared/.oxbow/${kind}/NAME.toml`}</code>.
          </Empty>
        }
      >
        {(id) => (
          <DefinitionThing
            kind={kind}
            definition={definitions.data!.definitions.find(({ name }) => name === id)!}
            refresh={definitions.refresh}
          />
        )}
      </Shelf>
      <NewDefinition kind={kind} isOpen={isAdding} onClose={() => setAdding(false)} onSaved={definitions.refresh} />
    </>
  )
}

const whose = { person: 'yours', workspace: 'of the workspace' } as const

const states: Readonly<Record<Definition['state'], Entry['state']>> = {
  ready: ['counts', 'good'],
  new: ['waits for you', 'warn'],
  changed: ['changed', 'warn'],
  hidden: ['hidden', 'neutral'],
  broken: ['broken', 'bad'],
}

const whys: Readonly<Record<Definition['state'], string>> = {
  ready: '',
  new: 'It is in the workspace, where agents write too: it counts when you have approved it.',
  changed: 'Its files have changed since you approved it, so it does not count.',
  hidden: 'One of yours has the same name and comes first.',
  broken: 'It cannot be used as it is.',
}

interface DefinitionThingProps {
  readonly kind: Exclude<DefinitionKind, 'programs'>
  readonly definition: Definition
  readonly refresh: () => void
}

function DefinitionThing({ kind, definition, refresh }: DefinitionThingProps): ReactNode {
  const { name, from, state, problem } = definition
  const shown = useCall('definition.show', { kind, name })
  const [isStarting, setStarting] = useState(false)
  const isWaiting = state === 'new' || state === 'changed'
  const changed = (): void => {
    refresh()
    shown.refresh()
  }
  return (
    <Thing
      title={name}
      state={states[state]}
      why={
        problem === ''
          ? whys[state] || (from === 'person' ? 'It is yours, and needs no approval.' : 'You have approved it as it is.')
          : problem
      }
      actions={
        <>
          {isWaiting && (
            <ReviewButton<Shown>
              label="Review and approve"
              agreement={approveDefinition(name)}
              verb="Approve"
              look={(run) => run('definition.show', { kind, name })}
              settled={(seen) => (seen.from === 'person' ? `${name} is yours and needs no approval.` : '')}
              agree={async ({ hash }, run) => {
                const done = await run('definition.approve', { kind, name, hash })
                return done && `Approved ${name}. It counts until its files change.`
              }}
              onDone={changed}
            >
              {(seen) => <Files shown={seen} />}
            </ReviewButton>
          )}
          {kind === 'graphs' && state === 'ready' && (
            <Button size="s" icon={<Play />} onClick={() => setStarting(true)}>
              Run…
            </Button>
          )}
          {from === 'workspace' && state === 'ready' && (
            <DeedButton
              deed={revokeDefinition(name)}
              verb="Take back the approval"
              act={(run) => run('definition.revoke', { kind, name })}
              onDone={changed}
            />
          )}
        </>
      }
    >
      {shown.failure !== null ? (
        <Problem failure={shown.failure} onRetry={shown.refresh} />
      ) : shown.data === undefined ? (
        <Loading label="Files" />
      ) : (
        <Files shown={shown.data} />
      )}
      {kind === 'graphs' && shown.data !== undefined && <GraphCheck toml={shown.data.toml} />}
      {kind === 'graphs' && <StartGraph graph={name} isOpen={isStarting} onClose={() => setStarting(false)} />}
    </Thing>
  )
}

function Files({ shown: { kind, name, toml, text, character, hash } }: { readonly shown: Shown }): ReactNode {
  return (
    <>
      <PlainFile name={`${kind}/${name}.toml`} text={toml} />
      {text !== '' && <PlainFile name={`${kind}/${name}.md`} text={text} />}
      {character !== undefined && <PlainFile name={`${kind}/${name}.character.json`} text={character} />}
      <p className="soft small">
        Hash <code>{hash}</code>
      </p>
    </>
  )
}
