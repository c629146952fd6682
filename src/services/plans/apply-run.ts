/**
 * Applies a plan: its files first, all or none, then its effects in their order, each a call of the agent under an id that follows from the
 * plan. So a run that a crash interrupted goes on where it was: what has ended is not repeated, and a `once` call whose end is not known
 * stops it. No model is asked.
 *
 * The person has allowed exactly what the digest covers: while the run makes a call of the list, a rule of this service answers for them.
 */
import { isDeepStrictEqual } from 'node:util'
import { type Asking, type Core, type DocumentChange, processRight } from '../../kernel/index.ts'
import type { HeldRuns, Runs } from '../../runs/index.ts'
import {
  type CallId,
  derivedId,
  type Failure,
  isOxbowError,
  type Json,
  OxbowError,
  type SessionId,
  toFailure,
  type TurnId,
  type JsonObject,
  ownValue,
} from '../../base/index.ts'
import { type Caller, type CallOutcome, failureSchema, grantOf } from '../../protocol/index.ts'
import type { OpenVersions } from '../versions/service.ts'
import { z } from 'zod'
import { profileIn } from './make-plan.ts'
import { type PlannedEffect, planRecord, type PlanRecord, readPlan, applyCategory } from './plan-record.ts'
import { assertCurrentFiles } from './stale.ts'

const madeUp = z.union([z.string(), z.number()])
const replaced = z.tuple([madeUp, madeUp]).readonly()

const appliedEffect = z.strictObject({
  n: z.int(),
  call: z.string(),
  status: z.enum(['ok', 'refused', 'failed', 'cancelled', 'unknown']),
  text: z.string(),
})

/** How far a plan is applied. */
export const applyRecord = z.strictObject({
  plan: z.string(),
  /** Its digest, to which the person has agreed. */
  digest: z.string(),
  state: z.enum(['applying', 'stopped', 'applied']),
  files: z.enum(['left', 'done']),
  before: z.string().describe('The version of the files before; empty: it changes none.'),
  after: z.string(),
  /** The effect that is next. */
  next: z.int().min(1),
  /** How often that was tried under another id, after it had certainly failed. */
  tries: z.int().nonnegative(),
  done: z.array(appliedEffect).readonly(),
  /** What the plan had made up, and what there is in its place. */
  made: z.array(replaced).readonly(),
  failure: failureSchema().nullable(),
  since: z.number(),
  ended_at: z.number().nullable(),
})

export type ApplyRecord = Readonly<z.infer<typeof applyRecord>>

export interface ApplyDeps extends Pick<
  Core,
  'clock' | 'config' | 'documents' | 'gate' | 'newId' | 'profileOf' | 'registry' | 'runEnded' | 'user'
> {
  readonly runs: Runs
  readonly versions: () => Promise<OpenVersions>
}

export interface ApplyRuns {
  load(): Promise<void>
  find(plan: string): Promise<ApplyRecord | null>
  /**
   * Begins, or goes on with one that has stopped. @param skips goes on behind an effect whose end is not known
   * @returns false: somebody else applies it, or has
   */
  begin(by: Parameters<Core['documents']['put']>[0], plan: PlanRecord, skips: boolean): Promise<boolean>
  /** Resolves when it has ended, or the time is over. */
  ended(plan: string, ms: number, signal: AbortSignal): Promise<ApplyRecord | null>
  /** @returns the rule that answers for the person who applies the plan */
  rule(asking: Asking): { readonly id: string } | null
}

/** The call that a run makes now. */
interface Current {
  readonly session: string
  readonly call: string
  readonly input: unknown
  readonly rule: string
}

