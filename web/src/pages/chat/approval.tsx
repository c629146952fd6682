/**
 * A call that waits for a person: why it asks, exactly what would run, and the answers: once, always by a rule that is shown word for
 * word, with another input, or no, with a reason that the model reads.
 */
import { Check, Hand, Pencil, Repeat, X } from 'lucide-react'
import { type FormEvent, type ReactNode, useState } from 'react'
import type { InputOf } from '../../../../src/client/browser-client.ts'
import { exactText } from '../../../../src/terminal/index.ts'
import { type Json, ownValue } from '../../../../src/base/index.ts'
import type { PendingApproval } from '../../../../src/protocol/index.ts'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { TextArea, TextField } from '../../ui/field.tsx'
import { Loading, ProblemLine } from '../../ui/states.tsx'
import { inputOf } from './call-input.ts'

const scopeNames: Readonly<Record<string, string>> = {
  call: 'Exactly this call',
  pattern: 'Calls like it',
  session: 'Calls like it, in this session',
  folder: 'Calls like it, in this folder',
}

/** The answers open below the call, where the field for the next message would hide them. */
const showWhole = (opened: HTMLElement | null): void => opened?.scrollIntoView({ block: 'nearest' })

type Mode = 'ask' | 'always' | 'edit' | 'deny'

export function Approval({ pending }: { readonly pending: PendingApproval }): ReactNode {
  const [mode, setMode] = useState<Mode>('ask')
  const { run, isBusy, failure } = useAction()
  const decide = (more: Omit<InputOf<'call.decide'>, 'call'>): void =>
    void run('call.decide', { call: pending.call, ...(pending.question !== undefined && { question: pending.question }), ...more })
  const { program = '', files = [] } = pending.inputs ?? {}
  const choose = (next: Mode) => () => setMode(mode === next ? 'ask' : next)
  return (
    <section className="chat-approval" aria-label={`Approval of ${pending.name}`}>
      <p className="chat-approval-why">
        <Hand aria-hidden="true" />
        <span>
          <strong>{pending.name}</strong> waits for you. {pending.reason ?? ''}
        </span>
      </p>
      <ExactInput pending={pending} />
      {(program !== '' || files.length > 0) && (
        <p className="chat-approval-runs">
          Runs {program !== '' && <code>{exactText(program.split(' ')[0] ?? program)}</code>}
          {files.map(({ path }) => (
            <code key={path}>{exactText(path)}</code>
          ))}
        </p>
      )}
      <ProblemLine failure={failure} />
      <div className="chat-approval-actions">
        <Button variant="primary" icon={<Check />} isBusy={isBusy} onClick={() => decide({ allow: true })}>
          Allow once
        </Button>
        <Button icon={<Repeat />} aria-expanded={mode === 'always'} onClick={choose('always')}>
          Always…
        </Button>
        <Button icon={<Pencil />} aria-expanded={mode === 'edit'} onClick={choose('edit')}>
          Edit…
        </Button>
        <Button variant="danger" icon={<X />} aria-expanded={mode === 'deny'} onClick={choose('deny')}>
          Deny…
        </Button>
      </div>
      {mode === 'always' && <Rules pending={pending} isBusy={isBusy} onKeep={(remember) => decide({ allow: true, remember })} />}
      {mode === 'edit' && <EditedInput pending={pending} isBusy={isBusy} onRun={(input) => decide({ allow: true, input })} />}
      {mode === 'deny' && <Denial isBusy={isBusy} onDeny={(reason) => decide({ allow: false, ...(reason !== '' && { reason }) })} />}
    </section>
  )
}

/** Invisible and lookalike characters are written out, so that what is approved is what is seen. */
function ExactInput({ pending }: { readonly pending: PendingApproval }): ReactNode {
  const input = inputOf(pending.input)
  const { command, ...rest } = input
  return (
    <>
      {typeof command === 'string' && (
        <pre className="chat-command" tabIndex={0} aria-label="Command">
          {exactText(command)}
        </pre>
      )}
      <dl className="chat-arguments">
        {Object.entries(typeof command === 'string' ? rest : input).map(([field, value]) => (
          <div key={field}>
            <dt>{field}</dt>
            <dd>
              <code>{exactText(typeof value === 'string' ? (value === '' ? '""' : value) : JSON.stringify(value, null, 2))}</code>
            </dd>
          </div>
        ))}
      </dl>
    </>
  )
}

interface RulesProps {
  readonly pending: PendingApproval
  readonly isBusy: boolean
  readonly onKeep: (remember: NonNullable<InputOf<'call.decide'>['remember']>) => void
}

function Rules({ pending, isBusy, onKeep }: RulesProps): ReactNode {
  const { data, failure } = useCall('approval.list', { session: pending.session })
  const [chosen, setChosen] = useState<string | null>(null)
  if (failure !== null) return <ProblemLine failure={failure} />
  if (data === undefined) return <Loading label="Loading rules" />
  const rules = data.find(({ call }) => call === pending.call)?.rules ?? []
  if (rules.length === 0) return <p className="chat-note">No rule can be kept for this call: it asks every time.</p>
  const rule = rules.find(({ id }) => id === (chosen ?? rules[0]?.id))
  return (
    <div className="chat-decision" ref={showWhole}>
      <fieldset className="chat-rules">
        <legend>Allow from now on</legend>
        {rules.map(({ id, scope, text }) => (
          <label key={id}>
            <input type="radio" name={pending.call} checked={rule?.id === id} onChange={() => setChosen(id)} />
            <span>
              {ownValue(scopeNames, scope) ?? scope}
              <code>{exactText(text)}</code>
            </span>
          </label>
        ))}
      </fieldset>
      <Button
        variant="primary"
        isBusy={isBusy}
        onClick={() => rule !== undefined && onKeep({ scope: rule.scope, rule: rule.id, labels: (pending.labels ?? []).length > 0 })}
      >
        Allow and keep the rule
      </Button>
    </div>
  )
}

interface EditedInputProps {
  readonly pending: PendingApproval
  readonly isBusy: boolean
  readonly onRun: (input: Json) => void
}

function EditedInput({ pending, isBusy, onRun }: EditedInputProps): ReactNode {
  const [text, setText] = useState(() => JSON.stringify(inputOf(pending.input), null, 2))
  const [problem, setProblem] = useState('')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    try {
      onRun(JSON.parse(text) as Json)
      setProblem('')
    } catch (error) {
      setProblem(`This is not JSON: ${error instanceof Error ? error.message : ''}`)
    }
  }
  return (
    <form className="chat-decision" ref={showWhole} onSubmit={submit}>
      <TextArea
        label="Run this instead"
        className="mono"
        rows={Math.min(14, text.split('\n').length + 1)}
        value={text}
        problem={problem}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
      />
      <Button variant="primary" type="submit" isBusy={isBusy}>
        Run the edited call
      </Button>
    </form>
  )
}

function Denial({ isBusy, onDeny }: { readonly isBusy: boolean; readonly onDeny: (reason: string) => void }): ReactNode {
  const [reason, setReason] = useState('')
  const submit = (event: FormEvent): void => {
    event.preventDefault()
    onDeny(reason.trim())
  }
  return (
    <form className="chat-decision" ref={showWhole} onSubmit={submit}>
      <TextField
        label="Reason, which the agent reads (optional)"
        value={reason}
        autoFocus
        maxLength={1_000}
        onChange={(event) => setReason(event.target.value)}
      />
      <Button variant="danger" type="submit" isBusy={isBusy}>
        Deny
      </Button>
    </form>
  )
}
