/**
 * Runs the hooks of one step: one after the other, each on what the one before has left, each within its time. What a plugin answers is
 * hostile: a change that the step does not allow is a failure of the hook, and a failure means what the plugin has declared. Each change,
 * refusal, demand and failure is recorded.
 */
import { z } from 'zod'
import { type Core, explain } from '../../../kernel/index.ts'
import { isObject, type JsonObject, nestsDeeper, ownValue, type SessionId, untilAborted } from '../../../base/index.ts'
import {
  type Caller,
  type DecidingStep,
  type DeclaredHook,
  type HookChanges,
  type HookPlace,
  type HookSource,
  type HookStep,
  type HookValues,
  joinLabels,
  labelledFields,
  type Labels,
  type ObservingStep,
  type PluginHookResult,
} from '../../../protocol/index.ts'
import type { Secrets } from '../../../secrets/index.ts'

/** Steps that wait to be observed by one plugin; more are dropped, and that is recorded. */
const maxWaitingHooks = 1_000

const maxInputLevels = 64

/** A model that writes more arguments than this is confused; terminals can send files instead. */
const maxInputBytes: number = 1024 * 1024

/** Characters of a hook's reason, of what it adds to the system prompt, and levels of an input that it changes. */
const maxHookReason = 300

const maxHookAppend: number = 16 * 1024

/** What a hook of a plugin has for a step; a turn waits for it. The start of its host does not count. */
const hookTimeoutMs = 500

/** Where nobody waits. */
const unending = new AbortController().signal

export interface HookDeps {
  readonly source: HookSource
  readonly secrets: Pick<Secrets, 'hideIn'>
  readonly noteEvent: Core['noteEvent']
}

/** What a plugin wants of a step. */
export interface HookDemand {
  readonly plugin: string
  /** Of the plugin: hostile text, on one line. Empty: it gives none. */
  readonly reason: string
}

/** What the hooks of a step have decided. */
export interface HookDecision<Step extends DecidingStep> {
  /** What they have changed together; empty: nothing. */
  readonly changes: Partial<HookChanges[Step]>
  /** The plugins that have changed something. */
  readonly changedBy: readonly string[]
  /** Labels of what those may have kept who have said something. */
  readonly labels: Labels
  /** A person is to approve it. */
  readonly asks: readonly HookDemand[]
  /** `failed`: the hook is one that must have looked at it, and could not. */
  readonly refused: (HookDemand & { readonly failed: boolean; readonly step: DecidingStep }) | null
}

export interface HookRunner {
  /** @returns what becomes of the step; never throws */
  decide<Step extends DecidingStep>(
    step: Step,
    value: HookValues[Step],
    signal: AbortSignal | null,
    more?: MoreOf<Step>,
  ): Promise<HookDecision<Step>>
  /** Shows a step to those who only observe it, in the background. @param labels of the value, in addition to its session's */
  show<Step extends ObservingStep>(step: Step, value: HookValues[Step], labels?: Labels): void
}

interface MoreOf<Step extends DecidingStep> {
  /** Of the value, in addition to its session's. */
  readonly labels?: Labels | undefined
  /** Whether the changed value can go on. @returns the problem, or null */
  readonly check?: (changes: Partial<HookChanges[Step]>) => Promise<string | null>
}

export function placeOf({ session, turn, actor, user }: Caller): HookPlace {
  return { session, turn, agent: actor.startsWith('agent:') ? actor.slice('agent:'.length) : '', user }
}

const text = z.string().max(maxInputBytes)
const changeSchemas: { readonly [Step in DecidingStep]: z.ZodType<Partial<HookChanges[Step]>> } = {
  'message.received': z.strictObject({ text: text.min(1) }),
  'respond.decide': z.strictObject({ respond: z.literal(false) }),
  'context.compose': z.strictObject({ append: z.string().max(maxHookAppend) }),
  'model.before': z.strictObject({
    max_output_tokens: z.int().positive().exactOptional(),
    temperature: z.number().min(0).max(2).exactOptional(),
    top_p: z.number().min(0).max(1).exactOptional(),
  }),
  'model.after': z.strictObject({ text }),
  'call.before': z.strictObject({
    input: z.custom<JsonObject>((value) => isObject(value) && !nestsDeeper(value, maxInputLevels), 'must be an object'),
  }),
  'call.after': z.strictObject({ text: text.exactOptional(), ok: z.boolean().exactOptional() }),
}

