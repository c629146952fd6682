/** The second question: how much models may cost. The kernel stops an answer that no budget covers. */
import type { ReactNode } from 'react'
import { Select, TextField } from '../../ui/field.tsx'

export interface BudgetAnswer {
  /** Dollars, as typed; empty: no limit. */
  readonly amount: string
  readonly window: 'day' | 'week' | 'month'
}

/** @returns millionths of a dollar, 0 for no limit; null: it is no amount */
export function microDollarsOf({ amount }: Pick<BudgetAnswer, 'amount'>): number | null {
  const text = amount.trim().replace(/^\$/, '').replace(',', '.')
  if (text === '') return 0
  const dollars = Number(text)
  return Number.isFinite(dollars) && dollars > 0 && dollars < 1_000_000 ? Math.round(dollars * 1_000_000) : null
}

const windows = [
  { value: 'day', label: 'each day' },
  { value: 'week', label: 'each week' },
  { value: 'month', label: 'each month' },
]

interface BudgetStepProps {
  readonly answer: BudgetAnswer
  readonly onChange: (answer: BudgetAnswer) => void
}

export function BudgetStep({ answer, onChange }: BudgetStepProps): ReactNode {
  const isWrong = microDollarsOf(answer) === null
  return (
    <fieldset className="choice">
      <legend>How much may models cost?</legend>
      <p className="setup-note">
        Each request reserves its price before it is sent. When the limit is reached, Oxbow stops and says so; nothing is lost.
      </p>
      <div className="setup-row">
        <TextField
          label="Dollars"
          inputMode="decimal"
          placeholder="No limit"
          value={answer.amount}
          problem={isWrong ? 'An amount in dollars, such as 20.' : ''}
          onChange={(event) => onChange({ ...answer, amount: event.target.value })}
        />
        <Select
          label="Window"
          options={windows}
          value={answer.window}
          onChange={(event) => onChange({ ...answer, window: event.target.value as BudgetAnswer['window'] })}
        />
      </div>
    </fieldset>
  )
}
