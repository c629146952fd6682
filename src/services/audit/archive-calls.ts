/**
 * Retention: what was said and done in sessions that nobody uses any more leaves the store for files of the runner, and comes back from them.
 *
 * The runner first writes all records of a range to a file, signed and on the disk. Then bodies go, by the way of any erasure: the hash stays in
 * the chain, and a record before says which bodies went where, with what their calls have cost. Killed in between, the next run goes on: a body is either
 * still there, or in a file that was whole before. What an index, a document or the row of a session needs stays, and so do pieces of files.
 */
import { z } from 'zod'
import { type CallId, type JsonObject, OxbowError, parseObject, type SessionId } from '../../base/index.ts'
import { archivedIn, type Call, type CallContext, defineCall, type JournalRecord } from '../../protocol/index.ts'
import { parseErased, parseReference, type Store } from '../../store/index.ts'
import { type ArchiveFile, archiveName, sectionOf } from '../../config/index.ts'
import type { Core } from '../../kernel/index.ts'
import { sumsOf } from './archive-sums.ts'
import { auditConfig } from './config.ts'

/** Only its user holds it: bodies leave the store. */
export const archiveRight = 'audit.archive'
const category = 'system/archives'
const dayMs: number = 24 * 60 * 60_000
/** Records read at once. */
const pageRecords = 2_000
/** Bodies that go with one record: it is read with each check of the journal. */
const maxAtOnce = 500
/** A shorter body takes as much as what is left of it. */
const minBytes = 300
/** What of a body the store, or a check of it, needs. */
const neededMarks = ['"documents"', '"session_row"', '"erases"', '"restores"', '"pieces"', '"marks"'] as const

type ArchiveDeps = Pick<Core, 'store' | 'host' | 'journal' | 'config' | 'documents'>

/** An archive, in `system/archives` under the name of its file. */
interface Kept extends Omit<ArchiveFile, 'file'> {
  readonly at: number
  /** Its bodies are back, and stay. */
  readonly restored?: boolean
}

const kept = z.strictObject({
  file: z.string(),
  sha256: z.string(),
  bytes: z.int(),
  after: z.int(),
  upto: z.int(),
  hash: z.string().describe('Of the record `upto`.'),
  records: z.int(),
  at: z.number().describe('Unix milliseconds.'),
  restored: z.boolean(),
})

const shared = {
  right: archiveRight,
  tier: 'privileged',
  audience: ['terminal', 'runtime'],
  labels: { adds: [], sink: false },
  timeoutMs: Infinity,
} as const satisfies Partial<Call>

export function archiveCalls(deps: ArchiveDeps): readonly Call[] {
  return [archiveCall(deps), listCall(deps), restoreCall(deps)]
}

function archiveCall(deps: ArchiveDeps): Call {
  return defineCall({
    ...shared,
    name: 'audit.archive',
    summary: 'Moves what was said and done in sessions that nobody has used for a time to a signed, compressed file; the chain stays.',
    input: z.strictObject({
      days: z.int().min(0).max(36_500).optional().describe('Keep so many days; default: `audit.keep`.'),
      dry_run: z.boolean().default(false).describe('Say what would go, and change nothing.'),
    }),
    output: z.strictObject({
      files: z.array(kept).describe('New ones.'),
      bodies: z.int().describe('What has left the store.'),
      bytes: z.int().describe('Their size.'),
      blobs: z.int(),
      upto: z.int().describe('The last record that is in an archive; 0: none.'),
    }),
    example: { days: 365, dry_run: false },
    effect: 'idempotent',
    does: ['delete'],
    lasting: 'moves old records to a file',
    recordOutput: ({ files, bodies, upto }) => ({ files: files.map(({ file }) => file), bodies, upto }),
    run: async ({ days, dry_run: dry }, context) => ({ output: await archive(deps, days, dry, context) }),
  })
}

