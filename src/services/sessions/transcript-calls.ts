/**
 * Calls by which a terminal shows a conversation and makes it shorter: its records page by page, newest first, and a summary of its older
 * messages at a person's request.
 */
import { z } from 'zod'
import { type Core, followedPhases, maxForkDepth, sessionId } from '../../kernel/index.ts'
import { OxbowError, type SessionId } from '../../base/index.ts'
import { type Call, defineCall, type RecordView, recordView, compactCall } from '../../protocol/index.ts'

const maxRecordsShownChars: number = 4 * 1024 * 1024

/** Records of one answer of `session.records`, and characters of their bodies: it is one frame, and a screen shows a few dozen. */
const maxRecordsShown = 1_000

/** Tokens that a conversation is compacted to, by the rules of a window of this size: a person asks for it before the window is full. */
const compactRoom = 16_000

type TranscriptCallDeps = Pick<Core, 'store' | 'journal' | 'sessions' | 'summaries' | 'lanes'>

const session = sessionId.describe('Id of the session.')
const example = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export function transcriptCalls(deps: TranscriptCallDeps): readonly Call[] {
  return [readRecords(deps), compact(deps)]
}

type RecordsInput = z.infer<typeof recordsInput>

const recordsPage = z.strictObject({
  records: z.array(recordView).describe('Oldest first.'),
  next: z.int().nullable().describe('`before` of the next page; null when there are no older records.'),
})

type RecordsOutput = z.infer<typeof recordsPage>

const recordsInput = z.strictObject({
  session,
  before: z.int().positive().optional().describe('Only records before this one. Default: the newest.'),
  limit: z.int().min(1).max(maxRecordsShown).default(200),
})

function readRecords(deps: TranscriptCallDeps): Call {
  return defineCall({
    name: 'session.records',
    forPrograms: true,
    routes: [{ method: 'GET', path: '/sessions/{session}' }],
    summary: "Reads a session's newest records before a given record, including records of the session that it was forked from.",
    input: recordsInput,
    output: recordsPage,
    example: { session: example, limit: 200 },
    tier: 'read_only',
    right: 'session.read',
    effect: 'none',
    audience: ['terminal'],
    labels: { adds: ['private', 'untrusted'], sink: false },
    timeoutMs: 30_000,
    recordOutput: ({ records }) => ({ records: records.length }),
    async run(input) {
      await deps.journal.flushed()
      return { output: await newestRecords(deps, input) }
    },
  })
}

async function newestRecords(
  { store, sessions }: TranscriptCallDeps,
  { session: first, before, limit }: RecordsInput,
): Promise<RecordsOutput> {
  const records: RecordView[] = []
  let chars = 0
  let [from, below] = [first, before ?? Number.MAX_SAFE_INTEGER]
  for (let depth = 0; depth <= maxForkDepth; depth++) {
    const query = { session: from, before: below, phases: followedPhases, limit: limit - records.length } as const
    const page = await store.records({ ...query, order: 'newest_first', hydrate: true })
    for (const { previous: _, hash: __, body, ...record } of page) {
      chars += body.length
      if (chars > maxRecordsShownChars && records.length > 0) return { records: records.toReversed(), next: records.at(-1)!.seq }
      records.push({ ...record, body: JSON.parse(body) })
    }
    if (records.length >= limit) return { records: records.toReversed(), next: records.at(-1)!.seq }
    const { parent, forked } = await sessions.load(from)
    if (parent === '') break
    from = parent
    below = Math.min(below, forked + 1)
  }
  return { records: records.toReversed(), next: null }
}

const compacted = z.strictObject({
  messages: z.int().describe('Messages that the new summary replaces; 0: there was nothing to summarize.'),
  by: z.string(),
})

function compact({ summaries, sessions, lanes }: TranscriptCallDeps): Call {
  return defineCall({
    name: compactCall,
    routes: [{ method: 'POST', path: '/sessions/{session}/compact' }],
    summary: 'Summarizes the older messages of a session now, so that the next turns send less. The originals stay readable.',
    input: z.strictObject({ session }),
    output: compacted,
    example: { session: example },
    tier: 'side_effecting',
    right: 'session.write',
    effect: 'idempotent',
    audience: ['terminal'],
    labels: { adds: [], sink: false },
    timeoutMs: 5 * 60_000,
    async run({ session: id }, { id: call, caller, signal }) {
      await sessions.load(id)
      if (lanes.isBusy(id))
        throw new OxbowError('bad_input', 'A turn of this session is running.', {
          hint: 'Wait for it or cancel it, then compact the session.',
        })
      const maker = { id: call, caller: { ...caller, session: id }, signal, overflows: true }
      const { messages, by } = await summaries.roll(id, compactRoom, maker)
      return { output: { messages, by }, text: messages === 0 ? 'There is nothing to summarize yet.' : `Summarized ${messages} messages.` }
    },
  })
}
