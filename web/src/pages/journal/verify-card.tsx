/** The chain of the journal: its newest hash, and a check of every record that shows how far it is and can be stopped. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { ShieldAlert, ShieldCheck, ShieldQuestion } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { useAction, useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { durationText, Time } from '../../ui/layout.tsx'
import { plural } from '../../ui/numbers.ts'
import { ProblemLine } from '../../ui/states.tsx'

interface SignedHead {
  readonly seq: number
  readonly hash: string
  readonly at: number
  readonly n: number
  readonly problem: string
  readonly is_in_chain: boolean
}

type AuditReport = OutputOf<'audit.verify'>

const checkingEveryMs = 500

export function VerifyCard(): ReactNode {
  const [isStarted, setStarted] = useState(false)
  const status = useCall('audit.status', {}, isStarted ? { everyMs: checkingEveryMs } : { refreshOn: ['turn_ended'] })
  const verify = useAction()
  const cancel = useAction()
  const start = async (): Promise<void> => {
    setStarted(true)
    await verify.run('audit.verify', {})
    setStarted(false)
    status.refresh()
  }
  const { head, checking, last, signed } = status.data ?? { head: null, checking: null, last: null, signed: null }
  const isChecking = isStarted || checking !== null
  const tone = isChecking || last === null ? 'neutral' : last.report.ok ? 'good' : 'bad'
  const isStopped = verify.failure?.code === 'cancelled'
  return (
    <section className="chain" data-tone={tone} aria-label="Chain of the journal">
      <span className="chain-icon" aria-hidden="true">
        {tone === 'good' ? <ShieldCheck /> : tone === 'bad' ? <ShieldAlert /> : <ShieldQuestion />}
      </span>
      <div className="chain-text">
        <p className="chain-title" role="status">
          {isChecking ? 'Checking every record' : last === null ? 'Not checked since Oxbow started' : verdictOf(last.report)}
        </p>
        {checking !== null && (
          <div className="chain-progress">
            <progress max={Math.max(1, checking.total)} value={checking.done} aria-label="Records checked" />
            <span className="small" data-volatile>
              {checking.done.toLocaleString('en')} of {checking.total.toLocaleString('en')}
            </span>
          </div>
        )}
        {!isChecking && last !== null && (
          <p className="small">
            {plural(last.report.records, 'record')} and {plural(last.report.blobs, 'blob')} in{' '}
            <span data-volatile>{durationText(last.report.ms)}</span>, <Time at={last.at} />
          </p>
        )}
        {!isChecking && last !== null && <Faults report={last.report} />}
        {head !== null && (
          <p className="small">
            Head: record {head.seq}, <code title={head.hash}>{head.hash.slice(0, 16)}…</code>
          </p>
        )}
        {signed !== null && <Signed head={signed} />}
        <p className="small soft">
          All signed heads are kept where this guest cannot reach them: <code>oxbow audit verify</code> in a terminal checks those, too.
        </p>
        <ProblemLine failure={isStopped ? null : (verify.failure ?? cancel.failure)} />
      </div>
      {isChecking ? (
        <Button onClick={() => void cancel.run('audit.cancel', {})}>Stop</Button>
      ) : (
        <Button variant="primary" onClick={() => void start()}>
          Verify
        </Button>
      )}
    </section>
  )
}

function Signed({ head }: { readonly head: SignedHead }): ReactNode {
  const { seq, hash, at, n, problem, is_in_chain: isInChain } = head
  return (
    <>
      <p className="small">
        Signed: record {seq}, <code title={hash}>{hash.slice(0, 16)}…</code>, <Time at={at} />
        {n > 0 && <span data-volatile>, head {n.toLocaleString('en')}</span>}
      </p>
      {!isInChain && (
        <ProblemLine failure={{ message: `Record ${seq} is not as it was signed.`, hint: 'Run oxbow audit verify in a terminal.' }} />
      )}
      <ProblemLine failure={problem === '' ? null : { message: problem, hint: '' }} />
    </>
  )
}

function verdictOf({ ok, erased }: AuditReport): string {
  if (!ok) return 'The journal does not verify'
  return erased.bodies === 0 ? 'The journal verifies' : `The journal verifies; ${plural(erased.bodies, 'body is', 'bodies are')} erased`
}

function Faults({ report }: { readonly report: AuditReport }): ReactNode {
  const { first_bad: bad, projections, erased } = report
  const faults = [
    ...(bad === null ? [] : [`Record ${bad.seq}: ${bad.why}.`]),
    ...projections.map((why) => `Outside the journal: ${why}.`),
    ...(erased.unexplained.length === 0 ? [] : [`Erased without a record of it: ${erased.unexplained.join(', ')}.`]),
  ]
  if (faults.length === 0) return null
  return (
    <>
      <ul className="chain-faults">
        {faults.map((fault) => (
          <li key={fault}>{fault}</li>
        ))}
      </ul>
      <p className="small">Copy the workspace before you run anything else on it.</p>
    </>
  )
}
