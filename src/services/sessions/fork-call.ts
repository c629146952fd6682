/** Forks a session from an earlier point: its conversation, scratchpad and agent, and where that is asked for its files as they were then. */
import { z } from 'zod'
import {
  changesScratchpad,
  type Core,
  type Handoff,
  historyPage,
  historyPages,
  inherited,
  maxForkDepth,
  sessionId,
} from '../../kernel/index.ts'
import { type CallId, type JsonObject, OxbowError, type SessionId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  forkSessionCall,
  isGeneration,
  isTaken,
  type JournalRecord,
  toolPlace,
} from '../../protocol/index.ts'
import type { HistoryRow } from '../../store/index.ts'
import type { Access } from '../access/service.ts'
import type { OpenVersions } from '../versions/service.ts'
import { folderChange, folderOf } from './session-folders.ts'
import { branchAt } from './fork-files.ts'
import { changedRow, recordsRow } from './session-row.ts'

export interface ForkDeps
  extends
    Pick<
      Core,
      'store' | 'sessions' | 'summaries' | 'lanes' | 'journal' | 'newId' | 'documents' | 'handoffs' | 'profileOf' | 'config' | 'engine'
    >,
    Pick<Access, 'copyMode'> {
  readonly versions: () => Promise<OpenVersions>
}

const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function forkCall(deps: ForkDeps): Call {
  return defineCall({
    ...recordsRow,
    name: forkSessionCall,
    tier: 'side_effecting',
    right: 'session.write',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    // A branch of files is a copy of all of them.
    timeoutMs: 10 * 60_000,
    routes: [{ method: 'POST', path: '/sessions/{session}/fork', status: 201 }],
    event: ({ session: id = '' }) => ({ kind: 'session_forked', fields: { id } }),
    summary: 'Starts a new session that continues from a point in another one, which stays as it is.',
    input: z.strictObject({
      session: sessionId.describe('Id of the session.'),
      at: z.int().min(1).optional().describe('#number of the last message that both share. Default: the newest.'),
      message: z
        .int()
        .min(1)
        .optional()
        .describe('In place of `at`: how many messages of the person both share, with their replies, counted from the first one.'),
      step: z.int().min(0).optional().describe('Of the last of these messages, how many answers of the model both share. Default: all.'),
      title: z.string().trim().max(200).optional().describe('Title of the new session. Default: the other session’s.'),
      model: z.string().max(200).optional().describe('The model that answers in the new session. Default: as in the other one.'),
      files: z
        .boolean()
        .default(false)
        .describe('Work on a branch of the files as they were at that point, instead of the files as they are.'),
    }),
    output: changedRow.extend({ branch: z.string().describe('The branch of files it works on; empty: the files themselves.') }),
    example: { session: example, at: 42, files: false },
    async run(input, context) {
      const { session: id, title, model } = input
      await deps.sessions.load(id)
      if (model !== undefined && model !== '') await deps.engine.facts(model)
      const at = await pointOf(deps, input)
      if (at === undefined && deps.lanes.isBusy(id))
        throw bad('A turn of this session is running.', 'Wait for it, or name a message with `at`.')
      await assertReachable(deps, id)
      const lastShared = await lastSharedRecord(deps, id, at ?? Number.MAX_SAFE_INTEGER)
      if (lastShared === 0) throw nothingShared(at)
      const made = deps.newId() as SessionId
      const { caller, id: call, clock } = context
      const branch = input.files ? await branchAt(deps, context, { session: id, made, point: lastShared, isNewest: at === undefined }) : ''
      const summary = await deps.summaries.read(id)
      const padChange = await scratchpadAt(deps, id, Math.max(lastShared, at ?? Number.MAX_SAFE_INTEGER))
      // A person may have changed the scratchpad after the last message: that change is shared too.
      const forked = Math.max(lastShared, padChange?.seq ?? 0)
      // Loaded last, because deleting the session may have begun meanwhile.
      const row = await deps.sessions.load(id)
      const change = {
        title: title ?? row.title,
        createdAt: clock.now(),
        activeAt: clock.now(),
        ...inherited(row),
        scratchpad: padChange?.call ?? '',
        parent: id,
        forked,
        // A summary that covers more than the shared part does not apply to the fork.
        summary: summary !== null && summary.summary.upto <= forked ? row.summary : ('' as const),
      }
      await deps.copyMode({ caller, call, name: forkSessionCall }, { from: id, to: made })
      const folder = await folderOf(deps.documents, id)
      if (folder !== null) await deps.documents.put({ caller, call, name: forkSessionCall }, [folderChange(made, folder)])
      await copyAgent(deps, context, { from: id, to: made, model, branch })
      return { output: { session: made, change, branch } }
    },
  })
}

interface PointInput {
  readonly session: SessionId
  readonly at?: number | undefined
  readonly message?: number | undefined
  readonly step?: number | undefined
}

/** @returns seq of the last record that may be shared; undefined: of the newest */
async function pointOf(deps: ForkDeps, { session, at, message, step }: PointInput): Promise<number | undefined> {
  if (at !== undefined && message !== undefined) throw bad('`at` and `message` name two points.', 'Give one of them.')
  if (step !== undefined && message === undefined) throw bad('A step is one of a message.', 'Name the message, too.')
  if (message === undefined) return at
  return step === undefined ? endOfMessage(deps, session, message) : endOfStep(deps, session, message, step)
}

