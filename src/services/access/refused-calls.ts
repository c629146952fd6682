/**
 * One question about what stage 3 has refused an agent. A session's refusals are counted, with its agents'; after a few in
 * a row, or many in all, the person is asked once, with the list. The question is a call of the runtime, `refusal.allow`, which waits, is
 * recorded and is shown like any that asks.
 *
 * A yes holds for the session and for exactly the calls of the list: the same agent, call, input and files that its program reads. It excuses them
 * from the right, the limit or the list of programs that was lacking, and answers the policy's question as a learned rule for this input would.
 * A program runs so only while all files are as they were when the person was asked; otherwise it asks by itself, and says what has changed.
 * Deny rules, the flow of data, secrets and budgets are judged as always. What was answered is never asked again, whatever the answer.
 */
import { z } from 'zod'
import {
  type ApprovalDeps,
  boundDigest,
  type Documents,
  type Excuse,
  inputsDigest,
  type JudgedCall,
  type JudgeDeps,
  partsOf,
  processRight,
  type Refusal,
  refusal,
  refuseLimited,
  runtimeCaller,
  stateChange,
  whyNeverExcused,
  writtenPaths,
  type RefusedCalls,
  type RefusedPassing,
  type MakeCall,
} from '../../kernel/index.ts'
import {
  canonicalJson,
  type CallId,
  createRecentMap,
  type Failure,
  type Json,
  ownValue,
  type RecentMap,
  type SessionId,
  truncate,
} from '../../base/index.ts'
import { type Call, type CallOutcome, type CommandInputs, defineCall, grantOf, jsonSchema } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { digest } from './rules.ts'

/** Characters about a malformed input: five fields with what each was expected to be. */
const maxWhyLength = 1_000

/** Refusals of one session after which the person is asked, in a row or not: a list that is still read. */
const maxRefusedInSession = 20

/** Such questions of one session: an agent that provokes refusals cannot wear a person down. */
const maxRefusalQuestions = 5

/** Characters of all of them: every terminal and editor shows this much without a cut, even with each invisible character written out. */
const maxListedRefusalsChars = 5_000

/** Calls of such a question. */
const maxListedRefusals = 20

/** Characters of one of them as JSON, with its whole input: a longer one is refused without a question, since nobody would read it to its end. */
const maxListedInputChars = 2_000

/** Sessions whose refusals are counted. */
const maxHeldRefusals = 1_000

const category = 'system/refusals'

/** A call of the list, as the person sees it. */
const listedCall = z.strictObject({ agent: z.string(), call: z.string(), input: jsonSchema(), refused: z.string() })
type Listed = z.infer<typeof listedCall>

/** What is kept of a session: digests and ids only, so that nothing of it outlasts a session that is deleted. */
interface Answers {
  /** Keys of calls that were allowed, and of those that were not. */
  readonly allowed: readonly string[]
  readonly refused: readonly string[]
  readonly questions: number
  /** By the names of allowed calls: the digest of the files for which they were allowed. Older versions leave it out. */
  readonly states?: Readonly<Record<string, string>>
  /** The question that waits, and the call at which it is asked, with what a yes to it holds for; null: none. A restart continues it. */
  readonly asking: { readonly call: CallId; readonly question: CallId; readonly keys: readonly string[]; readonly bound?: string } | null
}

const noAnswers: Answers = { allowed: [], refused: [], questions: 0, asking: null }

/** Refusals of a session since its last question. */
interface Count {
  inRow: number
  inAll: number
  /** By key, the newest last. */
  readonly open: Map<string, Listed>
}

interface RefusedDeps extends Pick<ApprovalDeps, 'approvals' | 'journal' | 'approval'> {
  /** Rights that no agent exceeds, whoever allows it; null: no ceiling. */
  readonly maxRights: Config['agent']['max_rights']
  readonly documents: Documents
  readonly newId: () => string
}

/** A refused call, and what is known about it. */
interface Refused extends JudgedCall {
  readonly id: CallId
  readonly top: SessionId
  readonly key: string
  /** Its key without the program and files that it starts and names. */
  readonly named: string
  /** Calls that are asked about with it. */
  readonly more: number
  readonly signal: AbortSignal
}

