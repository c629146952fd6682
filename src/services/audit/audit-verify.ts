/**
 * `audit verify`: reads a user's whole journal in order and checks that nothing was changed, removed, or left out.
 *
 * Every record is hashed again and compared with its neighbour; every blob is hashed once; every call that began has an end, or is
 * named as open; every head that the runner signed is in the chain as it was signed; every body that was erased is one that
 * a later record says was erased; accounts and titles are what the records make them. The next page is read while this one is
 * hashed, and only ids of open calls, places of erased bodies and a little for each session are kept.
 */
import { z } from 'zod'
import { createHasher, type Hasher, parseErased, parseReference, recordHolds, type Store } from '../../store/index.ts'
import type { CallId } from '../../base/index.ts'
import { keepsPieces, emptyChain, type HeadSeal, idSchema, isMessage, type JournalRecord, type KeptFile } from '../../protocol/index.ts'
import { createErasures, type Erasures } from './erasures.ts'
import { createProjectionAudit } from './projection-audit.ts'
import { createRepeats, notOpen } from './repeats.ts'
import { badRecord, createHeadAudit, signedHeadsReport } from './signed-heads.ts'

export const auditReport = z.strictObject({
  ok: z.boolean(),
  records: z.int(),
  blobs: z.int(),
  first_bad: badRecord.nullable().describe('The first record that does not hold, and why.'),
  open: z
    .array(z.strictObject({ seq: z.int(), call: idSchema('CallId'), name: z.string() }))
    .readonly()
    .describe('Calls that have begun and not ended: under way, waiting for a person, or cut off and not yet taken up again.'),
  signed_heads: signedHeadsReport.nullable().describe('Null: the journal was not held against signed heads.'),
  repeated: z
    .strictObject({ records: z.int(), unexplained: z.array(badRecord).readonly() })
    .describe(
      'Records that begin or end a call once more, written by older versions whose store did not refuse them: the earliest record counts. `unexplained`: the first hundred that no record reconciles; the next start of a guest records that, and so does `audit.verify`.',
    ),
  projections: z.array(z.string()).readonly().describe('What the store keeps besides the journal and differs from it, in words.'),
  erased: z
    .strictObject({ bodies: z.int(), unchecked: z.int(), unexplained: z.array(z.int()).readonly() })
    .describe(
      '`unchecked`: records of the first format whose bodies were erased, so that only their place could be checked. `unexplained`: the first hundred records whose bodies are gone although no record says so.',
    ),
  config_differs: z
    .array(z.string())
    .readonly()
    .describe(
      'Keys of the configuration, and folders, definitions, plugins, skills, keys and settings of the user, that are not as in the newest record of them: the next start records it. Only where files are at hand.',
    ),
  ms: z.number(),
})

export type AuditReport = z.infer<typeof auditReport>

/** Records read at once. */
const pageSize = 5_000
/** Open calls, and unexplained erasures, that are named in the report; a journal with more has another problem. */
const maxNamed = 100

/** How often records that a guest writes meanwhile are caught up with, before accounts and titles are left alone. */
const maxCatchUps = 20

export interface AuditOptions {
  /** What the runner has signed; null: the journal is checked by itself. */
  readonly seal: HeadSeal | null
  /** The journal is in a database that other machines may use with runners of their own. */
  readonly isShared?: boolean
}

/** Checks the whole journal. @returns what is wrong, and how far the check came; throws only where the store cannot be read */
export async function verifyJournal(store: Store, { seal, isShared = false }: AuditOptions): Promise<AuditReport> {
  const began = performance.now()
  const heads = seal === null ? null : createHeadAudit(store.user, seal, isShared)
  const check = createCheck(store, await createHasher(), (record) => heads?.take(record))
  const readOn = async (): Promise<void> => {
    for (let page = readPage(store, check.seq()); ;) {
      const records = await page
      const last = records.at(-1)
      if (last === undefined) return
      page = readPage(store, last.seq)
      page.catch(() => {})
      await check.take(records)
      if (check.firstBad() !== null) return
    }
  }
  await readOn()
  let projections: readonly string[] = []
  for (let tries = 0; tries < maxCatchUps && check.firstBad() === null; tries++) {
    projections = await check.projections()
    if (projections.length === 0 || (await store.head()).seq === check.seq()) break
    await readOn()
    projections = []
  }
  const firstBad = check.firstBad()
  const signed = heads?.report(firstBad?.seq ?? Infinity) ?? null
  const erased = check.erased()
  const repeated = check.repeated()
  const isSigned = signed === null || signed.bad.length === 0
  return {
    ok: firstBad === null && isSigned && erased.unexplained.length + repeated.unexplained.length + projections.length === 0,
    records: check.records(),
    blobs: check.blobs(),
    first_bad: firstBad,
    open: check.open(),
    signed_heads: signed,
    repeated,
    projections: firstBad === null ? projections : [],
    erased,
    config_differs: [],
    ms: Math.round(performance.now() - began),
  }
}

function readPage(store: Store, after: number): Promise<readonly JournalRecord[]> {
  return store.records({ after, order: 'oldest_first', limit: pageSize, hydrate: false })
}

