/** The calls by which a person has plans made, looks at them, and applies or drops them. */
import { z } from 'zod'
import { type Failure, failureSentences, isOxbowError, OxbowError, plural } from '../../base/index.ts'
import { type Call, type CallContext, defineCall, evident } from '../../protocol/index.ts'
import { namedById } from '../named-by-id.ts'
import { type ApplyRecord, applyRecord, type ApplyRuns } from './apply-run.ts'
import { applyWaitMs, planTimeoutMs } from './limits.ts'
import { type MakeDeps, makePlan } from './make-plan.ts'
import { digestOf, planCategory, planRecord, type PlanRecord, readPlans, makeInput } from './plan-record.ts'
import { assertCurrentBasis, assertCurrentFiles } from './stale.ts'

export interface PlanCallDeps extends MakeDeps {
  readonly applying: () => Promise<ApplyRuns>
}

const shared = { audience: ['terminal'], labels: { adds: [], sink: false }, timeoutMs: 60_000 } as const satisfies Partial<Call>
const reads = { ...shared, tier: 'read_only', right: 'plan.read', effect: 'none' } as const satisfies Partial<Call>
const writes = { ...shared, tier: 'side_effecting', right: 'plan.write', effect: 'idempotent' } as const satisfies Partial<Call>

const plan = z.string().min(1).max(100).meta(evident('Id of the plan, or its beginning.'))
const examplePlan = '01890a5d'

/** A plan, and how far it is applied. */
export const planView = planRecord.extend({ applied: applyRecord.nullable() })
export type PlanView = Readonly<z.infer<typeof planView>>

export function planCalls(deps: PlanCallDeps): readonly Call[] {
  return [makeCall(deps), listCall(deps), showCall(deps), applyCall(deps), dropCall(deps)]
}

function makeCall(deps: PlanCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'plan.make',
    routes: [{ method: 'POST', path: '/plans', status: 201 }],
    summary: 'Has an agent do a task on a branch of the files, and lists what it would do outside instead of doing it.',
    timeoutMs: planTimeoutMs,
    input: makeInput,
    output: planView,
    example: { text: 'Update the change log and tell the list about it.' },
    recordOutput: ({ id, digest, state, effects, total }) => ({ plan: id, digest, state, effects: effects.length, files: total }),
    async run(input, context) {
      const made = await makePlan(deps, input, context)
      const whole = { ...made, applied: null }
      const ok = made.state !== 'failed'
      return { output: whole, text: ok ? summaryOf(whole) : failureSentences(made.failure as Failure), ok, labels: made.labels }
    },
  })
}

function summaryOf({ id, total, effects }: PlanView): string {
  return `Plan ${id}: ${plural(total, 'file')}, ${plural(effects.length, 'effect')}.`
}

function listCall(deps: PlanCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'plan.list',
    routes: [{ method: 'GET', path: '/plans', list: 'plans' }],
    summary: 'Lists plans, oldest first.',
    input: z.strictObject({ ended: z.boolean().default(false).describe('Also those that were applied or dropped, or have failed.') }),
    output: z.strictObject({
      plans: z.array(planView.pick({ id: true, state: true, text: true, total: true, created_at: true }).extend({ effects: z.int() })),
    }),
    example: { ended: false },
    recordOutput: ({ plans }) => ({ plans: plans.length }),
    async run({ ended }) {
      const all = await Promise.all((await readPlans(deps.documents)).map((one) => viewOf(deps, one)))
      const open = all.filter(({ state }) => ended || !['applied', 'dropped', 'failed'].includes(state))
      const plans = open.map(({ id, state, text, total, created_at, effects }) => ({
        id,
        state,
        text,
        total,
        created_at,
        effects: effects.length,
      }))
      return { output: { plans }, text: plans.map(({ id, state }) => `${id}: ${state}`).join('\n') || 'There are no plans.' }
    },
  })
}

function showCall(deps: PlanCallDeps): Call {
  return defineCall({
    ...reads,
    name: 'plan.show',
    routes: [{ method: 'GET', path: '/plans/{plan}' }],
    summary: 'Shows a plan: its effects, its difference, what it costs and its digest.',
    input: z.strictObject({ plan }),
    output: planView,
    example: { plan: examplePlan },
    recordOutput: ({ id, digest, state }) => ({ plan: id, digest, state }),
    async run({ plan: ref }) {
      const found = await find(deps, ref)
      return { output: found, text: summaryOf(found), labels: found.labels }
    },
  })
}

