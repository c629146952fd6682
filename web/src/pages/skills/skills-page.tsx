/** Skills, instructions of folders (AGENTS.md) and commands: which count, which wait until a person trusts them, and what is in each. */
import { BookOpen, Plus } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { revokeTrust, trustFiles } from '../../../../src/terminal/index.ts'
import type { PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Diff } from '../../ui/diff.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { NewSkill } from './new-skill.tsx'

type Item = OutputOf<'skill.list'>['items'][number]
type Shown = OutputOf<'skill.show'>

/** Files of the workspace and of the home change without an event. */
const listEveryMs = 15_000

/** As `oxbow skills trust` names it. */
const targetOf = ({ kind, name, path }: Item): string => (path !== '' ? path : kind === 'command' ? `/${name}` : name)
const idOf = (item: Item): string => `${item.kind} ${item.place} ${item.agent} ${targetOf(item)}`

export default function SkillsPage({ place }: PageProps): ReactNode {
  const skills = useCall('skill.list', {}, { refreshOn: ['turn_ended'], everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <SayingPage
      title="Skills"
      intro="Instructions that agents follow: skills, AGENTS.md of folders, and commands. What came with a folder is only data until you trust it."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New skill
        </Button>
      }
    >
      <Shelf
        place={place}
        page="/skills"
        label="Skills"
        noun="skill"
        call={skills}
        entries={skills.data?.items.map(entryOf)}
        empty={
          <Empty title="There are no skills." icon={<BookOpen />}>
            A skill is a folder with a file SKILL.md that says what it is for and how it is done. Agents find it by what it says.
          </Empty>
        }
      >
        {(id) => <SkillThing item={skills.data!.items.find((item) => idOf(item) === id)!} refresh={skills.refresh} />}
      </Shelf>
      <NewSkill isOpen={isAdding} onClose={() => setAdding(false)} onSaved={skills.refresh} />
    </SayingPage>
  )
}

const groups = { skill: 'Skills', instructions: 'Instructions of folders', command: 'Commands' } as const

const states: Readonly<Record<Item['state'], Entry['state']>> = {
  ready: ['counts', 'good'],
  new: ['waits for you', 'warn'],
  changed: ['changed', 'warn'],
  hidden: ['hidden', 'neutral'],
  broken: ['broken', 'bad'],
}

function entryOf(item: Item): Entry {
  const { kind, name, description, problem, state } = item
  return {
    id: idOf(item),
    title: kind === 'command' ? `/${name}` : name,
    note: problem === '' ? description : problem,
    state: states[state],
    group: groups[kind],
  }
}

const places: Readonly<Record<Item['place'], string>> = {
  agent: 'the agent',
  '.agents': '.agents of the workspace',
  '.claude': '.claude of the workspace',
  user: 'your home',
  bundled: 'Oxbow',
  workspace: 'the workspace',
}

const whys: Readonly<Record<Item['state'], string>> = {
  ready: '',
  new: 'It came with a folder, and nobody has looked at it: agents do not follow it until you trust it.',
  changed: 'It has changed since you trusted it: agents do not follow it until you trust it as it is now.',
  hidden: 'Another one of this name comes first.',
  broken: 'It cannot be used as it is.',
}

function SkillThing({ item, refresh }: { readonly item: Item; readonly refresh: () => void }): ReactNode {
  const { kind, name, place, agent, path, description, state, problem } = item
  const target = targetOf(item)
  // What a bundled skill says is read too, but there is nothing to trust.
  const shown = useCall('skill.show', { target })
  const isWaiting = state === 'new' || state === 'changed'
  const isTrusted = state === 'ready' && path !== ''
  const changed = (): void => {
    refresh()
    shown.refresh()
  }
  return (
    <Thing
      title={kind === 'command' ? `/${name}` : name}
      state={states[state]}
      why={problem === '' ? whys[state] : problem}
      actions={
        <>
          {isWaiting && (
            <ReviewButton<Shown>
              label="Review and trust"
              agreement={trustFiles(name)}
              verb="Trust it"
              look={(run) => run('skill.show', { target })}
              settled={({ hash }) => (hash === '' ? `${name} is not of a folder and needs no trust.` : '')}
              agree={async ({ hash }, run) => {
                const trusted = await run('skill.trust', { target, hash })
                return trusted && `Trusted ${trusted.path}. It counts until it changes.`
              }}
              onDone={changed}
            >
              {(seen) => <Files shown={seen} />}
            </ReviewButton>
          )}
          {isTrusted && (
            <DeedButton
              deed={revokeTrust([path])}
              verb="Take back the trust"
              act={(run) => run('skill.revoke', { target })}
              onDone={changed}
            />
          )}
        </>
      }
    >
      <Facts
        facts={[
          ['What it is for', description === '' ? '–' : description],
          ['Came from', place === 'agent' ? `the agent ${agent}` : places[place]],
          ...(path === '' ? [] : ([['Where', <code key="path">{path}</code>]] as const)),
        ]}
      />
      {shown.failure !== null ? (
        <Problem failure={shown.failure} onRetry={shown.refresh} />
      ) : shown.data === undefined ? (
        <Loading label="Files" />
      ) : (
        <Files shown={shown.data} />
      )}
    </Thing>
  )
}

/** What has changed since it was trusted; else all of it. */
function Files({ shown: { files, difference, hash } }: { readonly shown: Shown }): ReactNode {
  return (
    <>
      {difference !== '' && (
        <>
          <h3>What has changed since you trusted it</h3>
          <Diff text={difference} />
        </>
      )}
      {files.map(({ path, executable, text }) => (
        <PlainFile key={path} name={`${path}${executable ? ' (a program)' : ''}`} text={text ?? '(no text, or too large to be shown)'} />
      ))}
      {hash !== '' && (
        <p className="soft small">
          Hash <code>{hash}</code>
        </p>
      )}
    </>
  )
}
