/**
 * `audit verify`: reads a user's whole journal in order and checks that nothing was changed, removed, or left out.
 *
 * Every record is hashed again and held to its neighbour; every blob is hashed once; every call that began has an end, or is
 * named as open; every head that the runner signed stands in the chain as it was signed; every body that was erased is one that
 * a later record says was erased. The next page is read while this one is hashed, and only the ids of calls without an end and the
 * places of erased bodies are kept, so memory does not grow with the journal.
 */
import { createPublicKey, verify } from 'node:crypto'
import { createHasher, type Hasher, parseErased, parseReference, recordHolds, type Store } from '../../store/index.ts'
import { type CallId, emptyChain, type JournalRecord, type KeptFile, type SignedHead, signedHeadText } from '../../types/index.ts'
import { createErasures, type Erasures } from './erasures.ts'

export interface AuditReport {
  readonly ok: boolean
  readonly records: number
  readonly blobs: number
  /** The first record that does not hold, and why. */
  readonly first_bad: { readonly seq: number; readonly why: string } | null
  /** Calls that have begun and not ended: under way, waiting for a person, or cut off and not yet taken up again. */
  readonly open: readonly { readonly seq: number; readonly call: CallId; readonly name: string }[]
  readonly signed_heads: { readonly checked: number; readonly bad: readonly { readonly seq: number; readonly why: string }[] }
  /**
   * `unchecked`: records of the first format whose bodies were erased, so that only their place could be checked. `unexplained`:
   * records whose bodies are gone and of which no record says so, the first hundred.
   */
  readonly erased: { readonly bodies: number; readonly unchecked: number; readonly unexplained: readonly number[] }
  readonly ms: number
}

/** Records read at once. */
const pageSize = 5_000
/** Open calls, and unexplained erasures, that are named in the report; a journal with more has another problem. */
const maxNamed = 100

/** @param publicKey PEM of the runner's key; empty when there are no signed heads to check */
export async function verifyJournal(store: Store, heads: readonly SignedHead[], publicKey: string): Promise<AuditReport> {
  const began = performance.now()
  const check = createCheck(store, await createHasher(), heads)
  for (let page = readPage(store, 0); ;) {
    const records = await page
    const last = records.at(-1)
    if (last === undefined) break
    page = readPage(store, last.seq)
    page.catch(() => {})
    await check.take(records)
    if (check.firstBad() !== null) break
  }
  const signed = check.signedHeads(store.user, publicKey)
  const firstBad = check.firstBad()
  const erased = check.erased()
  return {
    ok: firstBad === null && signed.bad.length === 0 && erased.unexplained.length === 0,
    records: check.records(),
    blobs: check.blobs(),
    first_bad: firstBad,
    open: check.open(),
    signed_heads: signed,
    erased,
    ms: Math.round(performance.now() - began),
  }
}

function readPage(store: Store, after: number): Promise<readonly JournalRecord[]> {
  return store.records({ after, order: 'oldest_first', limit: pageSize, hydrate: false })
}

function createCheck(store: Store, hash: Hasher, heads: readonly SignedHead[]) {
  let head = emptyChain
  let bad: AuditReport['first_bad'] = null
  let count = 0
  const openCalls = new Map<CallId, { seq: number; call: CallId; name: string }>()
  const seenBlobs = new Set<string>()
  const erasures = createErasures(maxNamed)
  const wanted = new Map(heads.map((signed) => [signed.seq, signed.seq === emptyChain.seq ? emptyChain.hash : '']))

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
      // One end cannot close two beginnings: the other would have none, and nobody would miss it.
      if (earlier !== undefined) return `it begins a call that record ${earlier.seq} had begun and that has not ended`
      openCalls.set(call, { seq, call, name })
    } else if (phase === 'outcome' || phase === 'reconciled') {
      if (!openCalls.delete(call)) return `it is the ${phase} of a call that was never begun, or had ended`
    } else if (phase === 'refused') openCalls.delete(call)
    return null
  }

  return {
    async take(records: readonly JournalRecord[]): Promise<void> {
      for (const record of records) {
        // The record's own hash comes first: only after it is the body known to be the text that was written.
        let why = judge(record)
        const reference = why === null ? parseReference(record.body) : null
        if (reference !== null && !seenBlobs.has(reference.blob)) why = await judgeBlob(reference.blob, record.seq)
        const pieces = why === null && keepsFiles(record) ? await piecesOf(store, record, reference?.blob) : []
        if (pieces === null) why = 'it names files in a way that nobody can read'
        for (const piece of pieces ?? []) if (!seenBlobs.has(piece)) why ??= await judgeBlob(piece, record.seq)
        if (why !== null) return void (bad = { seq: record.seq, why })
        head = record
        count++
        if (wanted.has(record.seq)) wanted.set(record.seq, record.hash)
      }
    },
    firstBad: () => bad,
    records: () => count,
    blobs: () => seenBlobs.size,
    erased: erasures.report,
    open: () => [...openCalls.values()].slice(0, maxNamed),
    signedHeads: (user: string, publicKey: string) =>
      judgeHeads(heads, user, publicKey, bad?.seq ?? Infinity, (seq) => wanted.get(seq) ?? ''),
  }
}

/** @returns whether the record's body was erased since its page was read, which takes its blobs away. */
async function wasErased(store: Store, seq: number, erasures: Erasures): Promise<boolean> {
  const [now] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: false })
  if (now === undefined || parseErased(now.body) === null) return false
  erasures.add(seq, now.body)
  return true
}

/** Records that name pieces of files beside their bodies. Of results with pictures only that of a page can be so long that it is a blob itself. */
function keepsFiles({ name, phase, body }: JournalRecord): boolean {
  if (phase !== 'outcome') return name === 'turn.send' && phase === 'intent'
  return name === 'media.send' || name === 'browser.screenshot' || body.includes('"files":[{')
}

/**
 * @param blob where the body is, when the record holds but its name; its hash was checked
 * @returns null for a body that no program of ours wrote: whoever writes the store can give it a hash that is right
 */
async function piecesOf(store: Store, { body }: JournalRecord, blob: string | undefined): Promise<readonly string[] | null> {
  const bytes = blob === undefined ? null : await store.blob(blob)
  const text = bytes === null ? body : Buffer.from(bytes).toString()
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

function judgeHeads(
  heads: readonly SignedHead[],
  user: string,
  publicKey: string,
  upTo: number,
  hashAt: (seq: number) => string,
): AuditReport['signed_heads'] {
  if (heads.length === 0) return { checked: 0, bad: [] }
  const key = createPublicKey(publicKey)
  const checked = heads.filter((head) => head.seq < upTo)
  const bad = checked.flatMap((head) => {
    if (!verify(null, Buffer.from(signedHeadText(user, head)), key, Buffer.from(head.signature, 'base64')))
      return [{ seq: head.seq, why: 'the signature is not the runner’s' }]
    const found = hashAt(head.seq)
    if (found === '') return [{ seq: head.seq, why: 'the journal ends before this signed record: its end was cut off' }]
    return found === head.hash ? [] : [{ seq: head.seq, why: 'the journal has another record here than the one that was signed' }]
  })
  return { checked: checked.length, bad }
}
