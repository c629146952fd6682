/** Roles: names for lists of rights, which people, keys and agents have. */
import { Plus, UsersRound } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { removeRole } from '../../../../src/terminal/index.ts'
import { Link, navigate, type PageProps } from '../../app/router.tsx'
import { useCall } from '../../data/calls.ts'
import { DeedButton } from '../../shelf/deed-button.tsx'
import { FormDialog, LinesField, linesOf } from '../../shelf/form-dialog.tsx'
import { SayingPage, useSay } from '../../shelf/said.tsx'
import { openAt, Shelf } from '../../shelf/shelf.tsx'
import { Codes, Thing, whoText } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { TextField } from '../../ui/field.tsx'
import { Facts } from '../../ui/layout.tsx'
import { Empty } from '../../ui/states.tsx'
import { RoleChoice } from './role-choice.tsx'

type Role = OutputOf<'role.list'>[number]

/** Terminals change them without an event. */
const listEveryMs = 30_000

export default function RolesPage({ place }: PageProps): ReactNode {
  const roles = useCall('role.list', {}, { everyMs: listEveryMs })
  const [isAdding, setAdding] = useState(false)
  return (
    <SayingPage
      title="Roles"
      intro="Names for lists of rights. Those that Oxbow has do not change; keys with a role that you change have its new rights at once."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setAdding(true)}>
          New role
        </Button>
      }
    >
      <Shelf
        place={place}
        page="/roles"
        label="Roles"
        noun="role"
        call={roles}
        entries={roles.data?.map(({ role, rights, by }) => ({
          id: role,
          title: role,
          note: rights.includes('*') ? 'everything' : rights.join(' '),
          state: by === '' ? ['of Oxbow', 'neutral'] : ['added', 'accent'],
        }))}
        empty={<Empty title="There are no roles." icon={<UsersRound />} />}
      >
        {(id) => <RoleThing shown={roles.data!.find(({ role }) => role === id)!} refresh={roles.refresh} />}
      </Shelf>
      <RoleForm isOpen={isAdding} role={null} onClose={() => setAdding(false)} onSaved={roles.refresh} />
    </SayingPage>
  )
}

function RoleThing({ shown, refresh }: { readonly shown: Role; readonly refresh: () => void }): ReactNode {
  const { role, rights, by } = shown
  const [isEditing, setEditing] = useState(false)
  const isAdded = by !== ''
  return (
    <Thing
      title={role}
      state={isAdded ? ['added', 'accent'] : ['of Oxbow', 'neutral']}
      why={isAdded ? `Added by ${whoText(by)}.` : 'It came with Oxbow, and cannot be changed or removed.'}
      actions={
        isAdded && (
          <>
            <Button size="s" onClick={() => setEditing(true)}>
              Change
            </Button>
            <DeedButton
              deed={removeRole(role)}
              verb="Remove"
              act={(run) => run('role.remove', { role })}
              onDone={() => {
                navigate('/roles')
                refresh()
              }}
            />
          </>
        )
      }
    >
      <Facts
        facts={[
          ['May do', rights.includes('*') ? 'everything' : <Codes key="rights" of={rights} none="nothing" />],
          ['Who has it', <Holders key="keys" role={role} />],
        ]}
      />
      <RoleForm isOpen={isEditing} role={shown} onClose={() => setEditing(false)} onSaved={refresh} />
    </Thing>
  )
}

/** Keys that name the role among their rights. */
function Holders({ role }: { readonly role: string }): ReactNode {
  const { data = [] } = useCall('key.list', {})
  const holders = data.filter(({ rights }) => rights.includes(role))
  if (holders.length === 0) return 'no key'
  return (
    <ul className="shelf-bullets">
      {holders.map(({ id, name }) => (
        <li key={id}>
          <Link to={openAt('/keys', id)}>{name}</Link>
        </li>
      ))}
    </ul>
  )
}

const roleName = /^[a-z][a-z0-9_-]{0,31}$/

interface RoleFormProps {
  readonly isOpen: boolean
  /** Null: a new one. */
  readonly role: Role | null
  readonly onClose: () => void
  readonly onSaved: () => void
}

function RoleForm({ isOpen, role, onClose, onSaved }: RoleFormProps): ReactNode {
  const [name, setName] = useState(role?.role ?? '')
  const [rights, setRights] = useState(role?.rights.join('\n') ?? '')
  const say = useSay()
  const isNamed = roleName.test(name)
  return (
    <FormDialog
      title={role === null ? 'New role' : `Change ${role.role}`}
      verb={role === null ? 'Add the role' : 'Save'}
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isNamed && linesOf(rights).length > 0}
      act={async (run) => {
        const saved = await run('role.set', { role: name, rights: linesOf(rights) })
        if (saved === undefined) return undefined
        say(`The role ${name} has: ${linesOf(rights).join(' ')}`)
        onSaved()
        navigate(openAt('/roles', name))
        return saved
      }}
    >
      {role === null && (
        <TextField
          label="Name"
          autoComplete="off"
          value={name}
          problem={name === '' || isNamed ? '' : 'Lower-case letters, digits, dashes.'}
          onChange={({ target }) => setName(target.value)}
        />
      )}
      <LinesField
        label="Rights"
        hint="One a line: a right, a limited one such as file.write:/shared/reports, a denial such as !shell.run, or a role that Oxbow has."
        placeholder="file.write:/shared/reports"
        rows={4}
        value={rights}
        onChange={setRights}
      />
      <RoleChoice value={rights} onChange={setRights} isOwnOnly />
    </FormDialog>
  )
}