/** The agent that answers there answers here: by the same handoffs, with another model or on a branch of files where that is asked for. */
async function copyAgent(
  deps: ForkDeps,
  { caller, id: call }: CallContext,
  {
    from,
    to,
    model,
    branch,
  }: { readonly from: SessionId; readonly to: SessionId; readonly model: string | undefined; readonly branch: string },
): Promise<void> {
  const held = deps.handoffs.held.get(from) ?? []
  const isChanged = branch !== '' || (model !== undefined && model !== '')
  if (!isChanged && held.length === 0) return
  const { name, rights, instructions } = deps.config.agent
  const usual = { agent: call, name, rights, instructions, model: '', killed: false }
  const profile = held.at(-1)?.profile ?? (await deps.profileOf(from)) ?? usual
  const last: Handoff = {
    profile: { ...profile, killed: false, ...(model !== undefined && model !== '' && { model }), ...(branch !== '' && { branch }) },
    from: held.at(-1)?.from ?? caller.actor,
    call,
  }
  await deps.handoffs.put({ caller, call, name: forkSessionCall }, to, [...held.slice(0, -1), last])
}

/** @returns the seq just before the message after this one; undefined if this is the newest */
async function endOfMessage(deps: ForkDeps, id: SessionId, number: number): Promise<number | undefined> {
  await deps.journal.flushed()
  const sent: number[] = []
  for await (const page of historyPages(deps, id)) for (const row of page) if (isTaken(row)) sent.unshift(row.seq)
  if (number > sent.length) throw noMessage(sent.length)
  const next = sent[number]
  return next === undefined ? undefined : next - 1
}

/** @returns seq of the answer with this number in the turn of a message; 0: of the message itself */
async function endOfStep(deps: ForkDeps, id: SessionId, message: number, step: number): Promise<number> {
  await deps.journal.flushed()
  // Newest first, up to the message; then its answers are the ones behind it.
  const rows: HistoryRow[] = []
  for await (const page of historyPages(deps, id)) rows.unshift(...[...page].reverse())
  const begins = rows.filter(isTaken)
  const begin = begins[message - 1]
  if (begin === undefined) throw noMessage(begins.length)
  const own = rows.filter((row) => row.seq > begin.seq && row.seq < (begins[message]?.seq ?? Infinity) && isGeneration(row))
  if (step === 0) return begin.seq
  const answer = own[step - 1]
  if (answer !== undefined) return answer.seq
  throw bad(`Message ${message} has ${own.length} ${own.length === 1 ? 'answer' : 'answers'} of the model.`, 'Name one of these steps.')
}

/** A history is read across at most `maxForkDepth` forks. Refuses a deeper fork, whose beginning would silently be missing. */
async function assertReachable({ sessions }: ForkDeps, id: SessionId): Promise<void> {
  let from = id
  for (let depth = 1; depth <= maxForkDepth; depth++) {
    const { parent } = await sessions.load(from)
    if (parent === '') return
    from = parent
  }
  throw new OxbowError('limit_reached', `Session ${id} is ${maxForkDepth} forks away from the first session, the most that are possible.`, {
    hint: 'Continue in it, or fork one of the sessions that it was forked from.',
  })
}

/** @returns seq of the last record up to `at`, including the results of the calls that it made; 0 for no record */
async function lastSharedRecord(deps: ForkDeps, id: SessionId, at: number): Promise<number> {
  await deps.journal.flushed()
  let results: number[] = []
  for await (const page of historyPages(deps, id)) {
    for (const { seq, call } of page) {
      const isResult = toolPlace(call) !== null
      if (seq <= at) return Math.max(seq, ...results)
      // Results right after the message belong to it.
      results = isResult ? [...results, seq] : []
    }
  }
  return 0
}

/** @returns the last record up to `point` that changed the scratchpad; undefined if no record did */
async function scratchpadAt(deps: ForkDeps, id: SessionId, point: number): Promise<JournalRecord | undefined> {
  const { store, sessions } = deps
  const outcomes = { phases: ['outcome'], order: 'newest_first', hydrate: true } as const
  const { scratchpad, parent, forked } = await sessions.load(id)
  if (scratchpad === '') return undefined
  const [newest] = await store.records({ ...outcomes, call: scratchpad as CallId, limit: 1 })
  if (newest !== undefined && newest.seq <= point) return newest
  let page: readonly JournalRecord[]
  let before = point + 1
  do {
    page = await store.records({ ...outcomes, session: id, before, limit: historyPage })
    const found = page.find(({ name, phase, body }) => changesScratchpad({ name, phase, body: JSON.parse(body) as JsonObject }))
    if (found !== undefined) return found
    before = page.at(-1)?.seq ?? 0
  } while (page.length === historyPage)
  return parent === '' ? undefined : scratchpadAt(deps, parent, Math.min(point, forked))
}

function nothingShared(at: number | undefined): OxbowError {
  return bad(at === undefined ? 'The session has no messages yet.' : `The session has no messages up to #${at}.`, 'Start a new session.')
}

function noMessage(count: number): OxbowError {
  return bad(`The session has ${count} ${count === 1 ? 'message' : 'messages'}.`, '`oxbow sessions show ID` numbers them.')
}

function bad(message: string, hint: string): OxbowError {
  return new OxbowError('bad_input', message, { hint })
}
