/**
 * Delegation to agents that others run: an approved A2A agent is the call `a2a.NAME`, a configured ACP agent the call `acp.NAME`. The call
 * passes the gate as one of whoever delegates, under an id that derives from the delegation's, so that a crash makes no second one. What
 * comes back is the word of somebody else: it keeps the labels of the call, and its result has to match the schema like any other.
 */
import type { Gate } from '../../../kernel/index.ts'
import {
  type CallId,
  derivedId,
  type ErrorCode,
  isErrorCode,
  isObject,
  type JsonObject,
  OxbowError,
  type SchemaChecker,
} from '../../../base/index.ts'
import type { Call, CallOutcome } from '../../../protocol/index.ts'
import type { Delegating, DelegateRequest } from './brief.ts'
import { type Delegated, judgeValue } from './delegated-end.ts'
import { maxRepairs } from './limits.ts'

export interface RemoteDeps {
  readonly gate: Pick<Gate, 'call'>
  readonly findCall: (name: string) => Call | undefined
  readonly schemas: Pick<SchemaChecker, 'check' | 'validate'>
}

/** @returns the call of a remote agent; a name may say which protocol it means */
export function remoteCall(find: RemoteDeps['findCall'], name: string): Call | undefined {
  const names = /^(?:a2a|acp)\./.test(name) ? [name] : [`a2a.${name}`, `acp.${name}`]
  return names.map((each) => find(each)).find((call) => call !== undefined)
}

/** @throws OxbowError where it cannot begin; else what the signal aborts with */
export async function delegateRemotely(
  { gate, schemas }: RemoteDeps,
  { caller, call: id }: Delegating,
  { name }: Call,
  request: DelegateRequest,
  signal: AbortSignal,
): Promise<Delegated> {
  if (!request.wait)
    throw new OxbowError('bad_input', `${request.agent} is a remote agent, which is waited for.`, { hint: 'Delegate with wait = true.' })
  if (request.result !== undefined) await schemas.check(request.result)
  const late = request.deadline_s === undefined ? undefined : AbortSignal.timeout(request.deadline_s * 1_000)
  const limited = late === undefined ? signal : AbortSignal.any([signal, late])
  const ask = (input: JsonObject, round: number): Promise<CallOutcome> =>
    gate.call(caller, name, input, { id: derivedId('remote', id, round) as CallId, signal: limited, resumed: true, durable: true })

  const form =
    request.result === undefined
      ? ''
      : `\n\nAnswer with one JSON value that matches this JSON Schema, and nothing else.\n${JSON.stringify(request.result)}`
  let answered = await ask({ goal: request.goal + form, key_facts: [...request.key_facts] }, 0)
  for (let round = 1; ; round++) {
    signal.throwIfAborted()
    const end = endOf(request.agent, answered, late?.aborted === true)
    if (end.status !== 'success' || request.result === undefined) return end
    const judged = await judgeValue(schemas, request.result, end.text, end.value ?? undefined)
    if (judged.problems === '') return { ...end, value: judged.value ?? null }
    const context = contextOf(answered)
    if (round > maxRepairs || context === '')
      return { ...end, status: 'failure', code: 'bad_input', reason: `Its result does not fit: ${judged.problems}`, hint: redo }
    answered = await ask({ goal: `Your answer cannot be taken as the result:\n${judged.problems}${form}`, context }, round)
  }
}

const redo = 'Do the work yourself, or delegate it to another agent.'

function endOf(agent: string, outcome: CallOutcome, isLate: boolean): Delegated {
  const none = { agent, id: '', session: '', spent: { tokens: 0, micro_dollars: 0 } } as const
  const labels = outcome.labels ?? []
  if (outcome.status !== 'ok') {
    const { code, message, hint } = outcome.failure
    const status = isLate ? 'timeout' : outcome.status === 'refused' ? 'refused' : outcome.status === 'cancelled' ? 'cancelled' : 'failure'
    return { ...none, status, branch: '', value: null, text: '', files: [], labels, code: isLate ? 'timeout' : code, reason: message, hint }
  }
  const output = isObject(outcome.output) ? outcome.output : {}
  const { status: said, text = outcome.text, value = null, files, branch } = output
  const answer = {
    ...none,
    labels,
    value,
    text: typeof text === 'string' ? text : '',
    files: Array.isArray(files) ? files.flatMap(fileName) : [],
    branch: typeof branch === 'string' ? branch : '',
  }
  if (said === 'success') return { ...answer, status: 'success', code: '', reason: '', hint: '' }
  if (said === 'input_required')
    return { ...answer, status: 'failure', code: 'bad_input', reason: 'It asks for more.', hint: 'Delegate again with what it asks for.' }
  const status = said === 'cancelled' || said === 'timeout' || said === 'refused' ? said : 'failure'
  const code: ErrorCode = status === 'refused' ? 'denied' : isErrorCode(status) ? status : 'tool_failed'
  return { ...answer, status, code, reason: `The remote agent says ${status}.`, hint: redo }
}

/** A coding agent names paths, an agent over A2A files that it has sent. */
function fileName(file: unknown): readonly string[] {
  const name = isObject(file) ? file['name'] : file
  return typeof name === 'string' ? [name] : []
}

function contextOf(outcome: CallOutcome): string {
  const context = outcome.status === 'ok' && isObject(outcome.output) ? outcome.output['context'] : undefined
  return typeof context === 'string' ? context : ''
}
