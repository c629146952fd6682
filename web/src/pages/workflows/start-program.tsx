/** Runs a program with the input that a person gives it. */
import { type ReactNode, useState } from 'react'
import { parseObject } from '../../../../src/base/index.ts'
import { navigate } from '../../app/router.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { TextArea } from '../../ui/field.tsx'

export function StartProgram({ program, onClose }: { readonly program: string; readonly onClose: () => void }): ReactNode {
  const [text, setText] = useState('{}')
  const input = parseObject(text)
  return (
    <FormDialog
      title={`Run ${program}`}
      verb="Run"
      isOpen
      onClose={onClose}
      isComplete={input !== null}
      act={async (run) => {
        const begun = await run('program.run', { program, input: input ?? {}, wait: false })
        if (begun !== undefined) navigate(openAt('/workflows/runs', begun.id))
        return begun
      }}
    >
      <TextArea
        label="Input"
        hint="A JSON object, as [input] of its program.toml describes it."
        rows={5}
        spellCheck={false}
        value={text}
        problem={input === null ? 'This is not a JSON object.' : ''}
        onChange={({ target }) => setText(target.value)}
      />
    </FormDialog>
  )
}
