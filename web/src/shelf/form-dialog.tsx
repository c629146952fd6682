/** A dialog in which a person fills in what a verb takes. */
import { type ComponentProps, type ReactNode, useState } from 'react'
import { type Action, useAction } from '../data/calls.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextArea, TextField } from '../ui/field.tsx'
import { ProblemLine } from '../ui/states.tsx'
import './shelf.css'

interface FormDialogProps {
  readonly title: string
  /** On the button that does it. */
  readonly verb: string
  readonly isOpen: boolean
  readonly onClose: () => void
  readonly isComplete: boolean
  /** Makes the call; undefined: it has failed, and the dialog says why. */
  readonly act: (run: Action['run']) => Promise<unknown>
  readonly children: ReactNode
}

export function FormDialog({ title, verb, isOpen, onClose, isComplete, act, children }: FormDialogProps): ReactNode {
  const { run, isBusy, failure, clear } = useAction()
  const close = (): void => {
    clear()
    onClose()
  }
  const submit = async (): Promise<void> => {
    if ((await act(run)) !== undefined) close()
  }
  return (
    <Dialog title={title} isOpen={isOpen} onClose={close}>
      <form
        className="shelf-form"
        onSubmit={(event) => {
          event.preventDefault()
          if (isComplete && !isBusy) void submit()
        }}
      >
        {children}
        <ProblemLine failure={failure} />
        <div className="shelf-buttons">
          <Button onClick={close}>Cancel</Button>
          <Button type="submit" variant="primary" isBusy={isBusy} disabled={!isComplete}>
            {verb}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

/** Texts by field. */
export interface Form<Fields extends Readonly<Record<string, string>>> {
  readonly form: Fields
  readonly set: (field: keyof Fields) => (value: string) => void
  /** What the input of a field has. */
  readonly typed: (
    field: keyof Fields,
  ) => Pick<ComponentProps<typeof TextField>, 'autoComplete' | 'spellCheck' | 'onChange'> & { readonly value: string }
  readonly clear: () => void
}

export function useForm<Fields extends Readonly<Record<string, string>>>(start: Fields): Form<Fields> {
  const [form, setForm] = useState(start)
  const set = (field: keyof Fields) => (value: string) => setForm({ ...form, [field]: value })
  return {
    form,
    set,
    typed: (field) => ({
      value: (Object.hasOwn(form, field) ? form[field] : undefined) ?? '',
      autoComplete: 'off',
      spellCheck: false,
      onChange: ({ target }) => set(field)(target.value),
    }),
    clear: () => setForm(start),
  }
}

/** A name of a server, a remote agent or a coding agent. */
export const otherName: RegExp = /^[a-z][a-z0-9-]{0,23}$/

/** @param right that agents need for it: `mcp` */
export function OtherNameField({ right, ...typed }: { readonly right: string } & ReturnType<Form<{ name: string }>['typed']>): ReactNode {
  const isFine = typed.value === '' || otherName.test(typed.value)
  return (
    <TextField
      label="Name"
      hint={`Agents get it with the right ${right}.NAME.`}
      problem={isFine ? '' : 'Up to 24 lower-case letters, digits and dashes, a letter first.'}
      {...typed}
    />
  )
}

interface LinesFieldProps {
  readonly label: string
  readonly hint?: string
  readonly placeholder?: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly rows?: number
}

/** Several values, one a line. */
export function LinesField({ onChange, ...rest }: LinesFieldProps): ReactNode {
  return <TextArea rows={2} spellCheck={false} className="shelf-lines" {...rest} onChange={({ target }) => onChange(target.value)} />
}

/** @returns the lines that have something */
export function linesOf(text: string): readonly string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

/** `NAME=value`, one a line. */
export function pairsOf(text: string): { [name: string]: string } {
  return Object.fromEntries(
    linesOf(text).map((line) => {
      const at = line.indexOf('=')
      return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1).trim()]
    }),
  )
}

/** `sh -c "a b"` → three words; quotes hold a word together, as in a shell. */
export function wordsOf(text: string): readonly string[] {
  return [...text.matchAll(/(?:[^\s"']+|"[^"]*"|'[^']*')+/g)].map(([word]) => word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'))
}
