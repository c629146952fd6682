/** Fields of forms: a label, the control, a hint, and what is wrong with the value. */
import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes, useId } from 'react'

interface FieldProps {
  readonly label: string
  readonly hint?: ReactNode
  /** What is wrong; empty: nothing. */
  readonly problem?: string
  /** The label is for screen readers only. */
  readonly isLabelHidden?: boolean
}

/** What a control needs to belong to its label, hint and problem. */
interface Linked {
  readonly id: string
  readonly 'aria-describedby': string | undefined
  readonly 'aria-invalid': true | undefined
}

function Field({
  label,
  hint,
  problem = '',
  isLabelHidden = false,
  children,
}: FieldProps & { readonly children: (linked: Linked) => ReactNode }): ReactNode {
  const id = useId()
  const described = [hint !== undefined && `${id}-hint`, problem !== '' && `${id}-problem`].filter((part) => part !== false).join(' ')
  return (
    <div className="field">
      <label htmlFor={id} className={isLabelHidden ? 'visually-hidden' : undefined}>
        {label}
      </label>
      {children({ id, 'aria-describedby': described || undefined, 'aria-invalid': problem === '' ? undefined : true })}
      {hint !== undefined && (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problem !== '' && (
        <p className="field-problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </div>
  )
}

type InputProps = FieldProps & Omit<InputHTMLAttributes<HTMLInputElement>, 'id'>

export function TextField({ label, hint, problem, isLabelHidden, className = '', ...rest }: InputProps): ReactNode {
  return (
    <Field label={label} {...given({ hint, problem, isLabelHidden })}>
      {(linked) => <input type="text" {...rest} {...linked} className={`input ${className}`} />}
    </Field>
  )
}

type TextAreaProps = FieldProps & Omit<TextareaHTMLAttributes<HTMLTextAreaElement>, 'id'>

export function TextArea({ label, hint, problem, isLabelHidden, className = '', ...rest }: TextAreaProps): ReactNode {
  return (
    <Field label={label} {...given({ hint, problem, isLabelHidden })}>
      {(linked) => <textarea rows={3} {...rest} {...linked} className={`input ${className}`} />}
    </Field>
  )
}

export interface Option {
  readonly value: string
  readonly label: string
}

type SelectProps = FieldProps & Omit<SelectHTMLAttributes<HTMLSelectElement>, 'id'> & { readonly options: readonly Option[] }

export function Select({ label, hint, problem, isLabelHidden, options, className = '', ...rest }: SelectProps): ReactNode {
  return (
    <Field label={label} {...given({ hint, problem, isLabelHidden })}>
      {(linked) => (
        <select {...rest} {...linked} className={`input ${className}`}>
          {options.map((option) => (
            <option key={option.value} value={option.value}>
              {option.label}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

interface SwitchProps {
  readonly label: string
  readonly isOn: boolean
  readonly onChange: (isOn: boolean) => void
  readonly hint?: string
  readonly disabled?: boolean
}

export function Switch({ label, isOn, onChange, hint, disabled = false }: SwitchProps): ReactNode {
  const id = useId()
  return (
    <div className="field">
      <label className="switch">
        <input
          type="checkbox"
          role="switch"
          checked={isOn}
          disabled={disabled}
          aria-describedby={hint === undefined ? undefined : `${id}-hint`}
          onChange={(event) => onChange(event.target.checked)}
        />
        {label}
      </label>
      {hint !== undefined && (
        <p className="field-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
    </div>
  )
}

/** Without the fields that are undefined, which `exactOptionalPropertyTypes` tells from absent ones. */
function given<Fields extends object>(fields: Fields): { [Name in keyof Fields]: Exclude<Fields[Name], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined)
  return Object.fromEntries(entries) as { [Name in keyof Fields]: Exclude<Fields[Name], undefined> }
}
