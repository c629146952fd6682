/** Calls to tidy memory, to read the report of what was changed, and to undo it. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import { loadTidy, type Memory, type Tidied, tidiedSchema, type TidyStep } from '../../memory/index.ts'
import { type CallId, fenced, OxbowError } from '../../base/index.ts'
import { addSpend, type Call, type CallContext, defineCall, idSchema, learnCall, noSpend, type Spend } from '../../protocol/index.ts'

/** Time limit of a tidying run; the next one does the rest. */
const tidyTimeoutMs: number = 30 * 60_000

/** A tidying run without a heartbeat for this long is dead, and another may take over. */
const tidyLeaseMs = 60_000

/** Steps of one report: a run has one for each phase. */
const maxTidySteps = 20

interface TidyCallDeps extends Pick<Core, 'user' | 'store' | 'memory' | 'journal' | 'config' | 'completeBy'> {
  readonly runs: () => Promise<Runs>
}

const reportSchema = tidiedSchema.extend({ id: idSchema('CallId') })

const shared = { labels: { adds: [], sink: false }, effect: 'idempotent' } as const satisfies Partial<Call>

/** The lease that a run takes, so that only one runs at a time. */
const lane = 'memory.tidy'

export function tidyCalls(deps: TidyCallDeps): readonly Call[] {
  return [tidy(deps), report(deps), undo(deps)]
}

function tidy(deps: TidyCallDeps): Call {
  const { journal } = deps
  return defineCall({
    ...shared,
    name: 'memory.tidy',
    routes: [{ method: 'POST', path: '/memory/tidy' }],
    summary: 'Tidies memory: learns facts from conversations, merges duplicates, flags contradictions and drops what has faded.',
    input: z.strictObject({}),
    output: reportSchema,
    example: {},
    tier: 'side_effecting',
    right: 'turn.run',
    audience: ['terminal', 'runtime'],
    timeoutMs: tidyTimeoutMs,
    recordOutput: (output) => ({ ...output, asks: output.asks.length }),
    async run(_, context) {
      const { id, caller } = context
      const memory = memoryOf(deps)
      await using lock = await lockTidying(await deps.runs(), id)
      const signal = AbortSignal.any([context.signal, lock.lost])
      await memory.caughtUp()
      const done = await (
        await memory.tidy()
      ).run({
        signal,
        ask: deps.config.memory.consolidation.model === '' ? null : underBudget(deps, context),
        record: async (step) => (await journal.append([{ caller, call: id, name: 'memory.tidy', phase: 'exchange', body: step }])).firstSeq,
      })
      memory.tidied()
      return { output: { ...done, id }, text: describe(done, id) }
    },
  })
}

/**
 * Takes the lease for this call, not for the guest, so that two runs in one guest exclude each other too. It is short and renewed during
 * the run, so that a killed run soon stops blocking others.
 *
 * @throws OxbowError `limit_reached`
 */
async function lockTidying(runs: Pick<Runs, 'lease'>, owner: CallId): Promise<AsyncDisposable & { readonly lost: AbortSignal }> {
  const lost = new AbortController()
  const lease = runs.lease(lane, () => lost.abort('another run took over'), { worker: owner, leaseMs: tidyLeaseMs })
  if (!(await lease.hold()))
    throw new OxbowError('limit_reached', 'Memory is already being tidied.', {
      hint: 'Wait until that run ends, or a minute if it was killed.',
    })
  lease.keep()
  return { lost: lost.signal, [Symbol.asyncDispose]: lease.release }
}

/** @returns a function that asks the model until the budget of one run is used up; the text is fenced with the id of the call */
function underBudget({ config, completeBy }: TidyCallDeps, { id, caller, signal }: CallContext) {
  const { budget, model } = config.memory.consolidation
  let spent: Spend = noSpend
  return async ({ system, text }: { readonly system: string; readonly text: string }): Promise<string | null> => {
    if (spent.tokens >= budget.tokens || spent.microDollars >= budget.micro_dollars) return null
    return completeBy(model)(caller, { system, text: fenced(text, id) }, signal, (more) => (spent = addSpend(spent, more)))
  }
}

