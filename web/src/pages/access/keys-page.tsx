/** Keys of programs and browsers: what each may do, who made it, when it was used; a new one, and revoking one. */
import { KeyRound, Plus } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { revokeKey } from '../../../../src/terminal/index.ts'
import { navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog, LinesField, linesOf } from '../../shelf/form-dialog.tsx'
import { SayingPage } from '../../shelf/said.tsx'
import { type Entry, openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing, whoText } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyButton } from '../../ui/code-block.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'
import { RoleChoice } from './role-choice.tsx'

type Key = OutputOf<'key.list'>[number]

export default function KeysPage({ place }: PageProps): ReactNode {
  const keys = useCall('key.list', {}, { everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  const [made, setMade] = useState<OutputOf<'key.create'> | null>(null)
  return (
    <SayingPage
      title="Keys"
      intro="Programs and browsers that may use this guest, each with rights of its own. A key is shown once, when it is made."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New key
        </Button>
      }
    >
      <Shelf
        place={place}
        page="/keys"
        label="Keys"
        noun="key"
        call={keys}
        entries={keys.data?.map(entryOf)}
        empty={
          <Empty title="There are no keys." icon={<KeyRound />}>
            A program that uses the HTTP API needs one. Give it only the rights that it needs.
          </Empty>
        }
      >
        {(id) => <KeyThing shown={keys.data!.find((key) => key.id === id)!} refresh={keys.refresh} />}
      </Shelf>
      <NewKey
        isOpen={isAdding}
        onClose={() => setAdding(false)}
        onMade={(key) => {
          setMade(key)
          keys.refresh()
        }}
      />
      <MadeKey made={made} onClose={() => setMade(null)} />
    </SayingPage>
  )
}

/** Terminals make some without an event. */
const listEveryMs = 30_000

const isBrowser = ({ name }: Pick<Key, 'name'>): boolean => name.startsWith('web-')

function entryOf(key: Key): Entry {
  const { id, name, rights } = key
  return {
    id,
    title: name,
    note: rights.includes('*') ? 'may do everything that you may' : rights.join(' '),
    state: stateOf(key),
    group: isBrowser(key) ? 'Browsers' : 'Programs',
  }
}

function stateOf({ expires_at: expires, used_at: used }: Key): Entry['state'] {
  if (expires !== null && expires <= Date.now()) return ['expired', 'neutral']
  return used === null ? ['never used', 'neutral'] : ['in use', 'good']
}

function KeyThing({ shown, refresh }: { readonly shown: Key; readonly refresh: () => void }): ReactNode {
  const { id, name, rights, created_at: made, created_by: by, expires_at: expires, used_at: used } = shown
  return (
    <Thing
      title={name}
      state={stateOf(shown)}
      why={isBrowser(shown) ? 'A browser that was signed in with a link of oxbow web.' : ''}
      actions={
        <DeedButton
          deed={revokeKey(name)}
          verb="Revoke"
          act={(run) => run('key.revoke', { key: id })}
          onDone={() => {
            navigate('/keys')
            refresh()
          }}
        />
      }
    >
      <Facts
        facts={[
          ['May do', rights.includes('*') ? 'everything that you may' : <Codes key="rights" of={rights} none="nothing" />],
          ['Made', <MadeBy key="made" at={made} by={by} />],
          ['Last used', used === null ? 'never' : <Time key="used" at={used} />],
          ['Expires', expires === null ? 'never' : <Time key="expires" at={expires} />],
          ['Id', <code key="id">{id}</code>],
        ]}
      />
    </Thing>
  )
}

function MadeBy({ at, by }: { readonly at: number; readonly by: string }): ReactNode {
  return (
    <>
      <Time at={at} /> by {whoText(by)}
    </>
  )
}

const secondsOfDay = 86_400
const keyName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/

interface NewKeyProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onMade: (key: OutputOf<'key.create'>) => void
}

function NewKey({ isOpen, onClose, onMade }: NewKeyProps): ReactNode {
  const [name, setName] = useState('')
  const [rights, setRights] = useState('')
  const [days, setDays] = useState('30')
  const isNamed = keyName.test(name)
  const isTime = days === '' || /^[1-9]\d{0,4}$/.test(days)
  return (
    <FormDialog
      title="New key"
      verb="Make the key"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isNamed && isTime && linesOf(rights).length > 0}
      act={async (run) => {
        const expires = days === '' ? {} : { expires_in_s: Number(days) * secondsOfDay }
        const made = await run('key.create', { name, rights: linesOf(rights), ...expires })
        if (made === undefined) return undefined
        setName('')
        setRights('')
        onMade(made)
        return made
      }}
    >
      <TextField
        label="Name"
        hint="What the program is called in the journal."
        autoComplete="off"
        value={name}
        problem={name === '' || isNamed ? '' : 'Letters, digits, dots and dashes.'}
        onChange={({ target }) => setName(target.value)}
      />
      <LinesField
        label="Rights"
        hint="One a line: a right, a limited one such as file.read:/shared/reports, a denial such as !shell.run, or a role."
        placeholder="session.read"
        rows={3}
        value={rights}
        onChange={setRights}
      />
      <RoleChoice value={rights} onChange={setRights} />
      <TextField
        label="Days until it expires"
        hint="Empty: never."
        inputMode="numeric"
        value={days}
        problem={isTime ? '' : 'A whole number of days.'}
        onChange={({ target }) => setDays(target.value)}
      />
    </FormDialog>
  )
}

/** The only place that has the key; it is gone with the dialog. */
function MadeKey({ made, onClose }: { readonly made: OutputOf<'key.create'> | null; readonly onClose: () => void }): ReactNode {
  const show = (): void => {
    if (made !== null) navigate(openAt('/keys', made.id))
    onClose()
  }
  return (
    <Dialog
      title={made === null ? '' : `The key ${made.name}`}
      isOpen={made !== null}
      onClose={show}
      actions={
        <Button variant="primary" onClick={show}>
          I have it
        </Button>
      }
    >
      <p>
        Send it to the gateway as <code>Authorization: Bearer KEY</code>. It is not shown again.
      </p>
      <p className="made-key">
        <code>{made?.key}</code>
        <CopyButton text={made?.key ?? ''} label="Copy the key" />
      </p>
    </Dialog>
  )
}
