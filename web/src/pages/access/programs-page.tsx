/** Programs that agents may start without a shell, by patterns of their arguments, and those that nothing may start. */
import { Plus, SquareTerminal } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { removePattern } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { SayingPage, useSay } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Select, TextField } from '../../ui/field.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'

type Lists = OutputOf<'exec.rules'>
type Pattern = Lists['patterns'][number]

/** Terminals change them without an event. */
const listEveryMs = 30_000

const idOf = ({ list, pattern, from }: Pattern): string => `${list} ${from === 'config.toml' ? 'config' : 'own'} ${pattern}`

export default function ProgramsPage({ place }: PageProps): ReactNode {
  const lists = useCall('exec.rules', {}, { everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <SayingPage
      title="Programs"
      intro="Programs that agents may start without a shell: arguments reach them as they are. What is denied stays denied, whatever allows it."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New pattern
        </Button>
      }
    >
      {lists.data !== undefined && <About lists={lists.data} />}
      <Shelf
        place={place}
        page="/programs"
        label="Programs"
        noun="pattern"
        call={lists}
        entries={lists.data?.patterns.map(entryOf)}
        empty={
          <Empty title="No program may be run without a shell yet." icon={<SquareTerminal />}>
            Allow one by its name and patterns of its arguments, such as <code>git log **</code>.
          </Empty>
        }
      >
        {(id) => <PatternThing shown={lists.data!.patterns.find((pattern) => idOf(pattern) === id)!} refresh={lists.refresh} />}
      </Shelf>
      <NewPattern isOpen={isAdding} onClose={() => setAdding(false)} onSaved={lists.refresh} />
    </SayingPage>
  )
}

function entryOf(pattern: Pattern): Entry {
  return { id: idOf(pattern), title: pattern.pattern, note: `from ${pattern.from}`, state: stateOf(pattern) }
}

const stateOf = ({ list }: Pattern): Entry['state'] => (list === 'allow' ? ['allowed', 'good'] : ['denied', 'bad'])

function About({ lists: { shell, env } }: { readonly lists: Lists }): ReactNode {
  return (
    <div className="card">
      <Facts
        facts={[
          ['Shells', shell ? 'on; the allow list does not apply to their commands' : 'off'],
          ['Variables that a call may set', <Codes key="env" of={env} none="none" />],
        ]}
      />
    </div>
  )
}

function PatternThing({ shown, refresh }: { readonly shown: Pattern; readonly refresh: () => void }): ReactNode {
  const { list, pattern, from } = shown
  const isConfigured = from === 'config.toml'
  return (
    <Thing
      title={pattern}
      state={stateOf(shown)}
      why={
        isConfigured ? (
          <>
            It is one of config.toml, and is changed there: <Link to="/settings">Settings</Link>.
          </>
        ) : (
          'It was added here, or with oxbow exec.'
        )
      }
      actions={
        isConfigured ? undefined : (
          <DeedButton
            deed={removePattern(pattern, list)}
            verb="Remove"
            act={(run) => run('exec.change', { remove: [pattern] })}
            onDone={() => {
              navigate('/programs')
              refresh()
            }}
          />
        )
      }
    >
      <p>
        {list === 'allow'
          ? 'Agents with the right exec.run may start it with these arguments; with any where it names none. It runs in the sandbox, without network.'
          : 'exec.run does not start it. Words of shell commands are compared with it too, which stops mistakes and nobody who hides it.'}
      </p>
    </Thing>
  )
}

interface NewPatternProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

const choices = [
  { value: 'allow', label: 'Allow it' },
  { value: 'deny', label: 'Deny it, whatever allows it' },
]

function NewPattern({ isOpen, onClose, onSaved }: NewPatternProps): ReactNode {
  const [pattern, setPattern] = useState('')
  const [list, setList] = useState<Pattern['list']>('allow')
  const say = useSay()
  const written = pattern.trim().replaceAll(/\s+/g, ' ')
  return (
    <FormDialog
      title="New pattern"
      verb={list === 'allow' ? 'Allow' : 'Deny'}
      isOpen={isOpen}
      onClose={onClose}
      isComplete={written !== ''}
      act={async (run) => {
        const changed = await run('exec.change', { [list]: [written] })
        if (changed === undefined) return undefined
        say(`${list === 'allow' ? 'Allowed' : 'Denied'}: ${written}`)
        setPattern('')
        onSaved()
        navigate(openAt('/programs', idOf({ list, pattern: written, from: 'oxbow exec' })))
        return changed
      }}
    >
      <TextField
        label="Program and arguments"
        hint="Only a name: with any arguments. In an argument, * is any text; ** at the end is any arguments more."
        placeholder="git log **"
        autoComplete="off"
        spellCheck={false}
        value={pattern}
        onChange={({ target }) => setPattern(target.value)}
      />
      <Select label="What to do" options={choices} value={list} onChange={({ target }) => setList(target.value as Pattern['list'])} />
    </FormDialog>
  )
}
