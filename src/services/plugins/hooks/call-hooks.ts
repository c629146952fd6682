/**
 * Hooks around calls: of a message (`turn.send`), of a request to a model (`model.generate`), and of what a model asks for. They look at a
 * call that the gate would let run; what they change passes the gate again. What plugins write is untrusted: a session whose message,
 * input or result a hook has changed has read it.
 */
import {
  type Cleaner,
  type Gate,
  type HookedCall,
  type HookedPassing,
  type KernelHooks,
  type Refusal,
  refusal,
  refusalText,
  type Registry,
  runtimeCaller,
  type Sessions,
} from '../../../kernel/index.ts'
import { type CallId, type Failure, isObject, type SessionId, toError } from '../../../base/index.ts'
import {
  type AssistantMessage,
  type Call,
  type Caller,
  type CallOutcome,
  type GenerateOutput,
  type HookValues,
  isGeneration,
  isTurn,
  joinLabels,
  type KeptFile,
  labelOrigins,
  type Message,
  type ModelFacts,
  originOf,
  textOf,
  toolCallsOf,
} from '../../../protocol/index.ts'
import { askPerson } from './hook-approval.ts'
import { type HookDecision, type HookDemand, type HookRunner, placeOf } from './run-hooks.ts'

export interface CallHookDeps {
  readonly runner: HookRunner
  readonly gate: Gate
  readonly newId: () => string
  readonly registry: Pick<Registry, 'parse' | 'find'>
  readonly sessions: Pick<Sessions, 'load' | 'join' | 'read'>
  readonly fit: Cleaner['fit']
  readonly settings: { readonly temperature: number | null; readonly top_p: number | null }
  /** Outputs that stand for those that a hook has replaced. */
  readonly replaced: WeakSet<object>
}

/** A call that hooks look at. */
interface Seen {
  readonly deps: CallHookDeps
  readonly passing: HookedPassing
  readonly call: Call
  readonly input: unknown
}

export function createCallHooks(deps: CallHookDeps): KernelHooks['before'] {
  return (passing, call, input) => {
    const seen = { deps, passing, call, input }
    if (isTurn(call)) return beforeMessage(seen)
    return isGeneration(call) ? beforeModel(seen) : beforeCall(seen)
  }
}

async function beforeMessage({ deps, passing, call, input }: Seen): Promise<HookedCall | Refusal> {
  const { caller, id, signal } = passing
  const { text, attachments = [] } = input as { readonly text: string; readonly attachments?: readonly KeptFile[] }
  const { turns } = await deps.sessions.load(caller.session as SessionId)
  const files = attachments.map(({ name, media_type, bytes }) => ({ name, media_type, bytes }))
  const value = { ...placeOf(caller), id, text, from: caller.actor, attachments: files, first: turns === 0 }
  const decided = await deps.runner.decide('message.received', value, signal)
  const refused = refusedBy(decided, 'message')
  if (refused !== null) return refused
  taint(deps, caller, decided, decided.changedBy)
  // The message is recorded, and waits for the person before its lane: until then no turn sees it.
  const run: Call['run'] = async (given, context) => {
    const denied = await askPerson(asksBy(deps, { id, caller, signal: context.signal }), decided.asks, 'the message', text)
    if (denied !== null) throw toError(denied)
    return call.run(given, context)
  }
  return {
    call: decided.asks.length === 0 ? call : { ...call, run },
    ...changedInput(input, decided.changes),
    async after(outcome, ms) {
      const { status, reply } = (outcome.status === 'ok' ? outcome.output : { status: outcome.status, reply: '' }) as TurnEnd
      if (status !== 'merged') deps.runner.show('turn.ended', { ...placeOf(caller), turn: id, status, reply, duration_ms: ms })
      return outcome
    },
  }
}

interface TurnEnd {
  readonly status: string
  readonly reply: string
}

async function beforeModel({ deps, passing, call, input }: Seen): Promise<HookedCall | Refusal> {
  const { caller, id, signal } = passing
  const request = input as ModelRequest
  const last = request.messages.at(-1)
  const value: HookValues['model.before'] = {
    ...placeOf(caller),
    call: id,
    model: request.model,
    role: last?.role ?? '',
    text: last === undefined ? '' : plainText(last),
    messages: request.messages.length,
    input_tokens: request.inputTokens,
    max_output_tokens: request.maxOutputTokens,
    temperature: request.settings?.temperature ?? deps.settings.temperature,
    top_p: request.settings?.topP ?? deps.settings.top_p,
  }
  const decided = await deps.runner.decide('model.before', value, signal)
  const refused = refusedBy(decided, 'request to the model')
  if (refused !== null) return refused
  const denied = await askPerson(asksBy(deps, passing), decided.asks, 'a request to the model', value.text)
  if (denied !== null) return refusal(denied)
  const { max_output_tokens: wanted = Infinity, temperature, top_p: topP } = decided.changes
  const settings = { ...request.settings, ...(temperature !== undefined && { temperature }), ...(topP !== undefined && { topP }) }
  const changed = { ...request, maxOutputTokens: Math.min(request.maxOutputTokens, wanted), settings }
  return {
    call,
    ...(decided.changedBy.length > 0 && { input: changed }),
    after: (outcome) => afterModel({ deps, passing, call, input }, outcome),
  }
}

