/** Budgets: what may be used, what is used, and what is left of it. */
import { Pencil, Plus, RotateCcw, Trash2, Wallet } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button, IconButton } from '../../ui/button.tsx'
import { Confirm } from '../../ui/dialog.tsx'
import { Badge, Card, Page, Time } from '../../ui/layout.tsx'
import { Empty, Loading, Problem, ProblemLine } from '../../ui/states.tsx'
import { UsageCard, useUsage } from '../now/usage-card.tsx'
import { BudgetForm } from './budget-form.tsx'
import { amountText, type BudgetLine, kindNames, kinds, scopeText, windowText } from './budget-line.ts'
import './budgets.css'

export default function BudgetsPage(): ReactNode {
  const { data, failure, refresh } = useCall('budget.show', {}, { refreshOn: ['turn_ended', 'budget_*'], everyMs: 30_000 })
  const usage = useUsage()
  const [form, setForm] = useState<{ readonly budget: BudgetLine | null } | null>(null)
  const close = (): void => setForm(null)
  return (
    <Page
      title="Budgets"
      intro="Limits that hold: the price of a request is reserved before it is sent, and what no budget covers is not run."
      actions={
        <Button variant="primary" icon={<Plus />} onClick={() => setForm({ budget: null })}>
          New budget
        </Button>
      }
    >
      {failure !== null ? (
        <Problem failure={failure} onRetry={refresh} />
      ) : data === undefined ? (
        <Loading />
      ) : data.budgets.length === 0 ? (
        <Card>
          <Empty title="Nothing limits what is used." icon={<Wallet />}>
            Set a budget for a day or a month; Oxbow warns before it is used up, and stops when it is.
          </Empty>
        </Card>
      ) : (
        <ul className="budget-list">
          {data.budgets.map((budget) => (
            <li key={`${budget.scope} ${budget.window}`}>
              <BudgetCard budget={budget} onEdit={() => setForm({ budget })} refresh={refresh} />
            </li>
          ))}
        </ul>
      )}
      <UsageCard usage={usage} />
      <BudgetForm
        isOpen={form !== null}
        budget={form?.budget ?? null}
        onClose={close}
        onSaved={() => {
          close()
          refresh()
        }}
      />
    </Page>
  )
}

interface BudgetCardProps {
  readonly budget: BudgetLine
  readonly onEdit: () => void
  readonly refresh: () => void
}

const questions = {
  reset: {
    verb: 'Begin anew',
    text: 'What was used so far in this window no longer counts against this budget.',
  },
  remove: { verb: 'Remove', text: 'The limit goes. Budgets above it, and budgets in the configuration, still hold.' },
} as const

function BudgetCard({ budget, onEdit, refresh }: BudgetCardProps): ReactNode {
  const { scope, window, spent, reserved, limit, until, is_low: isLow } = budget
  const { run, isBusy, failure, clear } = useAction()
  const [question, setQuestion] = useState<keyof typeof questions | null>(null)
  const name = `${scopeText(scope)}, ${windowText(window)}`
  const close = (): void => {
    setQuestion(null)
    clear()
  }
  const act = async (): Promise<void> => {
    if (question === null || (await run(question === 'reset' ? 'budget.reset' : 'budget.remove', { scope, window })) === undefined) return
    close()
    refresh()
  }
  const limited = kinds.filter((kind) => limit[kind] !== null)
  return (
    <Card
      title={name}
      actions={
        <span className="budget-actions">
          {isLow && <Badge tone="warn">nearly used</Badge>}
          <IconButton size="s" icon={<Pencil />} label={`Change: ${name}`} onClick={onEdit} />
          <IconButton size="s" icon={<RotateCcw />} label={`Begin anew: ${name}`} onClick={() => setQuestion('reset')} />
          <IconButton size="s" icon={<Trash2 />} label={`Remove: ${name}`} onClick={() => setQuestion('remove')} />
        </span>
      }
    >
      {limited.map((kind) => (
        <Bar key={kind} label={kindNames[kind]} kind={kind} spent={spent[kind]} reserved={reserved[kind]} limit={limit[kind] ?? 0} />
      ))}
      {until !== null && (
        <p className="field-hint">
          Begins anew <Time at={until} />
        </p>
      )}
      <Confirm
        title={`${question === null ? '' : questions[question].verb}: ${name}?`}
        verb={question === null ? '' : questions[question].verb}
        isOpen={question !== null}
        onClose={close}
        onConfirm={() => void act()}
        isBusy={isBusy}
      >
        {question !== null && questions[question].text}
        <ProblemLine failure={failure} />
      </Confirm>
    </Card>
  )
}

interface BarProps {
  readonly label: string
  readonly kind: (typeof kinds)[number]
  readonly spent: number
  readonly reserved: number
  readonly limit: number
}

function Bar({ label, kind, spent, reserved, limit }: BarProps): ReactNode {
  const share = (amount: number): string => `${Math.min(100, limit === 0 ? 100 : (amount / limit) * 100)}%`
  const left = Math.max(0, limit - spent - reserved)
  const tone = spent >= limit ? 'bad' : spent >= 0.8 * limit ? 'warn' : 'good'
  return (
    <div className="budget-bar">
      <div className="budget-numbers">
        <span>{label}</span>
        <span>
          <strong>{amountText(kind, spent)}</strong> of {amountText(kind, limit)}
          {reserved > 0 && `, ${amountText(kind, reserved)} reserved`}
        </span>
        <span className="budget-left">{amountText(kind, left)} left</span>
      </div>
      <div className="budget-track" data-tone={tone} aria-hidden="true">
        <span style={{ width: share(spent) }} />
        <span data-reserved style={{ width: share(reserved) }} />
      </div>
    </div>
  )
}
