/** Calls about tidying memory: doing it, reading what was done, and taking it back. */
import { z } from 'zod'
import { loadTidy, type Memory, type Tidied, type TidyStep } from '../../memory/index.ts'
import type { Store } from '../../store/index.ts'
import {
  addSpend,
  type Call,
  type CallContext,
  type CallId,
  type Config,
  fenced,
  type JsonObject,
  noSpend,
  OxbowError,
  type SessionId,
  type Spend,
  type UserId,
} from '../../types/index.ts'
import type { Journal } from '../journal.ts'
import { maxTidySteps, tidyLeaseMs, tidyTimeoutMs } from '../limits.ts'
import type { Complete } from '../background.ts'

export interface TidyCallDeps {
  readonly user: UserId
  readonly store: Store
  readonly memory?: Memory | undefined
  readonly journal: Journal
  readonly consolidation: Config['memory']['consolidation']
  readonly askForFacts: Complete
}

type Report = Tidied & { readonly id: CallId }

const facts = { labels: { adds: [], sink: false }, effect: 'idempotent' } as const satisfies Partial<Call>

/** The lane that a run holds, so that no other runs beside it. */
const lane = 'memory.tidy' as SessionId

export function tidyCalls(deps: TidyCallDeps): readonly Call[] {
  return [tidy(deps), report(deps), undo(deps)]
}

function tidy(deps: TidyCallDeps): Call<object, Report> {
  const { store, journal } = deps
  return {
    ...facts,
    name: 'memory.tidy',
    summary: 'Tidies memory: learns facts from what was said, joins what says the same, marks contradictions, lets fade what nobody wants.',
    input: z.strictObject({}),
    output: z.custom<Report>(),
    example: {},
    tier: 'side_effecting',
    right: 'turn.run',
    audience: ['terminal', 'runtime'],
    timeoutMs: tidyTimeoutMs,
    recordOutput: (output) => ({ ...output, asks: output.asks.length }),
    async run(_, context) {
      const { id, caller } = context
      const memory = memoryOf(deps)
      await using lock = await lockTidying(store, id)
      const signal = AbortSignal.any([context.signal, lock.lost])
      await memory.caughtUp()
      const done = await (
        await memory.tidy()
      ).run({
        signal,
        ask: deps.consolidation.model === '' ? null : underBudget(deps, context),
        record: async (step) =>
          (await journal.append([{ caller, call: id, name: 'memory.tidy', phase: 'exchange', body: step as unknown as JsonObject }]))
            .firstSeq,
      })
      memory.tidied()
      return { output: { ...done, id }, text: describe(done, id) }
    },
  }
}

/**
 * Held by the call, not by the guest: also two runs of one guest are two. The lease is short and renewed while the run lives, so that
 * one that was killed does not keep others out.
 *
 * @throws OxbowError `limit_reached`
 */
async function lockTidying(store: Pick<Store, 'claimLane'>, owner: CallId): Promise<AsyncDisposable & { readonly lost: AbortSignal }> {
  const lost = new AbortController()
  if ((await store.claimLane(lane, owner, tidyLeaseMs)) === null) {
    throw new OxbowError('limit_reached', 'Memory is being tidied elsewhere.', {
      hint: 'Wait until that is done; one that died is given up after a minute.',
    })
  }
  const renew = async (): Promise<void> => {
    if ((await store.claimLane(lane, owner, tidyLeaseMs)) === null) lost.abort('another run took over')
  }
  const beat = setInterval(() => void renew().catch(() => lost.abort('the store failed')), tidyLeaseMs / 3).unref()
  return {
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      clearInterval(beat)
      await store.claimLane(lane, owner, 0)
    },
  }
}

/** Stops asking when the budget of one time is used up. What was said stands in a fence: its mark was made after the words. */
function underBudget({ consolidation: { budget }, askForFacts }: TidyCallDeps, { id, caller, signal }: CallContext) {
  let spent: Spend = noSpend
  return async ({ system, text }: { readonly system: string; readonly text: string }): Promise<string | null> => {
    if (spent.tokens >= budget.tokens || spent.microDollars >= budget.micro_dollars) return null
    return askForFacts(caller, { system, text: fenced(text, id) }, signal, (more) => (spent = addSpend(spent, more)))
  }
}

