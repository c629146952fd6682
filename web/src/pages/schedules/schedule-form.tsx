/** Creates or changes a schedule: what is to be done, when, and what a run may take. */
import { type ReactNode, useState } from 'react'
import { useAction } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Select, TextArea, TextField } from '../../ui/field.tsx'
import { ProblemLine } from '../../ui/states.tsx'
import { answerOf, type Cadence, type CadenceAnswer, cadenceOf, freshAnswer, type Rhythm } from './cadence.ts'

export interface EditableSchedule {
  readonly id: string
  readonly name: string
  readonly goal: string
  readonly cadence: Cadence
  readonly context: 'keep' | 'fresh'
  readonly notify: 'always' | 'conditional' | 'never'
  readonly timeout_s: number
  readonly budget?: { readonly micro_dollars?: number | undefined } | undefined
}

interface ScheduleFormProps {
  readonly isOpen: boolean
  /** Null: a new one. */
  readonly schedule: EditableSchedule | null
  readonly onClose: () => void
  readonly onSaved: () => void
}

export function ScheduleForm(props: ScheduleFormProps): ReactNode {
  const { isOpen, schedule, onClose } = props
  return (
    <Dialog title={schedule === null ? 'New schedule' : 'Change the schedule'} isOpen={isOpen} onClose={onClose} isWide>
      <Fields key={schedule?.id ?? 'new'} {...props} />
    </Dialog>
  )
}

const contexts = [
  { value: 'keep', label: 'Runs share a session and know the earlier ones' },
  { value: 'fresh', label: 'Each run starts anew' },
]
const notices = [
  { value: 'always', label: 'After each run' },
  { value: 'conditional', label: 'When the agent has something to say' },
  { value: 'never', label: 'Never' },
]

function Fields({ schedule, onClose, onSaved }: ScheduleFormProps): ReactNode {
  const { run, isBusy, failure } = useAction()
  const [name, setName] = useState(schedule?.name ?? '')
  const [goal, setGoal] = useState(schedule?.goal ?? '')
  const [answer, setAnswer] = useState<CadenceAnswer>(schedule === null ? freshAnswer : answerOf(schedule.cadence))
  const [context, setContext] = useState(schedule?.context ?? 'keep')
  const [notify, setNotify] = useState(schedule?.notify ?? 'always')
  const limit = schedule?.budget?.micro_dollars
  const [dollars, setDollars] = useState(limit === undefined ? '' : String(limit / 1_000_000))
  const cadence = cadenceOf(answer)
  const amount = Number(dollars.replace(',', '.'))
  const isAmount = dollars.trim() === '' || (Number.isFinite(amount) && amount > 0)
  const isComplete = name.trim() !== '' && goal.trim() !== '' && cadence !== null && isAmount
  const save = async (): Promise<void> => {
    if (cadence === null) return
    const budget = dollars.trim() === '' ? {} : { budget: { micro_dollars: Math.round(amount * 1_000_000) } }
    const input = { name: name.trim(), goal: goal.trim(), cadence, context, notify, ...budget }
    const done = schedule === null ? await run('schedule.create', input) : await run('schedule.edit', { id: schedule.id, ...input })
    if (done !== undefined) onSaved()
  }
  return (
    <form
      className="schedule-form"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <TextField label="Name" placeholder="Morning report" maxLength={100} value={name} onChange={(event) => setName(event.target.value)} />
      <TextArea
        label="What is to be done"
        hint="Write it as you would say it to a colleague."
        placeholder="Summarise what changed in /shared since yesterday."
        rows={4}
        value={goal}
        onChange={(event) => setGoal(event.target.value)}
      />
      <CadenceFields answer={answer} onChange={setAnswer} />
      <div className="schedule-row">
        <Select label="Context" options={contexts} value={context} onChange={(event) => setContext(event.target.value as typeof context)} />
        <Select label="Tell me" options={notices} value={notify} onChange={(event) => setNotify(event.target.value as typeof notify)} />
        <TextField
          label="Dollars for each run"
          inputMode="decimal"
          placeholder="No limit of its own"
          value={dollars}
          problem={isAmount ? '' : 'An amount in dollars, such as 0.5.'}
          onChange={(event) => setDollars(event.target.value)}
        />
      </div>
      <ProblemLine failure={failure} />
      <div className="schedule-buttons">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" isBusy={isBusy} disabled={!isComplete}>
          {schedule === null ? 'Create' : 'Save'}
        </Button>
      </div>
    </form>
  )
}

const rhythms: readonly { readonly value: Rhythm; readonly label: string }[] = [
  { value: 'daily', label: 'Every day' },
  { value: 'weekdays', label: 'Monday to Friday' },
  { value: 'interval', label: 'At an interval' },
  { value: 'once', label: 'Once' },
  { value: 'cron', label: 'By a cron expression' },
]
const units = [
  { value: 'minutes', label: 'minutes' },
  { value: 'hours', label: 'hours' },
  { value: 'days', label: 'days' },
]

interface CadenceFieldsProps {
  readonly answer: CadenceAnswer
  readonly onChange: (answer: CadenceAnswer) => void
}

function CadenceFields({ answer, onChange }: CadenceFieldsProps): ReactNode {
  const { rhythm, timeZone } = answer
  const change = (field: keyof CadenceAnswer) => (event: { target: { value: string } }) =>
    onChange({ ...answer, [field]: event.target.value })
  return (
    <div className="schedule-row">
      <Select label="When" options={rhythms} value={rhythm} onChange={change('rhythm')} />
      {(rhythm === 'daily' || rhythm === 'weekdays') && (
        <TextField label="At" type="time" value={answer.time} hint={timeZone} onChange={change('time')} />
      )}
      {rhythm === 'interval' && (
        <>
          <TextField label="Every" inputMode="numeric" value={answer.count} onChange={change('count')} />
          <Select label="Unit" options={units} value={answer.unit} onChange={change('unit')} />
        </>
      )}
      {rhythm === 'once' && <TextField label="At" type="datetime-local" value={answer.at} onChange={change('at')} />}
      {rhythm === 'cron' && (
        <TextField
          label="Expression"
          hint={`Minute, hour, day, month, weekday; ${timeZone}`}
          spellCheck={false}
          value={answer.expression}
          onChange={change('expression')}
        />
      )}
    </div>
  )
}
