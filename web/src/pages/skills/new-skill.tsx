/** A skill that a person writes into the workspace. Agents could have written it too, so it waits for trust like any other there. */
import { type ReactNode, useState } from 'react'
import { useSay } from '../../shelf/said.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'

interface NewSkillProps {
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly onSaved: () => void
}

/** As agentskills.io has it. */
const skillName = /^[a-z0-9]+(?:-[a-z0-9]+)*$/
const maxNameChars = 64
const maxDescriptionChars = 1_024

export function NewSkill({ isOpen, onClose, onSaved }: NewSkillProps): ReactNode {
  const [name, setName] = useState('')
  const [description, setDescription] = useState('')
  const [text, setText] = useState('')
  const say = useSay()
  const isNamed = skillName.test(name) && name.length <= maxNameChars
  return (
    <FormDialog
      title="New skill"
      verb="Write it"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={isNamed && description.trim() !== '' && text.trim() !== ''}
      act={async (run) => {
        const path = `/shared/.agents/skills/${name}/SKILL.md`
        // JSON is YAML, so no description can leave its line.
        const content = `---\nname: ${name}\ndescription: ${JSON.stringify(description.trim())}\n---\n\n${text.trim()}\n`
        const written = await run('file.write', { path, text: content })
        if (written === undefined) return undefined
        say(`Wrote ${path}. Review it once more and trust it: then agents follow it.`)
        setName('')
        setDescription('')
        setText('')
        onSaved()
        return written
      }}
    >
      <TextField
        label="Name"
        hint="Lower-case letters, digits and dashes; the folder has it, too."
        autoComplete="off"
        value={name}
        problem={name === '' || isNamed ? '' : 'Lower-case letters, digits and single dashes, at most 64.'}
        onChange={({ target }) => setName(target.value)}
      />
      <TextField
        label="When to use it"
        hint="Agents see this line, and open the skill when it fits."
        maxLength={maxDescriptionChars}
        value={description}
        onChange={({ target }) => setDescription(target.value)}
      />
      <TextArea label="Instructions" hint="Markdown." rows={8} value={text} onChange={({ target }) => setText(target.value)} />
    </FormDialog>
  )
}