export function createApplyRuns(deps: ApplyDeps): ApplyRuns {
  const { documents, runs, clock } = deps
  const current = new Map<string, Current>()
  const find = async (plan: string): Promise<ApplyRecord | null> =>
    applyRecord.safeParse((await documents.get(applyCategory, plan))?.value).data ?? null
  const held: HeldRuns<ApplyRecord> = runs.hold<ApplyRecord>({
    name: 'plans',
    category: applyCategory,
    dueAt: (record) => (applyRecord.safeParse(record).data?.state === 'applying' ? record.since : null),
    async goOn({ id, state, signal }) {
      const plan = await readPlan(documents, id)
      try {
        await applyAll(deps, held, current, plan, state, signal)
      } catch (error) {
        // A stop of the guest goes on later; anything else waits for the person.
        if (signal.aborted && signal.reason !== 'cancelled' && signal.reason !== 'deadline') throw error
        const now = (await find(id)) ?? state
        await held.put(byOf(deps, plan, id), [change({ ...now, state: 'stopped', failure: failureOf(error), ended_at: clock.now() })])
      } finally {
        current.delete(id)
        runs.changed(topicOf(id))
      }
    },
  })
  return {
    load: held.load,
    find,
    async begin(by, plan, skips) {
      let isOurs = false
      const begun = held.update(by, plan.id, async (before) => {
        const found = applyRecord.safeParse(before).data ?? null
        isOurs = found === null || found.state === 'stopped'
        if (!isOurs) return []
        return [change(found === null ? blankRun(plan, clock.now()) : again(found, skips, clock.now()))]
      })
      await begun.catch(async (error: unknown) => {
        isOurs = false
        // Another guest has the plans: where it applies this one, there is nothing to do.
        if (!isOxbowError(error, 'stale_epoch') || !['applying', 'applied'].includes((await find(plan.id))?.state ?? '')) throw error
      })
      return isOurs
    },
    async ended(plan, ms, signal) {
      const look = async (): Promise<ApplyRecord | null> => {
        const found = await find(plan)
        return found === null || found.state === 'applying' ? null : found
      }
      await runs.until(topicOf(plan), look, { signal, until: clock.now() + ms })
      return find(plan)
    },
    rule(asking) {
      for (const each of current.values())
        if (each.session === asking.session && each.call === asking.call && isDeepStrictEqual(plain(each.input), plain(asking.input)))
          return { id: each.rule }
      return null
    },
  }
}

const topicOf = (plan: string): string => `plan ${plan}`
const change = (record: ApplyRecord): DocumentChange => ({ category: applyCategory, name: record.plan, value: record })
const plain = (input: unknown): unknown => JSON.parse(JSON.stringify(input ?? null))

function failureOf(error: unknown): Failure {
  return toFailure(error, 'internal_failure', 'Apply it again: it goes on from there.')
}

function blankRun({ id, digest, total }: PlanRecord, now: number): ApplyRecord {
  return {
    plan: id,
    digest,
    state: 'applying',
    files: total === 0 ? 'done' : 'left',
    before: '',
    after: '',
    next: 1,
    tries: 0,
    done: [],
    made: [],
    failure: null,
    since: now,
    ended_at: null,
  }
}

/** What certainly failed is tried under another id; what may have happened is not repeated. */
function again(found: ApplyRecord, skips: boolean, now: number): ApplyRecord {
  const last = found.done.find(({ n }) => n === found.next)
  const resumed = { ...found, state: 'applying' as const, failure: null, since: now, ended_at: null }
  if (last === undefined) return resumed
  if (last.status === 'unknown') return skips ? { ...resumed, next: found.next + 1, tries: 0 } : resumed
  return { ...resumed, tries: found.tries + 1, done: found.done.filter(({ n }) => n !== found.next) }
}

function byOf({ newId }: Pick<ApplyDeps, 'newId'>, plan: PlanRecord | null, id: string) {
  const caller = { actor: 'kernel', session: plan?.session ?? '', turn: turnOf(id) }
  return { caller, call: newId() as CallId, name: 'plan.apply' } as const
}

/** The calls of its run have this in place of a turn. */
export const turnOf = (plan: string): TurnId => derivedId(plan, 'apply') as TurnId

async function applyAll(
  deps: ApplyDeps,
  held: HeldRuns<ApplyRecord>,
  current: Map<string, Current>,
  plan: PlanRecord | null,
  state: ApplyRecord,
  signal: AbortSignal,
): Promise<void> {
  if (plan === null || !planRecord.safeParse(plan).success || plan.digest !== state.digest)
    throw new OxbowError('plan_stale', 'The record of the plan has changed since it was applied.', { hint: 'Make the plan again.' })
  let now = state
  const save = async (next: ApplyRecord): Promise<void> => {
    await held.put(byOf(deps, plan, plan.id), [change(next)])
    now = next
  }
  if (now.files === 'left') await save({ ...now, files: 'done', ...(await mergeFiles(deps, plan, signal)) })
  const caller = await callerOf(deps, plan)
  for (const effect of plan.effects.slice(now.next - 1)) {
    signal.throwIfAborted()
    const made = new Map(now.made)
    const input = replaceIn(effect.input, made)
    const id = derivedId(plan.id, effect.n, now.tries) as CallId
    const parsed = await deps.registry.parse(effect.call, input)
    if (parsed.ok)
      current.set(plan.id, {
        session: caller.session,
        call: parsed.call.name,
        input: parsed.input,
        rule: `plan:${plan.id}:${plan.digest.slice(0, 16)}`,
      })
    const outcome = await deps.gate.call(caller, effect.call, input, { id, signal, resumed: true, durable: true })
    current.delete(plan.id)
    signal.throwIfAborted()
    const done = [...now.done.filter(({ n }) => n !== effect.n), appliedOf(effect, outcome)]
    if (outcome.status !== 'ok' || !outcome.ok) {
      await save({ ...now, done })
      throw notDone(effect, outcome)
    }
    const real = madeBy(effect, outcome.output as Json)
    await save({ ...now, done, next: effect.n + 1, tries: 0, made: [...now.made, ...real] })
  }
  deps.runEnded(turnOf(plan.id))
  await save({ ...now, state: 'applied', failure: null, ended_at: deps.clock.now() })
}