async function archive(deps: ArchiveDeps, days: number | undefined, isDry: boolean, { id, caller, clock, signal }: CallContext) {
  const { config, documents, journal } = deps
  const keep = days ?? sectionOf(auditConfig, config).keep
  if (days === undefined && keep === 0)
    throw new OxbowError('bad_input', 'Nothing says how long the journal is kept.', {
      hint: 'Set audit.keep in config.toml, or name the days: oxbow audit archive --days 365.',
    })
  await journal.flushed()
  const cut = clock.now() - keep * dayMs
  const of = { caller, call: id, name: 'audit.archive' } as const
  const archives = await archivesOf(documents)
  const after = Math.max(0, ...archives.map(({ upto }) => upto))
  const idle = createIdleSessions(deps.store, cut)
  const range = await survey(deps.store, after, cut, idle, signal)
  const made: (Kept & { readonly file: string })[] = []
  if (range.bodies > 0 && !isDry) {
    const file = await makeFile(deps, after, range.upto)
    made.push({ ...file, at: clock.now() })
    const { file: name, ...facts } = made[0]!
    await documents.put(of, [{ category, name, value: facts }], { sync: true })
  }
  const total = { bodies: isDry ? range.bodies : 0, bytes: isDry ? range.bytes : 0, blobs: 0 }
  for (const { file, after: from, upto, restored } of isDry ? [] : [...archives, ...made]) {
    if (restored === true) continue
    const gone = await takeOut(deps, of, { file, from, upto }, idle, signal)
    for (const what of ['bodies', 'bytes', 'blobs'] as const) total[what] += gone[what]
  }
  return { ...total, files: made.map(shownArchive), upto: made[0]?.upto ?? after }
}

const shownArchive = ({ restored = false, ...facts }: Kept & { readonly file: string }): z.infer<typeof kept> => ({ ...facts, restored })

async function archivesOf(documents: Core['documents']): Promise<readonly (Kept & { readonly file: string })[]> {
  const all = await documents.all<Kept>(category)
  return all.map(({ name: file, value }) => ({ ...value, file })).toSorted((a, b) => a.after - b.after)
}

async function makeFile({ host, store }: ArchiveDeps, after: number, upto: number): Promise<ArchiveFile> {
  if (host?.archive === undefined)
    throw new OxbowError('denied', 'This guest has no runner that could keep an archive.', {
      hint: 'Start Oxbow with `oxbow start` or in a terminal.',
    })
  const file = await host.archive(after, upto)
  const [last] = await store.records({ after: upto - 1, before: upto + 1, order: 'oldest_first', limit: 1, hydrate: false })
  if (last?.hash === file.hash) return file
  throw new OxbowError('audit_failed', 'The archive ends with another record than this journal.', {
    hint: '`oxbow audit verify` names what differs.',
  })
}

/** @returns whether a session was not used since the cut */
function createIdleSessions(store: Store, cut: number): (id: SessionId) => Promise<boolean> {
  const known = new Map<string, boolean>()
  return async (id) => {
    const found = known.get(id)
    if (found !== undefined) return found
    const row = await store.session(id)
    const isIdle = row !== null && row.activeAt < cut
    known.set(id, isIdle)
    return isIdle
  }
}

type IsIdle = ReturnType<typeof createIdleSessions>

async function* pagesOf(store: Store, after: number, upto: number, signal: AbortSignal): AsyncGenerator<readonly JournalRecord[]> {
  for (let cursor = after; ;) {
    signal.throwIfAborted()
    const page = await store.records({ after: cursor, before: upto + 1, order: 'oldest_first', limit: pageRecords, hydrate: false })
    if (page.length === 0) return
    yield page
    cursor = page.at(-1)!.seq
  }
}

/** What is there to archive, up to the first record that is younger than the cut. */
async function survey(store: Store, after: number, cut: number, isIdle: IsIdle, signal: AbortSignal) {
  const found = { upto: after, bodies: 0, bytes: 0 }
  const { seq: newest } = await store.head()
  for await (const page of pagesOf(store, after, newest, signal))
    for (const record of page) {
      if (record.at >= cut) return found
      found.upto = record.seq
      const text = await leavingText(store, record, isIdle)
      if (text === null) continue
      found.bodies += 1
      found.bytes += Buffer.byteLength(text)
    }
  return found
}