/** @param onSound is given each record that holds */
function createCheck(store: Store, hash: Hasher, onSound: (record: JournalRecord) => void) {
  let head = emptyChain
  let bad: AuditReport['first_bad'] = null
  let count = 0
  const openCalls = new Map<CallId, { seq: number; call: CallId; name: string }>()
  const seenBlobs = new Set<string>()
  const erasures = createErasures(maxNamed)
  const projections = createProjectionAudit(store)
  const repeats = createRepeats(store, maxNamed)

  /** @returns why the record does not hold by itself or after its neighbour, or null. */
  const judge = (record: JournalRecord): string | null => {
    if (record.seq !== head.seq + 1)
      return head.seq + 1 === record.seq - 1
        ? `record ${head.seq + 1} is missing`
        : `records ${head.seq + 1} to ${record.seq - 1} are missing`
    if (record.previous !== head.hash) return `it does not follow record ${head.seq}: one of the two was exchanged`
    const holds = recordHolds(hash, store.user, record)
    return erasures.judge(record, holds) ?? judgeCall(record)
  }

  /** Waits only for the few records that name a blob not seen before. */
  const judgeBlob = async (blob: string, seq: number): Promise<string | null> => {
    const bytes = await store.blob(blob)
    if (bytes === null) return (await wasErased(store, seq, erasures)) ? null : `the blob ${blob} that it names is missing`
    seenBlobs.add(blob)
    return hash(bytes) === blob ? null : `the blob ${blob} that it names was changed`
  }

  const judgeCall = ({ seq, call, name, phase }: JournalRecord): string | null => {
    if (phase === 'intent') {
      const earlier = openCalls.get(call)
      if (earlier !== undefined) repeats.add(seq, `it begins a call that record ${earlier.seq} has begun`)
      else openCalls.set(call, { seq, call, name })
    } else if (phase === 'outcome' || phase === 'reconciled') {
      if (!openCalls.delete(call)) return notOpen
    } else if (phase === 'refused') openCalls.delete(call)
    return null
  }

  return {
    async take(records: readonly JournalRecord[]): Promise<void> {
      for (const record of records) {
        // The record's own hash comes first: only after it is the body known to be the text that was written.
        let why = judge(record)
        if (why === notOpen) why = await repeats.judge(record)
        const reference = why === null ? parseReference(record.body) : null
        if (reference !== null && !seenBlobs.has(reference.blob)) why = await judgeBlob(reference.blob, record.seq)
        const pieces = why === null && keepsFiles(record) ? await piecesOf(store, record, reference?.blob) : []
        if (pieces === null) why = 'it names files in a way that nobody can read'
        for (const piece of pieces ?? []) if (!seenBlobs.has(piece)) why ??= await judgeBlob(piece, record.seq)
        const body = projections.reads(record) ? await bodyOf(store, record, reference?.blob) : null
        why ??= body === null ? null : erasures.explain(record, body)
        if (why !== null) return void (bad = { seq: record.seq, why })
        if (body !== null) projections.take(record, body)
        repeats.take(record)
        onSound(record)
        ;[head, count] = [record, count + 1]
      }
    },
    seq: () => head.seq,
    projections: () => projections.compare(openCalls),
    repeated: repeats.report,
    firstBad: () => bad,
    records: () => count,
    blobs: () => seenBlobs.size,
    erased: erasures.report,
    open: () => [...openCalls.values()].slice(0, maxNamed),
  }
}

/** @returns whether the record's body was erased since its page was read, which takes its blobs away. */
async function wasErased(store: Store, seq: number, erasures: Erasures): Promise<boolean> {
  const [now] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: false })
  if (now === undefined || parseErased(now.body) === null) return false
  erasures.add(seq, now.body)
  return true
}

async function bodyOf(store: Store, { body }: JournalRecord, blob: string | undefined): Promise<string> {
  const bytes = blob === undefined ? null : await store.blob(blob)
  return bytes === null ? body : Buffer.from(bytes).toString()
}

/** Records that name pieces of files outside their bodies. Of results with pictures, only a page's can be long enough to be a blob itself. */
function keepsFiles({ name, phase, body }: JournalRecord): boolean {
  if (phase !== 'outcome') return isMessage({ name, phase })
  return keepsPieces(name) || body.includes('"files":[{')
}

/**
 * @param blob where the body is, when the record holds but its name; its hash was checked
 * @returns null for a body that no program of ours wrote: whoever writes the store can give it a hash that is right
 */
async function piecesOf(store: Store, record: JournalRecord, blob: string | undefined): Promise<readonly string[] | null> {
  const text = await bodyOf(store, record, blob)
  if (!text.includes('"pieces"')) return []
  try {
    const { input, media, files } = JSON.parse(text) as {
      input?: { attachments?: readonly KeptFile[] }
      media?: KeptFile
      files?: readonly KeptFile[]
    }
    const kept = [...(input?.attachments ?? []), ...(media === undefined ? [] : [media]), ...(files ?? [])]
    const pieces = kept.flatMap((file) => file.pieces ?? [])
    return pieces.every((piece) => typeof piece === 'string') ? pieces : null
  } catch {
    return null
  }
}