/** What this guest knows of its sessions' refusals. */
interface Desk extends RefusedDeps, Pick<ApprovalDeps, 'readBound'> {
  readonly counts: RecentMap<SessionId, Count>
  /** Sessions whose question waits in this guest. */
  readonly asked: Set<SessionId>
}

function isBeyond(most: RefusedDeps['maxRights'], { caller, call, input }: JudgedCall): boolean {
  if (most === null) return false
  const { rights, limits } = grantOf(most)
  return (
    !(rights.has('*') || rights.has(call.right)) ||
    refuseLimited({ ...caller, rights, ...(limits !== undefined && { limits }) }, call, input) !== null
  )
}

export function createRefusedCalls(deps: RefusedDeps): Required<RefusedCalls> {
  const held = { ...deps, counts: createRecentMap<SessionId, Count>(maxHeldRefusals), asked: new Set<SessionId>() }
  const { approvals, approval, counts } = held
  return {
    async judge(judging, passing, judged, forbidden, make) {
      const desk: Desk = { ...held, readBound: judging.readBound }
      const { caller, call, input } = judged
      const { session } = caller
      const isAgents = caller.actor.startsWith('agent:') && caller.audience === 'model'
      if (!isAgents || session === '' || passing.isTaken === true) return refusal(forbidden)
      if (isBeyond(held.maxRights, judged) || (await whyNeverExcused(judging, judged)) !== null) return refusal(forbidden)
      const top = approvals.top(session)
      const key = await keyOf(desk, judged)
      const answers = await answersOf(desk, top)
      const named = nameOf({ agent: caller.actor, call: call.name, input: input as Json })
      const refused = { ...judged, id: passing.id, top, key, named, more: 0, signal: passing.signal ?? new AbortController().signal }
      if (answers.allowed.includes(key) || ownValue(answers.states ?? {}, named) !== undefined) return excuseNow(desk, refused, answers)
      if (answers.refused.includes(key)) return refusal(answeredNo(forbidden))
      const listed = { agent: caller.actor, call: call.name, input: input as Json, refused: truncate(forbidden.message, maxWhyLength) }
      // What a person would not read to its end is not asked about.
      if (approval.ask_after_refusals === 0 || JSON.stringify(listed).length > maxListedInputChars) return refusal(forbidden)
      const before = passing.resumed === true && answers.asking?.call === passing.id ? await askedBefore(desk, answers.asking) : null
      const list = before?.list ?? count(desk, refused, listed, answers)
      if (list === null) return refusal(forbidden)
      desk.asked.add(top)
      try {
        const bound = before?.bound ?? boundDigest(await boundNow(desk, refused, ''))
        const question = { question: before?.question ?? (desk.newId() as CallId), list, bound, make }
        const answer = await ask(desk, passing, refused, question)
        if (answer.status === 'ok') return await settle(desk, judging, { ...refused, more: list.size - 1 }, bound, forbidden)
        if (answer.failure.code === 'cancelled') return answer
        const { refused: refusedNow } = await answersOf(desk, top)
        return refusal(refusedNow.includes(key) ? answeredNo(forbidden) : forbidden)
      } finally {
        desk.asked.delete(top)
      }
    },
    ended(caller, excuse, outcome) {
      if (outcome.status === 'ok' && caller.audience === 'model' && caller.session !== '') {
        const now = counts.get(approvals.top(caller.session))
        if (now !== undefined) now.inRow = 0
      }
      if (excuse === null || excuse.more === 0) return outcome
      const note = 'The user has allowed this call and those that were refused before it. Call those again if you still need them.'
      return { ...outcome, text: `${note}\n${outcome.text}` }
    },
  }
}

async function answersOf({ documents }: Desk, top: SessionId): Promise<Answers> {
  return (await documents.get<Answers>(category, top))?.value ?? noAnswers
}

/** @returns the calls to ask about, by their keys; null: not now */
function count(desk: Desk, { top, key }: Refused, listed: Listed, { questions }: Answers): ReadonlyMap<string, Listed> | null {
  const { counts, asked, approval } = desk
  const now = counts.get(top) ?? { inRow: 0, inAll: 0, open: new Map<string, Listed>() }
  now.inRow += 1
  now.inAll += 1
  now.open.delete(key)
  now.open.set(key, listed)
  for (const oldest of [...now.open.keys()].slice(0, -maxListedRefusals)) now.open.delete(oldest)
  counts.put(top, now)
  const isDue = now.inRow >= approval.ask_after_refusals || now.inAll >= maxRefusedInSession
  return isDue && !asked.has(top) && questions < maxRefusalQuestions ? newestOf(now.open) : null
}

