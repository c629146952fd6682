/** Programs that there are: where each is from, whether it is on, its rights; started, switched, installed and removed from here. */
import { Play, Plus, Power, Workflow } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { removeProgram } from '../../../../src/terminal/index.ts'
import type { Place } from '../../app/router.tsx'
import { useAction, useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import { type Entry, Shelf } from '../../shelf/shelf.tsx'
import { PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { InstallProgram } from './install-program.tsx'
import { StartProgram } from './start-program.tsx'

type Program = OutputOf<'program.list'>['programs'][number]

/** Files change without an event. */
const listEveryMs = 15_000

export function ProgramsPanel({ place }: { readonly place: Place }): ReactNode {
  const programs = useCall('program.list', {}, { refreshOn: ['program_*'], everyMs: listEveryMs })
  const [installing, setInstalling] = useState(false)
  return (
    <>
      <div>
        <Button variant="primary" icon={<Plus />} onClick={() => setInstalling(true)}>
          Install a program
        </Button>
      </div>
      <Shelf
        place={place}
        page="/workflows/programs"
        label="Programs"
        noun="program"
        call={programs}
        entries={programs.data?.programs.map((program) => ({
          id: program.name,
          title: program.name,
          note: program.problem === '' ? program.description : program.problem,
          state: stateOf(program),
        }))}
        empty={
          <Empty title="There are no programs." icon={<Workflow />}>
            <code>oxbow program new NAME</code> makes one in a terminal.
          </Empty>
        }
      >
        {(id) => <ProgramThing program={programs.data!.programs.find(({ name }) => name === id)!} refresh={programs.refresh} />}
      </Shelf>
      {installing && <InstallProgram program={null} onClose={() => setInstalling(false)} onDone={programs.refresh} />}
    </>
  )
}

function stateOf({ problem, enabled, active, on_trial: isTried }: Program): Entry['state'] {
  if (problem !== '') return ['broken', 'bad']
  if (!enabled) return ['off', 'neutral']
  if (isTried) return ['on trial', 'warn']
  return active ? ['on', 'good'] : ['ready', 'accent']
}

const whose: Readonly<Record<Program['place'], string>> = {
  own: 'It is a folder of yours.',
  installed: 'You have installed it.',
  bundled: 'It comes with Oxbow.',
}

function whyOf({ problem, place, enabled, active, on_trial: isTried, hides_own: hides }: Program): string {
  if (problem !== '') return problem
  const state = !enabled ? ' It does not run.' : active ? '' : ' It runs when you start it, and not by itself.'
  const trial = isTried ? ' If its first run fails, the version before comes back.' : ''
  return `${whose[place]}${state}${trial}${hides ? ' Your folder of this name does not count.' : ''}`
}

const by: Readonly<Record<Program['kind'], string>> = {
  script: 'a script',
  module: 'a WebAssembly module',
  agent: 'an agent that follows its instructions',
}

function ProgramFacts({ program, may }: { readonly program: Program; readonly may: readonly string[] | undefined }): ReactNode {
  const { author, kind, tool, schedules, hash } = program
  return (
    <>
      <Facts
        facts={[
          ['Done by', by[kind]],
          ['Author', author === '' ? '–' : author],
          ['Agents see it', tool ? 'yes, as a tool' : 'no'],
          ['Schedules', String(schedules)],
          ['Files', <code key="hash">{hash.slice(0, 16)}</code>],
        ]}
      />
      {may !== undefined && (
        <section aria-label="Rights">
          <h3>It may</h3>
          <ul className="parts">
            {may.map((line) => (
              <li key={line}>{line}</li>
            ))}
            {may.length === 0 && <li>do nothing outside</li>}
          </ul>
        </section>
      )}
    </>
  )
}

function ProgramThing({ program, refresh }: { readonly program: Program; readonly refresh: () => void }): ReactNode {
  const { name, version, place, active, problem } = program
  const shown = useCall('program.info', { program: name })
  const switching = useAction()
  const [open, setOpen] = useState<'start' | 'update' | null>(null)
  const say = useSay()
  const changed = (): void => {
    refresh()
    shown.refresh()
  }
  const toggle = async (): Promise<void> => {
    if ((await switching.run(active ? 'program.disable' : 'program.enable', { program: name })) === undefined) return
    say(`${name} is switched ${active ? 'off' : 'on'}.`)
    changed()
  }
  return (
    <Thing
      title={`${name} ${version}`}
      state={stateOf(program)}
      why={whyOf(program)}
      actions={
        <>
          <Button size="s" variant="primary" icon={<Play />} disabled={problem !== '' || !program.enabled} onClick={() => setOpen('start')}>
            Run…
          </Button>
          <Button size="s" icon={<Power />} isBusy={switching.isBusy} onClick={() => void toggle()}>
            {active ? 'Disable' : 'Enable'}
          </Button>
          {place === 'installed' && (
            <>
              <Button size="s" onClick={() => setOpen('update')}>
                Update…
              </Button>
              <DeedButton
                deed={removeProgram(name, version)}
                verb="Remove"
                act={(run) => run('program.remove', { program: name })}
                onDone={refresh}
              />
            </>
          )}
        </>
      }
    >
      <ProblemLine failure={switching.failure} />
      <ProgramFacts program={program} may={shown.data?.may} />
      {shown.failure !== null ? (
        <Problem failure={shown.failure} onRetry={shown.refresh} />
      ) : shown.data === undefined ? (
        <Loading label="Files" />
      ) : (
        <>
          <PlainFile name="program.toml" text={shown.data.toml} />
          <PlainFile name="SKILL.md" text={shown.data.instructions} />
          {shown.data.script !== '' && <PlainFile name="main.js" text={shown.data.script} />}
        </>
      )}
      {open === 'start' && <StartProgram program={name} onClose={() => setOpen(null)} />}
      {open === 'update' && <InstallProgram program={name} onClose={() => setOpen(null)} onDone={changed} />}
    </Thing>
  )
}
