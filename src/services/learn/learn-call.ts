/**
 * `memory.learn`: the step *evaluate* of a turn, for facts. First by rules, from all that was said since the last time; then a model reads
 * what the rules could not, for a small part of what the session has spent on its turns.
 */
import { z } from 'zod'
import { type Core, processRight } from '../../kernel/index.ts'
import type { Learning, LearnQuestion, Memory } from '../../memory/index.ts'
import { type CallId, derivedId, fenced, OxbowError, ownValue, type SessionId } from '../../base/index.ts'
import { addSpend, type Call, type CallContext, defineCall, learnCall, noSpend, sessionScope, type Spend } from '../../protocol/index.ts'
import { openPending, type Pending } from './pending.ts'

type LearnDeps = Pick<Core, 'memory' | 'config' | 'engine' | 'journal' | 'store' | 'documents' | 'budgets' | 'sessions' | 'completeBy'>

/** Enough for a slow model that reads what several sessions have left. */
const learnTimeoutMs: number = 5 * 60_000

/** A request that a guest which ended has stopped is made again by the next one, and no more often. */
const maxAttempts = 3

/** What an answer of a few facts takes; an estimate, as the bytes of a token are. */
const answerTokens = 150
const bytesPerToken = 3

const learned = z.strictObject({
  learned: z.int().describe('Facts that are new.'),
  confirmed: z.int(),
  superseded: z.int().describe('Facts that ended, because a later one contradicts them.'),
  flagged: z.int().describe('Facts that contradict each other, for a person to decide.'),
  asked: z.int().describe('Requests to a model.'),
  waiting: z.int().describe('Messages that a model is still to read.'),
})

type Output = z.infer<typeof learned>
const nothing: Output = { learned: 0, confirmed: 0, superseded: 0, flagged: 0, asked: 0, waiting: 0 }

export function learnCallOf(deps: LearnDeps): Call {
  return defineCall({
    name: learnCall,
    summary: 'Learns lasting facts from what people have said since the last time.',
    input: z.strictObject({ ask: z.boolean().describe('Also asks a model about what the rules could not read, as far as it may cost.') }),
    output: learned,
    example: { ask: false },
    tier: 'side_effecting',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: learnTimeoutMs,
    recordOutput: (output) => output,
    async run({ ask }, context) {
      const { memory } = deps
      if (memory === undefined)
        throw new OxbowError('not_found', 'Memory is not available in this guest.', { hint: 'Start Oxbow with memory.' })
      const pending = openPending(deps)
      const learning = await memory.learning()
      const output = ask ? await byModel(deps, learning, pending, context) : await byRules(deps, memory, learning, pending, context)
      if (output.learned + output.confirmed + output.superseded + output.flagged > 0) memory.tidied()
      const waiting = [...(await pending.all()).values()].reduce((sum, ids) => sum + ids.length, 0)
      return { output: { ...output, waiting } }
    },
  })
}

async function byRules(deps: LearnDeps, memory: Memory, learning: Learning, pending: Pending, context: CallContext): Promise<Output> {
  await memory.caughtUp()
  const { model, share } = deps.config.memory.learn
  const mayAsk = share > 0 && (model !== '' || deps.engine.model.provider !== 'offline')
  const queue: Parameters<Learning['byRules']>[1] = async (unread) => (mayAsk ? pending.add(ofCall(context), unread) : undefined)
  return { ...nothing, ...(await learning.byRules(recordBy(deps, context), queue)) }
}

/** A request that a crash interrupted is the same request again: its id follows from what it is about. */
async function byModel(deps: LearnDeps, learning: Learning, pending: Pending, context: CallContext): Promise<Output> {
  const { model } = deps.config.memory.learn
  let output = nothing
  for (const [session, ids] of await pending.all()) {
    const isThere = await deps.sessions.load(session).then(
      () => true,
      () => false,
    )
    const questions = isThere ? await learning.questions(ids) : []
    const asked = new Set(questions.flatMap((question) => question.ids))
    const gone = ids.filter((id) => !asked.has(id))
    if (gone.length > 0) await pending.done(ofCall(context), session, gone)
    for (const question of questions) {
      if (!(await isAffordable(deps, pending, session, question))) continue
      let spent = noSpend
      const text = fenced(question.text, context.id)
      const caller = { ...context.caller, session }
      const id = await requestFor(deps, question)
      const ask = deps.completeBy(model)
      const answer =
        id && (await ask(caller, { ...question, text }, context.signal, (more = noSpend) => (spent = addSpend(spent, more)), id))
      // It goes on with the next guest.
      context.signal.throwIfAborted()
      if (spent !== noSpend) await pending.spend(ofCall(context), session, spent)
      const taken = answer === null ? nothing : await learning.take(question, answer, recordBy(deps, context))
      await pending.done(ofCall(context), session, question.ids)
      output = sumOf(output, { ...nothing, ...taken, asked: 1 })
    }
  }
  return output
}

/** @returns the id of the request about these messages: the one that a crash left, or one that was answered; null: it was stopped too often */
async function requestFor({ store }: LearnDeps, { ids }: LearnQuestion): Promise<CallId | null> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const id = derivedId(learnCall, attempt, ...ids) as CallId
    const [end] = await store.records({
      call: id,
      phases: ['outcome', 'reconciled', 'refused'],
      order: 'newest_first',
      limit: 1,
      hydrate: false,
    })
    if (end === undefined || (JSON.parse(end.body) as { readonly status?: string }).status === 'ok') return id
  }
  return null
}

/** A part of what the turns of the session have cost, in tokens and in money; nothing while they have cost nothing. */
async function isAffordable(
  { budgets, config }: LearnDeps,
  pending: Pending,
  session: SessionId,
  { system, text }: LearnQuestion,
): Promise<boolean> {
  await budgets.load({ session, actor: 'kernel' })
  const { spent: whole } = budgets.view(sessionScope(session))
  const own = await pending.spent(session)
  const { share } = config.memory.learn
  const mayCost = (kind: keyof Spend): number => share * (whole[kind] - own[kind]) - own[kind]
  const tokens = answerTokens + Buffer.byteLength(system + text) / bytesPerToken
  return mayCost('tokens') >= tokens && mayCost('microDollars') >= 0
}

function sumOf(a: Output, b: Output): Output {
  return Object.fromEntries(Object.entries(a).map(([key, value]) => [key, value + (ownValue(b, key as keyof Output) ?? 0)])) as Output
}

const ofCall = ({ id, caller }: CallContext) => ({ caller, call: id, name: learnCall })

/** A step is on record before it is made, as the steps of tidying are: `oxbow memory undo` takes it back. */
function recordBy({ journal }: LearnDeps, context: CallContext): Parameters<Learning['byRules']>[0] {
  return async (step) => journal.append([{ ...ofCall(context), phase: 'exchange', body: step }])
}
