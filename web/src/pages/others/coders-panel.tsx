/** Coding agents of others that speak ACP: programs of this machine, each in a sandbox, which work on branches of the files. */
import { CodeXml, Plus } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { InputOf, OutputOf } from '../../../../src/client/browser-client.ts'
import { ownValue } from '../../../../src/base/index.ts'
import { approveOffer, exactText, filesOfCoder, removeCoder } from '../../../../src/terminal/index.ts'
import { Link, navigate, type Place } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog, LinesField, linesOf, otherName, OtherNameField, pairsOf, useForm, wordsOf } from '../../shelf/form-dialog.tsx'
import { ReviewButton } from '../../shelf/review-button.tsx'
import { useSay } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Select, TextField } from '../../ui/field.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'

type Coder = OutputOf<'coder.list'>['agents'][number]
type Shown = OutputOf<'coder.show'>
type Files = NonNullable<InputOf<'coder.add'>['settings']['files']>

const page = '/others/coders'
const listEveryMs = 20_000

export function CodersPanel({ place }: { readonly place: Place }): ReactNode {
  const coders = useCall('coder.list', {}, { everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <>
      <div>
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          Add a coding agent
        </Button>
      </div>
      <Shelf
        place={place}
        page={page}
        label="Coding agents"
        noun="coding agent"
        call={coders}
        entries={coders.data?.agents.map((coder) => ({
          id: coder.agent,
          title: coder.agent,
          note: coder.description === '' ? coder.command : coder.description,
          state: stateOf(coder),
        }))}
        empty={
          <Empty title="No coding agent was added." icon={<CodeXml />}>
            A program that speaks the Agent Client Protocol can work on a branch of your files. You approve it before it is offered.
          </Empty>
        }
      >
        {(id) => <CoderThing shown={coders.data!.agents.find(({ agent }) => agent === id)!} refresh={coders.refresh} />}
      </Shelf>
      <CoderForm isOpen={isAdding} onClose={() => setAdding(false)} onSaved={coders.refresh} />
    </>
  )
}

function stateOf({ approved, running }: Coder): Entry['state'] {
  if (!approved) return ['waits for you', 'warn']
  return running === 0 ? ['approved', 'good'] : [`${running} running`, 'accent']
}

function CoderThing({ shown, refresh }: { readonly shown: Coder; readonly refresh: () => void }): ReactNode {
  const { agent, from, command, description, files, hosts, approved } = shown
  const isConfigured = from === 'config.toml'
  return (
    <Thing
      title={agent}
      state={stateOf(shown)}
      why={approved ? '' : 'Nobody has approved it as it is now, so agents do not see it.'}
      actions={
        <>
          <ReviewButton<Shown>
            label={approved ? 'See what it is' : 'Review and approve'}
            isPrimary={!approved}
            agreement={approveOffer(agent)}
            verb="Approve"
            look={(run) => run('coder.show', { agent })}
            settled={({ state }) => (state === 'same' ? 'It is as you have approved it.' : '')}
            agree={async ({ digest }, run) => {
              const done = await run('coder.approve', { agent, digest })
              return done && `Approved. Agents with the right ${done.approved} can give it tasks.`
            }}
            onDone={refresh}
          >
            {(seen) => <WhatItIs seen={seen} />}
          </ReviewButton>
          <DeedButton
            deed={removeCoder(agent, isConfigured)}
            verb={isConfigured ? 'Take back the approval' : 'Remove'}
            act={(run) => run('coder.remove', { agent })}
            onDone={() => {
              if (!isConfigured) navigate(page)
              refresh()
            }}
          />
        </>
      }
    >
      <Facts
        facts={[
          ['Runs', <code key="command">{exactText(command)}</code>],
          ['Is good at', description === '' ? '–' : description],
          ['Files', ownValue(filesOfCoder, files) ?? files],
          ['Reaches', <Codes key="hosts" of={hosts} none="no network" />],
          ['Added', isConfigured ? 'in config.toml' : 'with oxbow coders, or here'],
          [
            'Agents need the right',
            <>
              <code key="right">acp.{agent}</code> (<Link to="/settings">agent.rights</Link>)
            </>,
          ],
        ]}
      />
    </Thing>
  )
}

function WhatItIs({ seen: { identity, says, settings } }: { readonly seen: Shown }): ReactNode {
  const { files, allow, env } = settings
  return (
    <Facts
      facts={[
        ['It is', <code key="identity">{exactText(identity)}</code>],
        ['It says that it is', exactText(says)],
        ['Files', filesOfCoder[files]],
        ['Reaches', <Codes key="allow" of={allow} none="no network" />],
        ['Gets', <Codes key="env" of={Object.entries(env).map(([name, value]) => `${name}=${value}`)} none="no variables" />],
      ]}
    />
  )
}

interface CoderFormProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

const empty = { name: '', description: '', command: '', programs: '', files: 'branch' as Files, allow: '', env: '' }
const fileChoices = [
  { value: 'branch', label: 'Works on a branch of the workspace' },
  { value: 'read', label: 'Reads the workspace' },
  { value: 'none', label: 'Sees no files' },
]

function CoderForm({ isOpen, onClose, onSaved }: CoderFormProps): ReactNode {
  const { form, set, typed, clear } = useForm(empty)
  const say = useSay()
  return (
    <FormDialog
      title="Add a coding agent"
      verb="Add"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={otherName.test(form.name) && form.command.trim() !== ''}
      act={async (run) => {
        const added = await run('coder.add', { agent: form.name, settings: settingsOf(form) })
        if (added === undefined) return undefined
        say(`Added ${form.name}. It is not offered yet: review what it is, and approve it.`)
        onSaved()
        navigate(openAt(page, form.name))
        clear()
        return added
      }}
    >
      <OtherNameField right="acp" {...typed('name')} />
      <TextField label="What it is good at" hint="For the agents that choose it." {...typed('description')} />
      <TextField label="Command" hint="As in a shell, without one." placeholder="node /opt/server/agent.js" {...typed('command')} />
      <TextField
        label="Folder of the program"
        hint="Where it is installed on this machine; it sees it at /opt/server and cannot change it."
        {...typed('programs')}
      />
      <Select label="Files" options={fileChoices} value={form.files} onChange={({ target }) => set('files')(target.value)} />
      <LinesField label="Hosts that it reaches" hint="One a line; none: no network." value={form.allow} onChange={set('allow')} />
      <LinesField label="Variables" hint="NAME=value, one a line; $NAME is the secret NAME." value={form.env} onChange={set('env')} />
    </FormDialog>
  )
}

function settingsOf({ description, command, programs, files, allow, env }: typeof empty): InputOf<'coder.add'>['settings'] {
  const [program = '', ...args] = wordsOf(command)
  const hosts = linesOf(allow)
  return {
    command: program,
    args,
    files,
    ...(description.trim() !== '' && { description: description.trim() }),
    ...(programs.trim() !== '' && { program_folder: programs.trim() }),
    ...(hosts.length > 0 && { allow: hosts }),
    ...(env.trim() !== '' && { env: pairsOf(env) }),
  }
}