function describe({ learned, merged, superseded, flagged, settled, dropped, asks, report: seq }: Tidied, id: CallId): string {
  if (seq === 0) return 'Memory is tidy: nothing was changed.'
  const lines = [
    `${learned} learned, ${merged} joined, ${superseded} ended, ${flagged} in contradiction, ${settled} moved${dropped > 0 ? `, ${dropped} gone` : ''}.`,
  ]
  if (asks.length > 0) lines.push(`${asks.length} for you to decide.`)
  return [...lines, `Report ${id}`].join('\n')
}

function report(deps: TidyCallDeps): Call<{ report?: string | undefined }, { id: string; changes: number; asks: number }> {
  return {
    ...facts,
    name: 'memory.report',
    summary: 'Shows what tidying has changed in memory, and what only a person can decide.',
    input: z.strictObject({ report: z.string().max(100).optional().describe('Id of a report. Without it, the newest.') }),
    output: z.object({ id: z.string(), changes: z.int(), asks: z.int() }),
    example: {},
    tier: 'read_only',
    right: 'memory.read',
    audience: ['terminal'],
    timeoutMs: 30_000,
    async run({ report: wanted }) {
      const { id, at, steps } = await stepsOf(deps, wanted)
      const { reportText } = await loadTidy()
      const output = { id, changes: steps.flatMap(({ changes }) => changes).length, asks: steps.flatMap(({ asks }) => asks).length }
      return {
        output,
        text: `Report ${id} of ${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}\n\n${reportText(steps)}`,
        labels: ['private'],
      }
    },
  }
}

function undo(deps: TidyCallDeps): Call<{ report: string }, { undone: number; kept: number }> {
  return {
    ...facts,
    name: 'memory.undo',
    summary: 'Takes back what tidying has changed, but for what was changed again since.',
    input: z.strictObject({ report: z.string().min(1).max(100).describe('Id of the report.') }),
    output: z.object({ undone: z.int(), kept: z.int() }),
    example: { report: '01890a5d-ac96-774b-bcce-b302099a8057' },
    tier: 'side_effecting',
    right: 'memory.write',
    audience: ['terminal'],
    timeoutMs: 5 * 60_000,
    async run({ report: wanted }) {
      const memory = memoryOf(deps)
      const { steps } = await stepsOf(deps, wanted)
      const output = await (await memory.tidy()).undo(steps)
      memory.tidied()
      return {
        output,
        text: `${output.undone} changes were taken back${output.kept > 0 ? `; ${output.kept} stay, because they were changed again since, or are gone` : ''}.`,
      }
    },
  }
}

/** @throws OxbowError `not_found` */
async function stepsOf(deps: TidyCallDeps, wanted: string | undefined): Promise<{ id: CallId; at: number; steps: readonly TidyStep[] }> {
  const { store } = deps
  const id = wanted === undefined ? await newestReport(deps) : (wanted as CallId)
  const found =
    id === '' ? [] : await store.records({ call: id, phases: ['exchange'], order: 'oldest_first', limit: maxTidySteps, hydrate: true })
  const { tidyStepSchema } = await loadTidy()
  const steps = found.flatMap((record) => {
    const step = record.name === 'memory.tidy' ? tidyStepSchema.safeParse(JSON.parse(record.body)) : null
    return step?.success === true ? [step.data] : []
  })
  if (id !== '' && found[0] !== undefined && steps.length > 0) return { id, at: found[0].at, steps }
  throw new OxbowError('not_found', id === '' ? 'Memory was never tidied, or there was nothing to do.' : `There is no report ${id}.`, {
    hint: '`oxbow memory tidy` tidies it now; `oxbow memory report` shows the newest report.',
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
  throw new OxbowError('not_found', 'This guest has no memory.', { hint: 'Start it with one.' })
}
