/** One of several answers, each with a sentence that says what it means: radio buttons as cards. */
import { type ReactNode, useId } from 'react'

export interface ChoiceOption<Value extends string> {
  readonly value: Value
  readonly title: string
  readonly text: string
  /** Next to the title, e.g. a badge. */
  readonly note?: ReactNode
}

interface ChoiceProps<Value extends string> {
  readonly label: string
  readonly options: readonly ChoiceOption<Value>[]
  readonly value: Value | null
  readonly onChange: (value: Value) => void
}

export function Choice<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>): ReactNode {
  const name = useId()
  return (
    <fieldset className="choice">
      <legend>{label}</legend>
      {options.map((option) => (
        <label key={option.value} className="choice-option" data-chosen={option.value === value || undefined}>
          <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
          <span>
            <span className="choice-title">
              {option.title} {option.note}
            </span>
            <span className="choice-text">{option.text}</span>
          </span>
        </label>
      ))}
    </fieldset>
  )
}
