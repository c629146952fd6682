/** A definition that a person writes into the workspace, where it waits for approval like any other there. */
import { type ReactNode, useState } from 'react'
import type { DefinitionKind } from '../../../../src/config/index.ts'
import { navigate } from '../../app/router.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { useSay } from '../../shelf/said.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

interface NewDefinitionProps {
  readonly kind: Exclude<DefinitionKind, 'programs'>
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

const definitionName = /^[a-z][a-z0-9_-]{0,31}$/

const starts: Readonly<Record<Exclude<DefinitionKind, 'programs'>, string>> = {
  agents: 'description = "Reviews texts and lists what is wrong with them."\nrights = ["file.read"]\n',
  graphs: `description = "Asks a person, and ends with the answer."
start = "ask"

[state.answer]
type = "string"

[nodes.ask]
type = "ask"
question = "Go on?"
choices = ["yes", "no"]
save = { answer = "answer" }
next = "done"

[nodes.done]
type = "end"
output = { answer = "\${answer}" }
`,
}

export function NewDefinition({ kind, isOpen, onClose, onSaved }: NewDefinitionProps): ReactNode {
  const [name, setName] = useState('')
  const [toml, setToml] = useState(starts[kind])
  const [text, setText] = useState('')
  const say = useSay()
  const isNamed = definitionName.test(name)
  return (
    <FormDialog
      title={kind === 'agents' ? 'New agent' : 'New graph'}
      verb="Write it"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isNamed && toml.trim() !== ''}
      act={async (run) => {
        const path = `/shared/.oxbow/${kind}/${name}`
        if (text.trim() !== '' && (await run('file.write', { path: `${path}.md`, text: `${text.trim()}\n` })) === undefined)
          return undefined
        const written = await run('file.write', { path: `${path}.toml`, text: `${toml.trim()}\n` })
        if (written === undefined) return undefined
        say(`Wrote ${path}.toml. Review it once more and approve it: then it counts.`)
        onSaved()
        navigate(openAt(`/definitions/${kind}`, name))
        setName('')
        return written
      }}
    >
      <TextField
        label="Name"
        autoComplete="off"
        value={name}
        problem={name === '' || isNamed ? '' : 'Lower-case letters, digits and dashes, a letter first.'}
        onChange={({ target }) => setName(target.value)}
      />
      <TextArea label="Definition" hint="TOML." rows={7} spellCheck={false} value={toml} onChange={({ target }) => setToml(target.value)} />
      {kind === 'agents' && (
        <TextArea
          label="Instructions"
          hint="Markdown; what it is told about its work."
          rows={5}
          value={text}
          onChange={({ target }) => setText(target.value)}
        />
      )}
    </FormDialog>
  )
}
