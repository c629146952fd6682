/** `oxbow audit verify` and `oxbow audit show`: offline questions about the journal, also beside a running guest. */
import { askOffline } from '../../runner/index.ts'
import type { JournalRecord } from '../../types/index.ts'
import { OxbowError } from '../../types/index.ts'
import { exitOf, printFailure } from '../failure-report.ts'
import { guestSetup } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { columnsOf, printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { plainText } from '../view/terminal-text.ts'
import { formatMs } from '../view/text-format.ts'
import { recordLine } from './record-line.ts'

export interface AuditOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export interface AuditShowOptions extends AuditOptions {
  readonly session?: string | undefined
  readonly after?: number | undefined
  readonly limit: number
}

/** The guest's report. */
interface VerifyReport {
  readonly ok: boolean
  readonly records: number
  readonly blobs: number
  readonly first_bad: Bad | null
  readonly open: readonly { readonly seq: number; readonly name: string }[]
  readonly signed_heads: { readonly checked: number; readonly bad: readonly Bad[] }
  readonly erased: { readonly bodies: number; readonly unchecked: number; readonly unexplained: readonly number[] }
  readonly ms: number
}

interface Bad {
  readonly seq: number
  readonly why: string
}

/** @returns 0 when the journal verifies, else the code of `audit_failed`. */
export async function auditVerify(options: AuditOptions, terminal: Terminal): Promise<number> {
  let report: VerifyReport | null = null
  for await (const line of askOffline(guestSetup(options, terminal), { command: 'audit-verify' })) report = line as VerifyReport
  if (report === null) throw new OxbowError('guest_unreachable', 'the guest gave no report', { hint: 'Its log is logs/guest.log.' })
  if (options.json === true) {
    printLine(terminal, JSON.stringify(report))
    return report.ok ? 0 : exitOf('audit_failed')
  }
  printText(terminal, plainText(describeReport(report)))
  if (report.ok) return 0
  return printFailure(terminal, {
    code: 'audit_failed',
    message: 'the journal was changed or is damaged; the lines above say where',
    hint: 'Keep a copy of the workspace as it is before anything else runs on it.',
  })
}

/** Records in order, the newest ones unless `--after` names a place. */
export async function auditShow(options: AuditShowOptions, terminal: Terminal): Promise<number> {
  const { session, after, limit } = options
  const question = {
    command: 'audit-show',
    limit,
    ...(session !== undefined && { session }),
    ...(after !== undefined && { after }),
  } as const
  const columns = columnsOf(terminal.output)
  for await (const line of askOffline(guestSetup(options, terminal), question)) {
    printLine(terminal, options.json === true ? JSON.stringify(line) : recordLine(line as JournalRecord, columns))
  }
  return 0
}

/** The exchanges of a session as the replay model reads them: one JSON document a line. */
export async function auditRecording(session: string, options: AuditOptions, terminal: Terminal): Promise<number> {
  const question = { command: 'audit-recording', session } as const
  let lines = 0
  for await (const line of askOffline(guestSetup(options, terminal), question)) {
    printLine(terminal, JSON.stringify(line))
    lines += 1
  }
  if (lines > 0) return 0
  throw new OxbowError('not_found', `nothing is recorded of session ${session}`, {
    hint: 'Exchanges are kept with model.recording = "raw", and only of models that are asked over the network.',
  })
}

function describeReport({ ok, records, blobs, first_bad: firstBad, open, signed_heads: heads, erased, ms }: VerifyReport): string {
  const bad = ({ seq, why }: Bad): string => `record ${seq}: ${why}`
  return [
    ok ? 'The journal verifies.' : 'The journal does NOT verify.',
    `  ${records} records and ${blobs} blobs in ${formatMs(ms)}, ${heads.checked} signed heads`,
    ...(firstBad === null ? [] : [`  first bad ${bad(firstBad)}`]),
    ...heads.bad.map((head) => `  signed head of ${bad(head)}`),
    ...(erased.bodies === 0 ? [] : [`  ${erased.bodies} bodies were erased; their hashes hold the chain together`]),
    ...(erased.unchecked === 0
      ? []
      : [`  ${erased.unchecked} of them were written by an older Oxbow: of these only the place can be checked, not the content`]),
    ...(erased.unexplained.length === 0 ? [] : [`  erased without a record that says so: ${erased.unexplained.join(', ')}`]),
    ...(open.length === 0
      ? []
      : [`  under way, without an outcome yet: ${open.map(({ seq, name }) => `${name} (record ${seq})`).join(', ')}`]),
  ].join('\n')
}
