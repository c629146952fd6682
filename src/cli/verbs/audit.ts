/** `oxbow audit` and `oxbow calls`: read the journal and the call table offline, also while a guest runs. */
import { createHash, createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { askOffline, createExportHeads, sealOf, signExportOf } from '../../runner/index.ts'
import { isObject, type Json, type JsonObject, OxbowError, parseObject, plural } from '../../base/index.ts'
import { isGeneration, erasedText, goneText, isErased, type JournalRecord, type OutputOf } from '../../protocol/index.ts'
import { type GuestChoice, guestSetup, reportOf } from '../guest-connection.ts'
import { columnsOf, exitOf, printFailure, printLine, printNotice, printText, type Terminal } from '../terminal.ts'
import { formatBytes, formatMs, formatTime, plainLine, plainText, table } from '../../terminal/index.ts'
import { textWidth, wrapWords } from '../screen/word-wrap.ts'

export interface AuditOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export interface AuditShowOptions extends AuditOptions {
  readonly session?: string | undefined
  readonly after?: number | undefined
  readonly limit: number
}

type VerifyReport = OutputOf<'audit.verify'>
type SignedHeads = NonNullable<VerifyReport['signed_heads']>

/** @returns 0 when the journal verifies, else the code of `audit_failed`. */
export async function auditVerify(options: AuditOptions, terminal: Terminal): Promise<number> {
  const report = await reportOf<VerifyReport>(guestSetup(options, terminal), { command: 'audit-verify' })
  if (options.json === true) {
    printLine(terminal, JSON.stringify(report))
    return report.ok ? 0 : exitOf('audit_failed')
  }
  printText(terminal, plainText(describeReport(report)))
  if (report.ok) return 0
  return printFailure(terminal, {
    code: 'audit_failed',
    message: 'the journal was changed or is damaged; the lines above say where',
    hint: 'Copy the workspace before you run anything else on it.',
  })
}

/** Prints records in order, by default the newest. */
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

/**
 * Prints the journal with a signed end, for `oxbow-verify` and for keeping: one JSON document per line, exactly as
 * it is checked. A journal that lacks what the runner has signed is printed, too: it is evidence.
 * @returns 0, or the code of `audit_failed` for such a journal
 */
export async function auditExport(options: AuditOptions & { readonly after: number }, terminal: Terminal): Promise<number> {
  const setup = guestSetup(options, terminal)
  const { after } = options
  const seal = await sealOf(setup.home, setup.workspace.user)
  const heads = createExportHeads(seal, after)
  let last: { readonly seq: number; readonly hash: string } | null = null
  let records = -1
  for await (const line of askOffline(setup, { command: 'audit-export', after })) {
    const { after: from } = line as { after?: { seq: number; hash: string } }
    if (from === undefined) heads.take(line as JournalRecord)
    last = from ?? (line as JournalRecord)
    records += 1
    await written(terminal, JSON.stringify(line))
  }
  if (last === null) throw new OxbowError('guest_unreachable', 'the guest returned no export', { hint: 'See `oxbow logs`.' })
  const { seq, hash } = last
  const end = { after, seq, hash, records, at: Date.now() }
  await written(terminal, JSON.stringify(await signExportOf(setup.home, setup.workspace.user, seal, end)))
  printNotice(terminal, `${records} records exported; \`npx -p oxbow@latest oxbow-verify FILE\` checks them without Oxbow's code`)
  const [missing, ...others] = heads.missing()
  if (missing === undefined) return 0
  const there = missing.isOther ? 'has another record in its place' : `ends with record ${seq}: its end was cut off`
  const more = others.length === 0 ? '' : ` (and ${others.length} more)`
  return printFailure(terminal, {
    code: 'audit_failed',
    message: `the runner has signed record ${missing.seq} on ${formatTime(missing.at)}${more}, and the journal ${there}`,
    hint: 'The export holds what is there, and will not verify. Keep it, copy the workspace, and run `oxbow audit verify`.',
  })
}

/** Prints the traces of the turns that have ended, one request of OTLP a line, for a collector of OpenTelemetry. */
export async function auditTraces(
  options: AuditOptions & { readonly after: number; readonly content?: boolean },
  terminal: Terminal,
): Promise<number> {
  const { after, content = false } = options
  for await (const line of askOffline(guestSetup(options, terminal), { command: 'audit-traces', after, content }))
    await written(terminal, JSON.stringify(line))
  return 0
}

/** As it is, and no faster than it is read. */
async function written({ output }: Pick<Terminal, 'output'>, text: string): Promise<void> {
  if (!output.write(`${text}\n`)) await once(output, 'drain')
}

/** Prints the public key by which exports are checked, and its fingerprint. */
export async function auditKey(options: AuditOptions, terminal: Terminal): Promise<number> {
  const { home, workspace } = guestSetup(options, terminal)
  const { publicKey } = await sealOf(home, workspace.user)
  const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
  const fingerprint = createHash('sha256').update(der.toString('base64')).digest('hex')
  if (options.json === true) printLine(terminal, JSON.stringify({ public_key: publicKey, fingerprint }))
  else {
    printLine(terminal, publicKey.trimEnd())
    printNotice(terminal, `fingerprint: ${fingerprint}`)
  }
  return 0
}

/** Prints the model exchanges of a session in the format that the replay model reads: one JSON document per line. */
export async function auditRecording(session: string, options: AuditOptions, terminal: Terminal): Promise<number> {
  const question = { command: 'audit-recording', session } as const
  let lines = 0
  for await (const line of askOffline(guestSetup(options, terminal), question)) {
    printLine(terminal, JSON.stringify(line))
    lines += 1
  }
  if (lines > 0) return 0
  throw new OxbowError('not_found', `session ${session} has no recorded exchanges`, {
    hint: 'Exchanges are recorded only with model.recording = "raw", and only for models on the network.',
  })
}

function chained(heads: SignedHeads | null): string {
  if (heads === null || heads.checked === 0) return ''
  return heads.chained_from === null ? ', not chained by an older Oxbow' : `, chained from record ${heads.chained_from} on`
}

function othersText(count: number): string {
  const which = count === 1 ? '1 signed head is' : `${count} signed heads are`
  return `  ${which} from another version of Oxbow, outside of the chain: start this version once, and it signs over them`
}

function restoredText({ at, by, from, to, fault }: SignedHeads['restores'][number]): string {
  const was = fault === '' ? '' : `; before that, signed heads were incomplete: ${fault}`
  return `  restored from a backup on ${formatTime(at)} by ${by}: from record ${from} to record ${to}${was}`
}

function describeReport({
  ok,
  records,
  blobs,
  first_bad: firstBad,
  open,
  signed_heads: heads,
  repeated,
  projections,
  erased,
  config_differs: differing,
  ms,
}: VerifyReport): string {
  const bad = ({ seq, why }: NonNullable<VerifyReport['first_bad']>): string => `record ${seq}: ${why}`
  return [
    ok ? 'The journal verifies.' : 'The journal does NOT verify.',
    `  ${plural(records, 'record')} and ${plural(blobs, 'blob')} in ${formatMs(ms)}, ${heads === null ? 'not compared with signed heads' : plural(heads.checked, 'signed head')}${chained(heads)}`,
    ...(heads?.restores ?? []).map(restoredText),
    ...(heads === null || heads.others === 0 ? [] : [othersText(heads.others)]),
    ...(firstBad === null ? [] : [`  first bad ${bad(firstBad)}`]),
    ...(heads?.bad ?? []).map((head) => `  signed heads, ${bad(head)}`),
    ...repeated.unexplained.map((each) => `  recorded twice, ${bad(each)}`),
    ...(repeated.unexplained.length === 0
      ? []
      : [
          '  An older Oxbow wrote these; the next start records that only the first of each counts, and so does `oxbow call audit.verify` now.',
        ]),
    ...(repeated.records === 0
      ? []
      : [`  ${repeated.records} records repeat the beginning or end of a call; only the first of each counts`]),
    ...projections.map((why) => `  outside the journal: ${why}`),
    ...(differing.length === 0
      ? []
      : [`  since a guest last started, what guards has changed: ${differing.join(', ')}; the next start records it`]),
    ...(erased.bodies === 0 ? [] : [`  ${erased.bodies} bodies are erased; the chain is intact through their hashes`]),
    ...(erased.unchecked === 0
      ? []
      : [`  ${erased.unchecked} of them were written by an older Oxbow: only their position can be checked, not their content`]),
    ...(erased.unexplained.length === 0 ? [] : [`  erased without a record of it: ${erased.unexplained.join(', ')}`]),
    ...(open.length === 0
      ? []
      : [`  still running, without an outcome: ${open.map(({ seq, name }) => `${name} (record ${seq})`).join(', ')}`]),
  ].join('\n')
}

// A record as one line; `--json` prints it whole.

/** Characters of a body that are printed into a pipe. */
const bodyChars = 100
/** With fewer columns left next to the other fields, the body goes on a line of its own. */
const minBesideColumns = 40
/** Minimum width of a body on its own line. */
const minBelowColumns = 20
/** Aligns with the time. */
const indent = ' '.repeat(8)

/** @param columns of the terminal; `Infinity` for a pipe */
export function recordLine(record: JournalRecord, columns: number): string {
  const column = (text: string, width: number): string => plainLine(text, bodyChars).padEnd(width)
  const { seq, at, actor, phase, name } = record
  const head = [String(seq).padStart(6), formatTime(at), column(actor, 12), column(phase, 10), column(name, 15)].join('  ')
  const body = erasedLine(record.body) ?? (phase === 'exchange' && isGeneration({ name }) ? describeExchange(record.body) : record.body)
  if (columns === Infinity) return `${head}  ${plainLine(body, bodyChars)}`
  const beside = columns - textWidth(head) - 2
  if (beside >= minBesideColumns) return `${head}  ${plainLine(body, beside)}`
  return `${wrapWords(head.trimEnd(), columns)}\n${indent}${plainLine(body, Math.max(minBelowColumns, columns - indent.length))}`
}

function erasedLine(body: string): string | null {
  if (!body.startsWith('{"erased":')) return null
  const found: unknown = JSON.parse(body)
  return isErased(found) ? `${goneText(found) === erasedText ? erasedText : '(archived)'} ${found.bytes} bytes: ${found.reason}` : null
}

// A model exchange as one line; `--json` and `oxbow audit recording` print its content.

/** @param body JSON text of the record. Never throws, whatever it contains. */
export function describeExchange(body: string): string {
  const { wire, model, status, request, response } = parseObject(body) ?? {}
  const name = (value: Json | undefined): string => (typeof value === 'string' && value !== '' ? value : '?')
  const answer = status === 0 ? 'no answer' : `status ${typeof status === 'number' ? status : '?'}`
  return `${name(wire)} ${name(model)}, ${answer}, ${sizeOf(request)} out, ${sizeOf(response)} in`
}

/** Bytes are stored as text or base64; a request without the prefix that it shares with an earlier one, and a streamed answer packed. */
function sizeOf(part: Json | undefined): string {
  const { after, text, base64, bytes } = objectIn(part)
  if (typeof bytes === 'number') return formatBytes(bytes)
  const shared = objectIn(after)['bytes']
  const kept = typeof text === 'string' ? Buffer.byteLength(text) : typeof base64 === 'string' ? Buffer.byteLength(base64, 'base64') : null
  return kept === null ? '? bytes' : formatBytes(kept + (typeof shared === 'number' ? shared : 0))
}

const objectIn = (value: Json | undefined): JsonObject => (isObject(value) ? value : {})

// `oxbow calls`

interface DescribedCall {
  readonly name: string
  readonly summary: string
  readonly tier: string
  readonly right: string
  readonly effect: string
  readonly audience: readonly string[]
  /** Why a guest cannot make it here; empty if it can. */
  readonly unavailable?: string
  readonly example?: unknown
  readonly input?: unknown
}

export interface CallsOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

/** @param name shows one call with its input; without it, all of them in a table. */
export async function calls(name: string | undefined, options: CallsOptions, terminal: Terminal): Promise<number> {
  const described: DescribedCall[] = []
  for await (const line of askOffline(guestSetup(options, terminal), { command: 'calls' })) described.push(line as DescribedCall)
  described.sort((a, b) => a.name.localeCompare(b.name, 'en'))
  const wanted = name === undefined ? described : described.filter((call) => call.name === name || call.name === name.replace('_', '.'))
  if (wanted.length === 0) {
    throw new OxbowError('unknown_call', `there is no call ${JSON.stringify(name)}`, { hint: '`oxbow calls` lists them.' })
  }
  if (options.json === true) for (const call of wanted) printLine(terminal, JSON.stringify(call))
  else if (name === undefined) printText(terminal, callTable(wanted))
  else for (const call of wanted) printLine(terminal, describe(call))
  return 0
}

function callTable(described: readonly DescribedCall[]): string {
  const rows = described.map(({ name, tier, right, effect, audience, summary, unavailable = '' }) => {
    const what = unavailable === '' ? summary : `NOT HERE: ${unavailable.replace(`${name} `, '')}`
    return [name, tier, right, effect, audience.join(','), what]
  })
  return table([['CALL', 'TIER', 'RIGHT', 'EFFECT', 'FOR', 'WHAT IT DOES'], ...rows])
}

function describe(call: DescribedCall): string {
  return [
    `${call.name}: ${call.summary}`,
    ...((call.unavailable ?? '') === '' ? [] : [`not here: ${call.unavailable}`]),
    `tier ${call.tier}, right ${call.right}, effect ${call.effect}, for ${call.audience.join(', ')}`,
    `example: ${JSON.stringify(call.example)}`,
    `input: ${JSON.stringify(call.input, null, 2)}`,
  ].join('\n')
}