/** All or none: what cannot be written whole is as it was before. */
async function mergeFiles(deps: ApplyDeps, plan: PlanRecord, signal: AbortSignal): Promise<Pick<ApplyRecord, 'before' | 'after'>> {
  const { branches, versioning } = await deps.versions()
  const all = await branches()
  const by = {
    caller: { ...(await callerOf(deps, plan)), actor: `user:${deps.user}` },
    call: turnOf(plan.id) as string as CallId,
    name: 'plan.apply',
    signal,
  }
  const found = await all.find(plan.branch)
  if (found.state === 'merged') return { before: found.merge?.before ?? '', after: found.merge?.commit ?? '' }
  const check = async (ours: string): Promise<void> => assertCurrentFiles(versioning, plan, ours)
  const merged = await all.merge(by, plan.branch, { conflicts: 'none', isDry: false, whole: { commit: plan.commit, check } })
  if (merged.before === '')
    throw new OxbowError('plan_stale', `The files cannot be merged: ${merged.conflicts.map(({ path }) => `/${path}`).join(', ')}.`, {
      hint: 'Make the plan again.',
    })
  return { before: merged.before, after: merged.after }
}

/** The agent that made the plan, with the rights that it has now. */
async function callerOf(deps: ApplyDeps, plan: PlanRecord): Promise<Caller> {
  const profile = await profileIn(deps, plan.session as SessionId, plan.id)
  return {
    user: deps.user,
    actor: `agent:${profile.name}`,
    ...grantOf([...profile.rights, processRight]),
    audience: 'model',
    session: plan.session as SessionId,
    turn: turnOf(plan.id),
    process: '',
  }
}

function appliedOf({ n, call }: PlannedEffect, outcome: CallOutcome): ApplyRecord['done'][number] {
  const status = outcome.status === 'ok' && !outcome.ok ? 'failed' : outcome.status
  return { n, call, status, text: outcome.text.slice(0, 2_000).toWellFormed() }
}

function notDone({ n, call }: PlannedEffect, outcome: CallOutcome): OxbowError {
  const place = `Step ${n}, ${call},`
  if (outcome.status === 'ok') return new OxbowError('tool_failed', `${place} reports a failure: ${outcome.text.slice(0, 500)}`, goesOnHere)
  const { code, message } = outcome.failure
  if (outcome.status === 'unknown')
    return new OxbowError('outcome_unknown', `${place} may have happened: a crash hid how it ended. It is not repeated.`, {
      hint: 'Look whether it happened; then apply the plan with --skip-unknown to go on behind it.',
    })
  return new OxbowError(code, `${place} was not done: ${message}`, goesOnHere)
}

const goesOnHere = { hint: 'What came before it is done. Apply the plan again to go on with this step.' }

/** @returns what the plan had made up for the effect, and what there is instead, by their places in the result */
function madeBy({ answer, made }: PlannedEffect, output: Json): readonly (readonly [string | number, string | number])[] {
  const found: (readonly [string | number, string | number])[] = []
  const look = (planned: Json, real: Json | undefined): void => {
    if (typeof planned === 'string' || typeof planned === 'number') {
      if (made.includes(planned) && typeof real === typeof planned) found.push([planned, real as string | number])
    } else if (Array.isArray(planned)) {
      for (const [at, each] of planned.entries()) look(each, Array.isArray(real) ? real[at] : undefined)
    } else if (planned !== null && typeof planned === 'object') {
      const fields = real !== null && typeof real === 'object' && !Array.isArray(real) ? real : {}
      for (const [name, each] of Object.entries(planned)) look(each, ownValue(fields as JsonObject, name))
    }
  }
  look(answer, output)
  return found
}

/** @returns the input with the real ids and versions in it, also within texts */
function replaceIn(input: Json, made: ReadonlyMap<string | number, string | number>): Json {
  if (made.size === 0) return input
  if (typeof input === 'number') return made.get(input) ?? input
  if (typeof input === 'string') {
    const whole = made.get(input)
    if (typeof whole === 'string') return whole
    return [...made].reduce((text, [planned, real]) => (typeof planned === 'string' ? text.replaceAll(planned, `${real}`) : text), input)
  }
  if (Array.isArray(input)) return input.map((each) => replaceIn(each, made))
  if (input === null || typeof input !== 'object') return input
  return Object.fromEntries(Object.entries(input).map(([name, each]) => [name, replaceIn(each, made)]))
}
