/** A new server: a program of this machine, or an address. */
import type { ReactNode } from 'react'
import { navigate } from '../../app/router.tsx'
import {
  type Form,
  FormDialog,
  LinesField,
  linesOf,
  otherName,
  OtherNameField,
  pairsOf,
  useForm,
  wordsOf,
} from '../../shelf/form-dialog.tsx'
import { useSay } from '../../shelf/said.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { Select, TextField } from '../../ui/field.tsx'

export interface ServerFields extends Readonly<Record<string, string>> {
  readonly name: string
  readonly how: 'command' | 'url'
  readonly command: string
  readonly programs: string
  readonly url: string
  readonly folders: string
  readonly allow: string
  readonly env: string
  readonly headers: string
}

interface ServerFormProps {
  /** What it begins with. */
  readonly start: ServerFields
  readonly onClose: () => void
  readonly onSaved: () => void
}

export const noServer: ServerFields = {
  name: '',
  how: 'command',
  command: '',
  programs: '',
  url: '',
  folders: '',
  allow: '',
  env: '',
  headers: '',
}
const hows = [
  { value: 'command', label: 'A program on this machine' },
  { value: 'url', label: 'An address, over HTTP' },
]

export function ServerForm({ start, onClose, onSaved }: ServerFormProps): ReactNode {
  const fields = useForm(start)
  const { form, set, typed } = fields
  const say = useSay()
  const isProgram = form.how === 'command'
  return (
    <FormDialog
      title="Add a server"
      verb="Add"
      isOpen
      onClose={onClose}
      isComplete={otherName.test(form.name) && (isProgram ? form.command.trim() !== '' : URL.canParse(form.url))}
      act={async (run) => {
        const added = await run('server.add', { server: form.name, settings: settingsOf(form) })
        if (added === undefined) return undefined
        say(addedText(form.name))
        onSaved()
        navigate(openAt('/servers', form.name))
        return added
      }}
    >
      <OtherNameField right="mcp" {...typed('name')} />
      <Select label="What it is" options={hows} value={form.how} onChange={({ target }) => set('how')(target.value)} />
      {isProgram ? <ProgramFields {...fields} /> : <AddressFields {...fields} />}
      <HostsField {...fields} />
    </FormDialog>
  )
}

export const addedText = (name: string): string => `Added ${name}. Nothing of it is offered yet: review what it offers, and approve it.`

type Fields = Pick<Form<ServerFields>, 'form' | 'set' | 'typed'>

function ProgramFields(fields: Fields): ReactNode {
  const { typed } = fields
  return (
    <>
      <TextField label="Command" hint="As in a shell, without one." placeholder="node /opt/server/index.js /shared" {...typed('command')} />
      <TextField
        label="Folder of the program"
        hint="Where it is installed on this machine; it sees it at /opt/server and cannot change it."
        placeholder="/home/ada/mcp/files"
        {...typed('programs')}
      />
      <SandboxFields {...fields} />
    </>
  )
}

/** What a program sees. */
export function SandboxFields<Of extends { readonly folders: string; readonly env: string } & Readonly<Record<string, string>>>({
  form,
  set,
}: Pick<Form<Of>, 'form' | 'set'>): ReactNode {
  return (
    <>
      <LinesField
        label="Folders that it sees"
        hint="One a line: /shared, or /shared/NAME; with :rw it may also write there."
        value={form.folders}
        onChange={set('folders')}
      />
      <LinesField label="Variables" hint="NAME=value, one a line; $NAME is the secret NAME." value={form.env} onChange={set('env')} />
    </>
  )
}

export function HostsField<Of extends { readonly allow: string } & Readonly<Record<string, string>>>({
  form,
  set,
}: Pick<Form<Of>, 'form' | 'set'>): ReactNode {
  return (
    <LinesField
      label="Hosts that it reaches"
      hint="One a line; none: no network but its own address."
      value={form.allow}
      onChange={set('allow')}
    />
  )
}

function AddressFields({ form, set, typed }: Fields): ReactNode {
  return (
    <>
      <TextField label="Address" type="url" placeholder="https://mcp.example.com/mcp" {...typed('url')} />
      <LinesField
        label="Headers"
        hint="name=value, one a line; $NAME is the secret NAME."
        placeholder="authorization=Bearer $TICKETS_TOKEN"
        value={form.headers}
        onChange={set('headers')}
      />
    </>
  )
}

function settingsOf({ how, command, programs, url, headers, ...sandbox }: ServerFields) {
  if (how === 'url') return { ...hostsOf(sandbox), url: url.trim(), ...(headers.trim() !== '' && { headers: pairsOf(headers) }) }
  const [program = '', ...args] = wordsOf(command)
  return { command: program, args, ...(programs.trim() !== '' && { program_folder: programs.trim() }), ...sandboxOf(sandbox) }
}

/** @returns what is set of what a program sees and reaches */
export function sandboxOf({ folders, env, allow }: Pick<ServerFields, 'folders' | 'env' | 'allow'>): {
  readonly allow?: readonly string[]
  readonly folders?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
} {
  const seen = linesOf(folders)
  return { ...hostsOf({ allow }), ...(seen.length > 0 && { folders: seen }), ...(env.trim() !== '' && { env: pairsOf(env) }) }
}

function hostsOf({ allow }: Pick<ServerFields, 'allow'>) {
  const hosts = linesOf(allow)
  return hosts.length > 0 && { allow: hosts }
}