interface ModelRequest {
  readonly model: string
  readonly messages: readonly Message[]
  readonly inputTokens: number
  readonly maxOutputTokens: number
  readonly settings?: ModelFacts['settings']
}

async function afterModel({ deps, passing }: Seen, outcome: CallOutcome): Promise<CallOutcome> {
  const { caller, id, signal } = passing
  const output = outcome.status === 'ok' ? (outcome.output as GenerateOutput) : null
  const value: HookValues['model.after'] = {
    ...placeOf(caller),
    call: id,
    status: outcome.status,
    text: output === null ? outcome.text : textOf(output.message),
    calls: (output === null ? [] : toolCallsOf(output.message)).map((part) => ({
      id: part.id,
      name: part.name,
      arguments: part.arguments,
    })),
    input_tokens: output?.usage.inputTokens ?? 0,
    output_tokens: output?.usage.outputTokens ?? 0,
  }
  const decided = await deps.runner.decide('model.after', value, signal, { labels: outcome.labels })
  if (output === null) return outcome
  const withheld = await withheldBy(deps, passing, decided, 'answer of the model', value.text)
  if (withheld !== null) return { status: 'failed', failure: withheld, text: refusalText(withheld) }
  const { text } = decided.changes
  if (text === undefined) return outcome
  taint(deps, caller, decided, decided.changedBy)
  return { ...outcome, output: { ...output, message: withText(output.message, text) } } as CallOutcome
}

async function beforeCall({ deps, passing, call, input }: Seen): Promise<HookedCall | Refusal> {
  const { caller, id, signal } = passing
  const given = isObject(input) ? input : {}
  const value = { ...placeOf(caller), call: id, name: call.name, input: given, tier: call.tierOf?.(input, caller) ?? call.tier }
  const decided = await deps.runner.decide('call.before', value, signal, {
    labels: caller.scope?.labels,
    async check(changes) {
      const parsed = await deps.registry.parse(call.name, changes.input)
      return parsed.ok ? null : parsed.failure.message
    },
  })
  const refused = refusedBy(decided, `${call.name} call`)
  if (refused !== null) {
    taint(deps, caller, decided, [decided.refused!.plugin])
    return refused
  }
  taint(deps, caller, decided, decided.changedBy)
  const after: HookedCall['after'] = (outcome, ms) =>
    afterCall({ deps, passing, call, input: decided.changes.input ?? input }, outcome, ms, decided)
  return {
    call: recordedCall(deps, decided.asks.length === 0 ? call : { ...call, asks: () => demandText(decided.asks) }),
    ...decided.changes,
    after,
  }
}

async function afterCall(
  { deps, passing, call, input }: Seen,
  outcome: CallOutcome,
  ms: number,
  { changedBy, labels: before }: Pick<HookDecision<'call.before'>, 'changedBy' | 'labels'>,
): Promise<CallOutcome> {
  const { caller, id, signal } = passing
  const given = isObject(input) ? input : {}
  const ok = outcome.status === 'ok' && outcome.ok
  const result = { status: outcome.status, ok, text: outcome.text, duration_ms: ms }
  const value = { ...placeOf(caller), call: id, name: call.name, input: given, ...result }
  const told = { labels: joinLabels(outcome.labels ?? [], caller.scope?.labels ?? []) }
  const decided = await deps.runner.decide('call.after', value, signal, told)
  const what = `result of ${call.name}`
  const withheld = await withheldBy(deps, passing, decided, what, outcome.text)
  if (withheld !== null) {
    const labels = taint(deps, caller, decided, [decided.refused?.plugin ?? decided.asks[0]!.plugin], outcome.labels)
    return { status: 'failed', failure: withheld, text: refusalText(withheld), labels }
  }
  if (decided.changedBy.length + changedBy.length === 0) return outcome
  const labels = taint(deps, caller, { labels: joinLabels(before, decided.labels) }, [...decided.changedBy, ...changedBy], outcome.labels)
  const note =
    changedBy.length === 0 ? '' : `${named(changedBy)} changed the input of this call. It ran with ${headline(JSON.stringify(input))}\n`
  const text = await deps.fit(`${note}${decided.changes.text ?? outcome.text}`, labels)
  if (outcome.status !== 'ok') return { ...outcome, text, labels }
  return {
    ...outcome,
    ok: decided.changes.ok ?? outcome.ok,
    text,
    labels,
    ...(decided.changes.text !== undefined && { output: replacedOutput(deps, decided.changes.text) }),
  }
}