/** @returns the body of a record that may go to an archive; null for one that stays */
async function leavingText(store: Store, record: JournalRecord, isIdle: IsIdle): Promise<string | null> {
  const { session, turn, body } = record
  if (session === '' || turn === '' || parseErased(body) !== null || !(await isIdle(session))) return null
  const reference = parseReference(body)
  if (reference === null && Buffer.byteLength(body) < minBytes) return null
  const bytes = reference === null ? null : await store.blob(reference.blob)
  if (reference !== null && bytes === null) return null
  const text = bytes === null ? body : Buffer.from(bytes).toString('utf8')
  return neededMarks.some((mark) => text.includes(mark)) ? null : text
}

/** Takes bodies out of the store that a file has. Whoever runs it again goes on. */
async function takeOut(
  { store, journal }: ArchiveDeps,
  of: { readonly caller: CallContext['caller']; readonly call: CallId; readonly name: string },
  { file, from, upto }: { readonly file: string; readonly from: number; readonly upto: number },
  isIdle: IsIdle,
  signal: AbortSignal,
) {
  const gone = { bodies: 0, bytes: 0, blobs: 0 }
  let sums = new Map<number, JsonObject>()
  let leaving: number[] = []
  const flush = async (): Promise<void> => {
    if (leaving.length === 0) return
    const said = (seqs: readonly number[]): JsonObject => ({ sums: seqs.flatMap((seq) => (sums.has(seq) ? [[seq, sums.get(seq)!]] : [])) })
    const { bodies, blobs } = await journal.erase(of, leaving, archivedIn(file), said)
    gone.bodies += bodies
    gone.blobs += blobs
    leaving = []
    sums = new Map()
  }
  for await (const page of pagesOf(store, from, upto, signal))
    for (const record of page) {
      const text = await leavingText(store, record, isIdle)
      if (text === null) continue
      const isEnd = record.phase === 'outcome' || record.phase === 'reconciled'
      const sum = isEnd ? sumsOf(parseObject(text) ?? {}) : null
      // Elsewhere nothing looks for what it has cost.
      if (!isEnd && text.includes('"spent":')) continue
      if (sum !== null) sums.set(record.seq, sum)
      leaving.push(record.seq)
      gone.bytes += Buffer.byteLength(text)
      if (leaving.length >= maxAtOnce) await flush()
    }
  await flush()
  return gone
}

function listCall({ documents }: ArchiveDeps): Call {
  return defineCall({
    ...shared,
    name: 'audit.archives',
    summary: 'Lists the archives of the journal.',
    input: z.strictObject({}),
    output: z.strictObject({ archives: z.array(kept) }),
    example: {},
    tier: 'read_only',
    right: 'audit.read',
    audience: ['terminal'],
    effect: 'none',
    timeoutMs: 10_000,
    recordOutput: ({ archives }) => ({ archives: archives.length }),
    run: async () => ({ output: { archives: (await archivesOf(documents)).map(shownArchive) } }),
  })
}

const nameOfArchive = 'must be the name of an archive, such as journal-1-45210.jsonl.zst; `oxbow audit archives` lists them'

function restoreCall({ host, journal, documents }: ArchiveDeps): Call {
  return defineCall({
    ...shared,
    name: 'audit.restore',
    summary: 'Puts back what an archive of this journal has; each body must have the hash that the chain names.',
    input: z.strictObject({
      file: z.string().regex(archiveName, nameOfArchive).describe('Its name in the folder `archive` of the workspace.'),
    }),
    output: z.strictObject({ bodies: z.int().describe('What is there again.') }),
    example: { file: 'journal-1-45210.jsonl.zst' },
    audience: ['terminal'],
    effect: 'idempotent',
    async run({ file }, { id, caller, signal }) {
      if (host?.archived === undefined)
        throw new OxbowError('denied', 'This guest has no runner that could read an archive.', {
          hint: 'Start Oxbow with `oxbow start` or in a terminal.',
        })
      const of = { caller, call: id, name: 'audit.restore' } as const
      await documents.change<Kept>(of, category, file, (current) => current && { ...current.value, restored: true })
      let bodies = 0
      for (let after: number | null = 0; after !== null;) {
        signal.throwIfAborted()
        const page: Awaited<ReturnType<NonNullable<typeof host.archived>>> = await host.archived(file, after)
        bodies += await journal.restoreBodies(page.bodies)
        after = page.next
      }
      return { output: { bodies } }
    },
  })
}