interface Question {
  readonly question: CallId
  readonly list: ReadonlyMap<string, Listed>
  /** What a yes holds for. */
  readonly bound: string
  readonly make: MakeCall
}

/** Asks the person, and keeps the answer. @returns the outcome of the question */
async function ask(desk: Desk, passing: RefusedPassing, refused: Refused, { question, list, bound, make }: Question): Promise<CallOutcome> {
  const { id, caller, signal, onWait, resumed } = passing
  await change(desk, refused, (now) => ({ ...now, asking: { call: id, question, keys: [...list.keys()], bound } }))
  const options = { id: question, signal, ...(resumed !== undefined && { resumed }), ...(onWait !== undefined && { onWait }) }
  const asRuntime = { ...options, caller: runtimeCaller(caller, caller.actor), onIntended: () => {} }
  const answer = await make(asRuntime, allowName, { calls: [...list.values()] })
  // The guest is stopping; the question still waits.
  if (answer.status === 'cancelled') return answer
  const isAnswered = answer.status === 'ok' || (answer.failure.code === 'denied' && !(await hasExpired(desk, question)))
  const kept = answer.status === 'ok' ? (answer.output as { calls: readonly Listed[] }).calls.map(exactly) : []
  const yes = [...list].filter(([, listed]) => kept.includes(exactly(listed)))
  const allowed = yes.map(([key]) => key)
  const { state } = partsOf(bound)
  await change(desk, refused, (now) => ({
    allowed: [...now.allowed, ...allowed],
    refused: isAnswered ? [...now.refused, ...[...list.keys()].filter((key) => !allowed.includes(key))] : now.refused,
    questions: now.questions + 1,
    states: { ...now.states, ...Object.fromEntries(yes.map(([, listed]) => [nameOf(listed), state])) },
    asking: null,
  }))
  desk.counts.delete(refused.top)
  return answer
}

function change({ documents }: Desk, { caller, call, id, top }: Refused, next: (now: Answers) => Answers): Promise<unknown> {
  return documents.change<Answers>({ caller, call: id, name: call.name }, category, top, (now) => next(now?.value ?? noAnswers))
}

/** After a yes, judges again: a denial may have been added meanwhile, or the files may have changed. */
async function settle(desk: Desk, judging: JudgeDeps, refused: Refused, bound: string, forbidden: Failure): Promise<Excuse | Refusal> {
  const { call, input } = refused
  const never = await whyNeverExcused(judging, refused)
  if (never !== null) return refusal(never)
  const answers = await answersOf(desk, refused.top)
  if (!answers.allowed.includes(refused.key)) return refusal(answeredNo(forbidden))
  if (call.starts !== undefined) return excuseNow(desk, { ...refused, key: await keyOf(desk, refused) }, answers)
  const isSame = inputsDigest(await boundNow(desk, refused, '')) === partsOf(bound).own
  return makeExcuse(desk, refused, '', isSame ? '' : `${writtenPaths(call, input).join(', ')} changed`)
}

/** For an earlier answer: a program was allowed only with the files as they were. */
async function excuseNow(desk: Desk, refused: Refused, { allowed, states = {} }: Answers): Promise<Excuse> {
  if (refused.call.starts === undefined) return makeExcuse(desk, refused, '', '')
  const state = ownValue(states, refused.named) ?? ''
  const now = await boundNow(desk, refused, state)
  if (state === '' || now?.workspace?.digest !== state) return makeExcuse(desk, refused, state, stateChange(now))
  return makeExcuse(desk, refused, state, allowed.includes(refused.key) ? '' : 'the program was replaced')
}