const resultSchema: z.ZodType<PluginHookResult> = z.strictObject({
  verdict: z.enum(['pass', 'change', 'refuse', 'approve']),
  value: z.json(),
  reason: z.string(),
  failed: z.array(z.string()).exactOptional(),
})

export function createHookRunner(deps: HookDeps): HookRunner {
  const queue = queueObservers((...step) => observe(deps, ...step))
  return {
    decide: (step, value, signal, more) => decide(deps, step, value, signal, more),
    show(step, value, labels = []) {
      const hooks = deps.source.at(step)
      if (hooks.length === 0) return
      const shown = deps.secrets.hideIn(value) as unknown as JsonObject
      for (const hook of hooks)
        if (!queue(hook, step, shown, labels))
          note(deps, 'hook_failed', step, value, hook.plugin, `${maxWaitingHooks} of its steps wait`, [])
    },
  }
}

async function decide<Step extends DecidingStep>(
  deps: HookDeps,
  step: Step,
  value: HookValues[Step],
  signal: AbortSignal | null,
  { labels: told = [], check = async () => null }: MoreOf<Step> = {},
): Promise<HookDecision<Step>> {
  let changes: Partial<HookChanges[Step]> = {}
  let labels: Labels = []
  const changedBy: string[] = []
  const asks: HookDemand[] = []
  const loading = deps.source.loading()
  if (loading !== null) await loading
  for (const hook of deps.source.at(step)) {
    const { plugin } = hook
    const answer = await ask(deps, hook, step, { ...value, ...changes }, joinLabels(told, labels), signal)
    await noteFailed(deps, step, value, plugin, answer)
    const change = 'problem' in answer ? answer : changeOf(step, answer, { ...value, ...changes })
    const wanted = 'problem' in change || change.changes === null ? null : { ...changes, ...change.changes }
    const problem = 'problem' in change ? change.problem : wanted === null ? null : await check(wanted)
    const isSilent = problem === null && wanted === null && (answer as PluginHookResult).verdict === 'pass'
    const kept = isSilent ? [] : await deps.source.kept(plugin)
    labels = joinLabels(labels, kept)
    if (problem !== null) {
      note(deps, 'hook_failed', step, value, plugin, problem, kept)
      if (hook.fail === 'closed') return { changes, changedBy, labels, asks, refused: { plugin, step, reason: problem, failed: true } }
      continue
    }
    const { verdict, reason } = answer as PluginHookResult
    if (verdict === 'refuse') {
      note(deps, 'hook_refused', step, value, plugin, reason, kept)
      return { changes, changedBy, labels, asks, refused: { plugin, step, reason, failed: false } }
    }
    if (wanted !== null) {
      note(deps, 'hook_changed', step, value, plugin, reason, kept)
      changes = wanted
      changedBy.push(plugin)
    }
    if (verdict === 'approve') {
      note(deps, 'hook_asked', step, value, plugin, reason, kept)
      asks.push({ plugin, reason })
    }
  }
  return { changes, changedBy, labels, asks, refused: null }
}

/** Other hooks of a plugin that has answered. */
async function noteFailed(
  deps: HookDeps,
  step: HookStep,
  value: object,
  plugin: string,
  answer: PluginHookResult | Problem,
): Promise<void> {
  if ('problem' in answer) return
  for (const reason of answer.failed ?? [])
    note(deps, 'hook_failed', step, value, plugin, shortened(reason) || 'it failed', await deps.source.kept(plugin))
}

interface Problem {
  readonly problem: string
}

