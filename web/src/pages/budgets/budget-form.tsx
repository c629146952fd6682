/** Sets a budget: for whom, in which window, and how much of what. */
import { type ReactNode, useState } from 'react'
import type { InputOf } from '../../../../src/client/browser-client.ts'
import { useAction } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Select, TextField } from '../../ui/field.tsx'
import { ProblemLine } from '../../ui/states.tsx'
import type { BudgetLine } from './budget-line.ts'

interface BudgetFormProps {
  readonly isOpen: boolean
  /** Null: a new one. */
  readonly budget: BudgetLine | null
  readonly onClose: () => void
  readonly onSaved: () => void
}

export function BudgetForm(props: BudgetFormProps): ReactNode {
  return (
    <Dialog title={props.budget === null ? 'New budget' : 'Change the budget'} isOpen={props.isOpen} onClose={props.onClose}>
      <Fields {...props} />
    </Dialog>
  )
}

const scopes = [
  { value: 'user', label: 'Everything that I run' },
  { value: 'session', label: 'Each session' },
  { value: 'agent', label: 'Each agent' },
  { value: 'agent:', label: 'The agent with the name …' },
  { value: 'key:', label: 'The API key with the name …' },
]
const windows = ['minute', 'hour', 'day', 'week', 'month', 'total'].map((value) => ({
  value,
  label: value === 'total' ? 'in total' : `each ${value}`,
}))

interface Typed {
  readonly dollars: string
  readonly tokens: string
  readonly calls: string
  readonly minutes: string
}

const factors = { dollars: 1_000_000, tokens: 1, calls: 1, minutes: 60 } as const
const names = { dollars: 'micro_dollars', tokens: 'tokens', calls: 'calls', minutes: 'seconds' } as const

function Fields({ budget, onClose, onSaved }: BudgetFormProps): ReactNode {
  const { run, isBusy, failure } = useAction()
  const [scope, setScope] = useState(budget?.scope ?? 'user')
  const [name, setName] = useState('')
  const [window, setWindow] = useState(budget?.window ?? 'month')
  const shown = (amount: number | null | undefined, factor: number): string =>
    amount === null || amount === undefined ? '' : String(amount / factor)
  const [typed, setTyped] = useState<Typed>({
    dollars: shown(budget?.limit.micro_dollars, factors.dollars),
    tokens: shown(budget?.limit.tokens, 1),
    calls: shown(budget?.limit.calls, 1),
    minutes: shown(budget?.limit.seconds, factors.minutes),
  })
  const limits: Record<string, number> = {}
  let isWrong = false
  for (const field of Object.keys(factors) as (keyof Typed)[]) {
    const text = typed[field].trim().replace(',', '.')
    const amount = Math.round(Number(text) * factors[field])
    if (text !== '' && !(Number.isSafeInteger(amount) && amount > 0)) isWrong = true
    else if (text !== '') limits[names[field]] = amount
  }
  const isNamed = scope.endsWith(':')
  const isComplete = !isWrong && Object.keys(limits).length > 0 && (!isNamed || name.trim() !== '')
  const save = async (): Promise<void> => {
    const input: InputOf<'budget.set'> = { scope: isNamed ? `${scope}${name.trim()}` : scope, window, ...limits }
    if ((await run('budget.set', input)) !== undefined) onSaved()
  }
  const change = (field: keyof Typed) => (event: { target: { value: string } }) => setTyped({ ...typed, [field]: event.target.value })
  return (
    <form
      className="budget-form"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      {budget === null ? (
        <>
          <Select label="For" options={scopes} value={scope} onChange={(event) => setScope(event.target.value)} />
          {isNamed && <TextField label="Name" value={name} onChange={(event) => setName(event.target.value)} />}
          <Select label="Window" options={windows} value={window} onChange={(event) => setWindow(event.target.value)} />
        </>
      ) : (
        <p className="field-hint">
          {budget.scope}, {budget.window}
        </p>
      )}
      <div className="budget-limits">
        <TextField label="Dollars" inputMode="decimal" placeholder="No limit" value={typed.dollars} onChange={change('dollars')} />
        <TextField label="Tokens" inputMode="numeric" placeholder="No limit" value={typed.tokens} onChange={change('tokens')} />
        <TextField label="Calls" inputMode="numeric" placeholder="No limit" value={typed.calls} onChange={change('calls')} />
        <TextField label="Minutes" inputMode="decimal" placeholder="No limit" value={typed.minutes} onChange={change('minutes')} />
      </div>
      <p className="field-hint">What is left empty has no limit here; budgets above still hold.</p>
      {isWrong && (
        <p className="field-problem" role="alert">
          Limits are numbers above zero.
        </p>
      )}
      <ProblemLine failure={failure} />
      <div className="budget-buttons">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" isBusy={isBusy} disabled={!isComplete}>
          Save
        </Button>
      </div>
    </form>
  )
}