/** @param state digest of the files for which it was allowed @param what has changed since, in words */
function makeExcuse(desk: Desk, refused: Refused, state: string, what: string): Excuse {
  const { key, named, more } = refused
  return {
    by: key,
    more,
    unchanged: state === '' || what !== '' ? null : { digest: state, except: [] },
    change: what === '' ? '' : `${what} after it was allowed`,
    async renew(unchanged) {
      // A yes that leaves out some files counts once.
      const states = unchanged === null || unchanged.except.length > 0 ? {} : { [named]: unchanged.digest }
      const allowed = (now: Answers): readonly string[] => [...new Set([...now.allowed, key])]
      await change(desk, refused, (now) => ({ ...now, allowed: allowed(now), states: { ...now.states, ...states } }))
    },
  }
}

/** What a yes holds for, as it is now: what it runs or writes, and the state of all files. @param since digest of an earlier state */
function boundNow({ readBound }: Desk, { caller, call, input, signal }: Refused, since: string): Promise<CommandInputs | null> {
  return readBound(caller, { started: call.starts?.(input), targets: writtenPaths(call, input) }, signal, { since, except: [] })
}

/** What an answer holds for: the agent, the call, its exact input, and the program and files that it starts and names, as they are now. */
async function keyOf({ readBound }: Desk, { caller, call, input }: JudgedCall): Promise<string> {
  const started = call.starts?.(input)
  const inputs = started === undefined ? null : await readBound(caller, { started }, new AbortController().signal)
  return digest([caller.actor, call.name, input, inputsDigest(inputs)]).slice(0, 32)
}

/** The newest calls that fit into one question. */
function newestOf(open: ReadonlyMap<string, Listed>): ReadonlyMap<string, Listed> {
  const all = [...open]
  let first = all.length
  for (let chars = 0; first > 0; first -= 1) {
    chars += JSON.stringify(all[first - 1]![1]).length
    if (chars > maxListedRefusalsChars) break
  }
  return new Map(all.slice(first))
}

/** The question that waited when the guest stopped: its record has the list. */
async function askedBefore({ journal }: RefusedDeps, { question, keys, bound }: NonNullable<Answers['asking']>) {
  const [parked] = await journal.store.records({ call: question, phases: ['parked'], order: 'newest_first', limit: 1, hydrate: true })
  if (parked === undefined) return null
  const { calls } = JSON.parse((JSON.parse(parked.body) as { readonly input: string }).input) as { calls: readonly Listed[] }
  return { question, bound, list: new Map(keys.map((key, at) => [key, calls[at]!])) }
}

/** An expired question was not answered. */
async function hasExpired({ journal }: RefusedDeps, question: CallId): Promise<boolean> {
  const [decided] = await journal.store.records({ call: question, phases: ['decided'], order: 'newest_first', limit: 1, hydrate: true })
  return decided !== undefined && (JSON.parse(decided.body) as { readonly expired?: true }).expired === true
}

function answeredNo(forbidden: Failure): Failure {
  return { ...forbidden, hint: 'The user was asked about this, and has not allowed it. Continue without it, and do not call it again.' }
}

type Exact = Pick<Listed, 'agent' | 'call' | 'input'>

function exactly({ agent, call, input }: Exact): string {
  return canonicalJson([agent, call, input])
}

function nameOf(exact: Exact): string {
  return digest(exactly(exact)).slice(0, 32)
}

const allowName = 'refusal.allow'

/** The question. A person can shorten the list; what they add means nothing. */
export function refusalCall(approval: Config['approval']): Call {
  const input = z.strictObject({
    calls: z.array(listedCall).max(maxListedRefusals).describe('The calls that were refused, each with its agent and its exact input.'),
  })
  const refusedText = 'web.fetch needs the right web.read.'
  return defineCall({
    name: allowName,
    summary: 'Asks the person whether calls that were refused may run in this session.',
    input,
    output: input,
    example: { calls: [{ agent: 'agent:ox', call: 'web.fetch', input: { url: 'https://example.com' }, refused: refusedText }] },
    tier: 'read_only',
    right: processRight,
    asks: ({ calls }) =>
      `${calls.length === 1 ? 'this call was' : `these ${calls.length} calls were`} refused; a yes lets exactly ${
        calls.length === 1 ? 'it' : 'them'
      } run for the rest of this session${approval.mode === 'manual' ? '' : ', without asking again; a command only while no file has changed'}`,
    personal: true,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: 10_000,
    recordOutput: ({ calls }) => ({ calls: calls.length }),
    run: async (output) => ({ output, text: '' }),
  })
}
