/** Runs a graph with the inputs that a person gives it. */
import { type ReactNode, useState } from 'react'
import { parseObject } from '../../../../src/base/index.ts'
import { navigate } from '../../app/router.tsx'
import { FormDialog } from '../../shelf/form-dialog.tsx'
import { openAt } from '../../shelf/shelf.tsx'
import { TextArea } from '../../ui/field.tsx'

interface StartGraphProps {
  readonly graph: string
  readonly isOpen: boolean
  readonly onClose: () => void
}

export function StartGraph({ graph, isOpen, onClose }: StartGraphProps): ReactNode {
  const [text, setText] = useState('{}')
  const input = parseObject(text)
  return (
    <FormDialog
      title={`Run ${graph}`}
      verb="Run"
      isOpen={isOpen}
      onClose={onClose}
      isComplete={input !== null}
      act={async (run) => {
        const begun = await run('graph.run', { graph, input: input ?? {}, wait: false })
        if (begun !== undefined) navigate(openAt('/definitions/runs', begun.id))
        return begun
      }}
    >
      <TextArea
        label="Inputs"
        hint="A JSON object, with the inputs that the definition names."
        rows={5}
        spellCheck={false}
        value={text}
        problem={input === null ? 'This is not a JSON object.' : ''}
        onChange={({ target }) => setText(target.value)}
      />
    </FormDialog>
  )
}