function applyCall(deps: PlanCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'plan.apply',
    right: 'plan.apply',
    routes: [{ method: 'POST', path: '/plans/{plan}/apply' }],
    summary: 'Does exactly what a plan lists, without a model; what it asks about is allowed by its digest.',
    timeoutMs: Infinity,
    input: z.strictObject({
      plan,
      digest: z.string().max(64).describe('Digest of the plan that was looked at.'),
      skip_unknown: z.boolean().default(false).describe('Go on behind a step whose outcome a crash has hidden.'),
      dry_run: z.boolean().default(false).meta(evident('Only say what it would do.')),
    }),
    output: planView,
    example: { plan: examplePlan, digest: 'a'.repeat(64), skip_unknown: false, dry_run: false },
    recordOutput: ({ id, digest, state, applied }) => ({ plan: id, digest, state, steps: applied?.done.length ?? 0 }),
    async run({ plan: ref, digest, skip_unknown: skips, dry_run: isDry }, context) {
      const found = await find(deps, ref)
      await assertAppliable(deps, found, digest).catch(async (error: unknown) => {
        // Somebody else has begun meanwhile, and changes what it was made on.
        if (!isOxbowError(error, 'plan_stale') || digest !== found.digest || !isBegun(await viewOf(deps, found))) throw error
      })
      if (isDry) return { output: found, text: `Would apply ${summaryOf(found)}`, labels: found.labels }
      const { applied: _, ...record } = found
      const runs = await deps.applying()
      const isOurs = await runs.begin({ caller: context.caller, call: context.id, name: 'plan.apply' }, record, skips)
      await runs.ended(found.id, applyWaitMs, context.signal)
      const ended = await viewOf(deps, record)
      return { output: ended, text: appliedText(ended, isOurs), ok: ended.state === 'applied', labels: found.labels }
    },
  })
}

function appliedText({ id, state, total, applied }: PlanView, isOurs: boolean): string {
  const steps = applied?.done.filter(({ status }) => status === 'ok').length ?? 0
  if (state === 'applied' && !isOurs) return `${id} is applied already, and nothing was done twice.`
  if (state === 'applied') return `Applied ${id}: ${plural(total, 'file')}, ${plural(steps, 'effect')}.`
  if (state === 'applying') return `${id} is being applied.`
  const why = applied?.failure == null ? '' : ` ${failureSentences(applied.failure)}`
  return `Applying ${id} has stopped.${why}`
}

const isBegun = ({ state }: PlanView): boolean => state === 'applying' || state === 'applied'

/** @throws OxbowError `plan_stale`, `bad_input` */
async function assertAppliable(deps: PlanCallDeps, found: PlanView, digest: string): Promise<void> {
  const { applied, ...record } = found
  if (['making', 'failed', 'dropped'].includes(found.state))
    throw new OxbowError('bad_input', `The plan ${found.id} is ${found.state}.`, { hint: 'Make it again: oxbow plan.' })
  if (digest !== found.digest || digestOf({ ...record, state: 'ready' }) !== found.digest)
    throw new OxbowError('plan_stale', 'The plan has another digest.', { hint: 'Look at the plan again: `oxbow plan show` has it.' })
  // One that has begun has changed what it was made on.
  if (applied !== null && (applied.files === 'done' || applied.state !== 'stopped') && (applied.done.length > 0 || found.total > 0)) return
  await assertCurrentBasis(deps, record)
  if (found.total === 0) return
  const { versioning } = await deps.versions()
  await assertCurrentFiles(versioning, record, (await versioning.sync()).commit!)
}

function dropCall(deps: PlanCallDeps): Call {
  return defineCall({
    ...writes,
    name: 'plan.drop',
    does: ['delete'],
    routes: [{ method: 'DELETE', path: '/plans/{plan}' }],
    summary: 'Drops a plan with its branch of files.',
    input: z.strictObject({ plan, dry_run: z.boolean().default(false).meta(evident('Only say what it would do.')) }),
    output: planView,
    example: { plan: examplePlan, dry_run: false },
    recordOutput: ({ id, state }) => ({ plan: id, state }),
    async run({ plan: ref, dry_run: isDry }, context) {
      const found = await find(deps, ref)
      if (found.state === 'making' || found.state === 'applying')
        throw new OxbowError('bad_input', `The plan ${found.id} is ${found.state}.`, { hint: 'Wait for its end.' })
      if (found.state === 'dropped' || found.state === 'applied' || isDry)
        return { output: found, text: isDry ? `Would drop ${found.id}.` : `${found.id} is ${found.state}.` }
      const by = { caller: context.caller, call: context.id, name: 'plan.drop' }
      if (found.branch !== '') await dropBranch(deps, found.branch, { ...by, signal: context.signal })
      const { applied, ...record } = found
      const value: PlanRecord = { ...record, state: 'dropped', branch: '' }
      await deps.documents.put(by, [{ category: planCategory, name: found.id, value }])
      return { output: { ...value, applied }, text: `Dropped ${found.id}.` }
    },
  })
}

async function dropBranch(
  { versions }: PlanCallDeps,
  name: string,
  by: Pick<CallContext, 'caller' | 'signal'> & { readonly call: CallContext['id']; readonly name: string },
): Promise<void> {
  const branches = await (await versions()).branches()
  // A person may have merged or dropped it.
  if ((await branches.all()).some((one) => one.name === name && one.state !== 'merged' && one.state !== 'dropped'))
    await branches.drop(by, name, false)
}

async function viewOf({ applying }: PlanCallDeps, record: PlanRecord): Promise<PlanView> {
  const isWhole = !['making', 'failed', 'dropped'].includes(record.state)
  const applied: ApplyRecord | null = isWhole ? await (await applying()).find(record.id) : null
  return { ...record, state: applied?.state ?? record.state, applied }
}

/** @throws OxbowError `not_found`, `bad_input` */
async function find(deps: PlanCallDeps, ref: string): Promise<PlanView> {
  const found = namedById(await readPlans(deps.documents), ref, 'plans')
  if (found !== undefined) return viewOf(deps, found)
  throw new OxbowError('not_found', `There is no plan ${ref}.`, { hint: 'plan.list has those that there are.' })
}