/** @returns what the answer changes in the value; null: nothing */
function changeOf<Step extends DecidingStep>(
  step: Step,
  { verdict, value }: PluginHookResult,
  before: HookValues[Step],
): { readonly changes: Partial<HookChanges[Step]> | null } | Problem {
  const mayChange = verdict === 'change' || (verdict === 'approve' && value !== null)
  if (!mayChange) return { changes: null }
  const parsed = changeSchemas[step].safeParse(value)
  if (!parsed.success) return { problem: shortened(`it changed what ${step} does not allow: ${explain(parsed.error)}`) }
  const after = step === 'context.compose' ? joined(before as HookValues['context.compose'], parsed.data) : parsed.data
  const fresh = Object.entries(after).filter(
    ([field, next]) => JSON.stringify(next) !== JSON.stringify(ownValue(before, field as keyof typeof before)),
  )
  return { changes: fresh.length === 0 ? null : (Object.fromEntries(fresh) as Partial<HookChanges[Step]>) }
}

/** What several plugins add stands one after the other. */
function joined(
  before: HookValues['context.compose'],
  { append = '' }: Partial<HookChanges['context.compose']>,
): HookChanges['context.compose'] {
  return { append: [before.append, append].filter((each) => each !== '').join('\n') }
}

/** Asks one hook, within its time. Never throws. */
async function ask(
  { source, secrets }: HookDeps,
  { plugin }: DeclaredHook,
  step: HookStep,
  value: object,
  labels: Labels,
  signal: AbortSignal | null,
): Promise<PluginHookResult | Problem> {
  let late: AbortSignal | null = null
  try {
    const starting = source.ready(plugin, signal ?? unending)
    if (starting !== null) await starting
    late = AbortSignal.timeout(hookTimeoutMs)
    const stop = signal === null ? late : AbortSignal.any([signal, late])
    const answer = await untilAborted(source.run(plugin, step, secrets.hideIn(value) as JsonObject, labels, stop), late)
    const parsed = resultSchema.safeParse(answer)
    return parsed.success
      ? { ...parsed.data, reason: shortened(parsed.data.reason) }
      : { problem: 'its answer is not what a hook may answer' }
  } catch (error) {
    if (late?.aborted === true) return { problem: `it did not answer within ${hookTimeoutMs} ms` }
    return { problem: shortened(error instanceof Error ? error.message : '') || 'it failed' }
  }
}

async function observe(deps: HookDeps, hook: DeclaredHook, step: HookStep, value: JsonObject, labels: Labels): Promise<void> {
  const answer = await ask(deps, hook, step, value, labels, null)
  await noteFailed(deps, step, value, hook.plugin, answer)
  if ('problem' in answer) note(deps, 'hook_failed', step, value, hook.plugin, answer.problem, await deps.source.kept(hook.plugin))
  else if (answer.verdict !== 'pass')
    note(deps, 'hook_failed', step, value, hook.plugin, `it wanted to ${answer.verdict}, and ${step} can only be observed`, [])
}

type Observe = (hook: DeclaredHook, step: HookStep, value: JsonObject, labels: Labels) => Promise<void>

/** Each plugin observes one step after the other. @returns false when too many wait */
function queueObservers(run: Observe): (...args: Parameters<Observe>) => boolean {
  const waiting = new Map<string, { count: number; last: Promise<void> }>()
  return (hook, ...step) => {
    const held = waiting.get(hook.plugin) ?? { count: 0, last: Promise.resolve() }
    if (held.count >= maxWaitingHooks) return false
    waiting.set(hook.plugin, held)
    held.count += 1
    held.last = held.last.then(async () => {
      await run(hook, ...step)
      held.count -= 1
      if (held.count === 0) waiting.delete(hook.plugin)
    })
    return true
  }
}

type HookEvent = 'hook_changed' | 'hook_refused' | 'hook_asked' | 'hook_failed'

/** @param kept labels of what the plugin may have kept: the reason is its text, or tells of its answer */
function note({ noteEvent }: HookDeps, kind: HookEvent, step: HookStep, value: object, plugin: string, reason: string, kept: Labels): void {
  const { session, call, name } = value as { readonly session: string; readonly call?: string; readonly name?: string }
  const fields = { plugin, step, ...(call !== undefined && { call }), ...(name !== undefined && { name }), reason }
  noteEvent(kind, labelledFields(fields, joinLabels(kept, ['untrusted'])), session as SessionId | '')
}

/** Hostile text on one line, of limited length. */
function shortened(reason: string): string {
  const plain = reason.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim()
  return plain.length > maxHookReason ? `${plain.slice(0, maxHookReason - 1).toWellFormed()}…` : plain
}