function describe({ learned, merged, superseded, flagged, settled, dropped, asks, report: seq }: Tidied, id: CallId): string {
  if (seq === 0) return 'Memory is tidy: nothing changed.'
  const lines = [
    `${learned} learned, ${merged} joined, ${superseded} ended, ${flagged} in contradiction, ${settled} moved${dropped > 0 ? `, ${dropped} gone` : ''}.`,
  ]
  if (asks.length > 0) lines.push(`${asks.length} for you to decide.`)
  return [...lines, `Report ${id}`].join('\n')
}

function report(deps: TidyCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'memory.report',
    routes: [{ method: 'GET', path: '/memory/report' }],
    summary: 'Shows what tidying changed in memory, and what is left for a person to decide.',
    input: z.strictObject({ report: z.string().max(100).optional().describe('Id of a report. Default: the newest.') }),
    output: z.object({ id: z.string(), changes: z.int(), asks: z.int() }),
    example: {},
    tier: 'read_only',
    right: 'memory.read',
    audience: ['terminal'],
    timeoutMs: 30_000,
    async run({ report: reportId }) {
      const { id, at, steps } = await stepsOf(deps, reportId)
      const { reportText } = await loadTidy()
      const output = { id, changes: steps.flatMap(({ changes }) => changes).length, asks: steps.flatMap(({ asks }) => asks).length }
      return {
        output,
        text: `Report ${id} of ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}\n\n${reportText(steps)}`,
        labels: ['private'],
      }
    },
  })
}

function undo(deps: TidyCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'memory.undo',
    routes: [{ method: 'POST', path: '/memory/undo' }],
    summary: 'Undoes what tidying changed, except memories that changed again since.',
    input: z.strictObject({ report: z.string().min(1).max(100).describe('Id of the report.') }),
    output: z.object({ undone: z.int(), kept: z.int() }),
    example: { report: '01890a5d-ac96-774b-bcce-b302099a8057' },
    tier: 'side_effecting',
    right: 'memory.write',
    audience: ['terminal'],
    timeoutMs: 5 * 60_000,
    async run({ report: reportId }) {
      const memory = memoryOf(deps)
      const { steps } = await stepsOf(deps, reportId)
      const output = await (await memory.tidy()).undo(steps)
      memory.tidied()
      return {
        output,
        text: `${output.undone} changes were undone${output.kept > 0 ? `; ${output.kept} stay, because the memories changed again since or are gone` : ''}.`,
      }
    },
  })
}

/** @throws OxbowError `not_found` */
async function stepsOf(deps: TidyCallDeps, reportId: string | undefined): Promise<{ id: CallId; at: number; steps: readonly TidyStep[] }> {
  const { store } = deps
  const id = reportId === undefined ? await newestReport(deps) : (reportId as CallId)
  const records =
    id === '' ? [] : await store.records({ call: id, phases: ['exchange'], order: 'oldest_first', limit: maxTidySteps, hydrate: true })
  const { tidyStepSchema } = await loadTidy()
  const steps = records.flatMap((record) => {
    const step = record.name === 'memory.tidy' || record.name === learnCall ? tidyStepSchema.safeParse(JSON.parse(record.body)) : null
    return step?.success === true ? [step.data] : []
  })
  if (id !== '' && records[0] !== undefined && steps.length > 0) return { id, at: records[0].at, steps }
  throw new OxbowError('not_found', id === '' ? 'Memory was never tidied, or nothing had to be changed.' : `There is no report ${id}.`, {
    hint: '`oxbow memory tidy` tidies memory now; `oxbow memory report` shows the newest report.',
  })
}

async function newestReport(deps: TidyCallDeps): Promise<CallId | ''> {
  const seq = await (await memoryOf(deps).tidy()).lastReport()
  if (seq === 0) return ''
  const [record] = await deps.store.records({ after: seq - 1, order: 'oldest_first', limit: 1, hydrate: false })
  return record?.call ?? ''
}

function memoryOf({ memory }: TidyCallDeps): Memory {
  if (memory !== undefined) return memory
  throw new OxbowError('not_found', 'Memory is not available in this guest.', { hint: 'Start Oxbow with memory.' })
}