/** The call, whose record leaves out fields of a result that a hook has replaced. */
function recordedCall({ replaced }: CallHookDeps, call: Call): Call {
  const { recordOutput } = call
  if (recordOutput === undefined) return call
  return { ...call, recordOutput: (output) => (replaced.has(output as object) ? {} : recordOutput(output)) }
}

/** What a program reads in the place of such a result: what the model reads. */
function replacedOutput({ replaced }: CallHookDeps, text: string): object {
  const output = { text }
  replaced.add(output)
  return output
}

function changedInput(input: unknown, changes: object): { readonly input?: unknown } {
  return Object.keys(changes).length === 0 ? {} : { input: { ...(input as object), ...changes } }
}

/** The session has read what these plugins wrote. @returns the labels of their texts */
function taint(
  { sessions }: CallHookDeps,
  caller: Caller,
  { labels: kept }: Pick<HookDecision<'call.before'>, 'labels'>,
  plugins: readonly string[],
  held: CallOutcome['labels'] = [],
): NonNullable<CallOutcome['labels']> {
  if (plugins.length === 0) return held
  const origins = plugins.map((plugin) => originOf('plugin', plugin))
  const said = joinLabels(kept, ['untrusted'])
  if (caller.scope?.kind === 'apart') sessions.read(caller, said, labelOrigins(said, origins))
  else sessions.join(caller, said, origins)
  return joinLabels(held, said)
}

/** @returns why the hooks refuse it; null: they do not */
function refusedBy({ refused, labels }: Pick<HookDecision<'call.before'>, 'refused' | 'labels'>, what: string): Refusal | null {
  if (refused === null) return null
  return { ...refusal(hookFailure(refused, `this ${what}`)), labels: joinLabels(labels, ['untrusted']) }
}

/** @returns why what has happened is not shown; null: it is */
async function withheldBy(
  deps: CallHookDeps,
  passing: HookedPassing,
  { refused, asks }: Pick<HookDecision<'call.after'>, 'refused' | 'asks'>,
  what: string,
  shown: string,
): Promise<Failure | null> {
  if (refused !== null) return hookFailure(refused, `the ${what}`)
  return askPerson(asksBy(deps, passing), asks, `the ${what}`, shown)
}

/** The plugin asks within the call; the limits of the turn do not count the wait. */
function asksBy({ gate, newId }: CallHookDeps, { caller, signal, onWait }: HookedPassing): Parameters<typeof askPerson>[0] {
  return (name, input, plugin) =>
    gate.call(runtimeCaller(caller, `plugin:${plugin}`), name, input, {
      id: newId() as CallId,
      signal,
      ...(onWait !== undefined && { onWait }),
    })
}

export function hookFailure({ plugin, step, reason, failed }: NonNullable<HookDecision<'call.before'>['refused']>, what: string): Failure {
  const logs = `\`oxbow plugin logs ${plugin}\` shows more; \`oxbow plugin disable ${plugin}\` ends its hooks.`
  return failed
    ? {
        code: 'denied',
        message: `${capital(what)} was refused: the hook ${step} of the plugin ${plugin} must look at it, and failed: ${reason.replace(/\.$/, '')}.`,
        hint: `Tell the user. ${logs}`,
      }
    : {
        code: 'denied',
        message: `The plugin ${plugin} refused ${what}${reason === '' ? '.' : `: ${reason}`}`,
        hint: 'Do not repeat it; continue without it, or ask the user what they want instead.',
      }
}

function demandText(asks: readonly HookDemand[]): string {
  return asks.map(({ plugin, reason }) => `the plugin ${plugin} wants your approval${reason === '' ? '' : `: ${reason}`}`).join('; ')
}

function named(plugins: readonly string[]): string {
  return `The plugin${plugins.length > 1 ? 's' : ''} ${[...new Set(plugins)].join(', ')}`
}

const capital = (text: string): string => `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`

const maxHeadline = 2_000

function headline(text: string): string {
  return text.length > maxHeadline ? `${text.slice(0, maxHeadline).toWellFormed()}…` : text
}

function plainText({ parts }: Message): string {
  return parts.map((part) => ('text' in part && part.type !== 'reasoning' ? part.text : '')).join('')
}

/** @returns the message with this text in the place of all of its own */
function withText(message: AssistantMessage, text: string): AssistantMessage {
  const at = message.parts.findIndex(({ type }) => type === 'text')
  const others = message.parts.filter(({ type }, index) => type !== 'text' || index === at)
  // What the service has sealed was another text.
  const parts = others.map((part) => (part.type === 'text' ? ({ type: 'text', text } as const) : part))
  return { ...message, parts: at < 0 && text !== '' ? [{ type: 'text', text }, ...parts] : parts }
}
