/** Executes batches of writes: each batch is one transaction, each write in it happens whole or not at all. */
import { Buffer } from 'node:buffer'
import assert from 'node:assert/strict'
import { type ChainHead, emptyChain, type Failure, type JournalRecord, type NewRecord, type UserId } from '../../types/index.ts'
import { blobReference, type Hasher, looksLikeMark, recordText, storableRecord } from '../chain.ts'
import { maxInlineBodyBytes } from '../limits.ts'
import { closesCall } from '../sql/record-rules.ts'
import type { WriteStatements } from '../sql/write-statements.ts'
import { failureOf, toStoreError } from '../store-fault.ts'
import { type DecodedWrite, decodeBatch, type Extra, type WriteBatch, type WriteResult } from '../store-message.ts'
import type { Projection } from '../store.ts'
import type { Eraser } from './erase-engine.ts'
import type { MemoryWriter } from './memory/memory-writer.ts'
import type { Database, Durability, Statement } from './sqlite-database.ts'

/** @throws OxbowError `store_full`, `store_corrupt` or `store_failed`: then nothing of the batch is in the store. */
export type WriteEngine = (batch: WriteBatch) => readonly WriteResult[]

type Prepared = {
  readonly [Name in keyof WriteStatements]: WriteStatements[Name] extends PreparedFrom<infer Args, infer Row> ? Statement<Args, Row> : never
}
type PreparedFrom<Args, Row> = { readonly types?: { readonly args: Args; readonly row: Row } }

export interface WriteDeps {
  readonly database: Database
  readonly statements: WriteStatements
  readonly user: UserId
  readonly durability: Durability
  readonly hash: Hasher
  /** Unix milliseconds, for leases. */
  readonly now: () => number
  readonly erase: Eraser
  readonly memory: MemoryWriter
}

/** What one transaction carries from write to write. */
interface Work extends WriteDeps {
  readonly prepared: Prepared
  head: ChainHead
}

export function createWriteEngine(deps: WriteDeps): WriteEngine {
  const { database, durability, user } = deps
  const prepared = prepareAll(database, deps.statements)

  // The head is read anew in each transaction: another process may have appended meanwhile.
  const commit = (writes: readonly DecodedWrite[]): readonly WriteResult[] =>
    database.transaction(() => {
      const work: Work = { ...deps, prepared, head: prepared.head.get({ user }) ?? emptyChain }
      return writes.map((write) => applyWrite(work, write))
    })

  /**
   * A write that cannot be stored (a bug of its caller) is found by trying each one alone. When the store itself fails on the
   * way, what was committed before is still answered as committed.
   */
  const commitEach = (writes: readonly DecodedWrite[]): readonly WriteResult[] => {
    let fault: Failure | null = null
    return writes.map((write) => {
      if (fault !== null) return fault
      try {
        return commit([write])[0] ?? null
      } catch (error) {
        const failure = failureOf(toStoreError(error))
        if (failure.code !== 'bad_input') fault = failure
        return failure
      }
    })
  }

  return (batch) => {
    const writes = decodeBatch(batch)
    try {
      database.setDurability(batch.sync ? 'full' : durability)
      const results = commit(writes)
      deps.memory.settle()
      if (batch.extras.some(({ kind }) => kind === 'erase')) database.emptyLog()
      return results
    } catch (error) {
      const known = toStoreError(error)
      if (known.code !== 'bad_input') throw known
      const results = commitEach(writes)
      deps.memory.settle()
      return results
    }
  }
}

function prepareAll(database: Database, statements: WriteStatements): Prepared {
  return Object.fromEntries(Object.entries(statements).map(([name, template]) => [name, database.prepare(template)])) as unknown as Prepared
}

function applyWrite(work: Work, write: DecodedWrite): WriteResult {
  const { extra } = write
  if (extra?.kind === 'blob') return putBlob(work, extra.bytes)
  if (extra?.kind === 'claim') return claimLane(work, extra)
  if (extra?.kind === 'memory') return changeMemory(work, extra)
  if (extra?.kind === 'erase') return JSON.stringify(work.erase(extra.seqs, extra.reason))
  return append(work, write, extra?.kind === 'projections' ? extra.projections : [])
}

function changeMemory(work: Work, { changes }: Extra & { kind: 'memory' }): null {
  work.memory.apply(changes)
  return null
}

/** Everything that can refuse an append is looked at before its first write, so a refused one leaves no trace. */
function append(work: Work, write: DecodedWrite, projections: readonly Projection[]): number {
  const { prepared, user } = work
  const { fence, records } = write
  if (fence !== null && prepared.lane.get({ user, session: fence.session })?.epoch !== fence.epoch) return 0
  if (write.unique) {
    const first = records[0]
    assert(first?.phase === 'intent', 'a unique append begins with an intent')
    const earlier = prepared.intentOf.get({ user, call: first.call })
    if (earlier !== undefined) return -earlier.seq
  }
  const firstSeq = work.head.seq + 1
  for (const record of records) appendRecord(work, record)
  for (const projection of projections) project(work, projection, records, firstSeq)
  return firstSeq
}

function appendRecord(work: Work, appended: NewRecord): void {
  const { prepared, user, head } = work
  const seq = head.seq + 1
  const record = storableRecord(appended)
  const bodyHash = work.hash(record.body)
  const unhashed = { ...record, body: storedBody(work, record.body, bodyHash), seq, previous: head.hash }
  const stored: JournalRecord = { ...unhashed, hash: work.hash(recordText(user, unhashed, bodyHash)) }
  prepared.insertRecord.run({ user, ...stored })
  if (record.phase === 'intent') prepared.openCall.run({ user, call: record.call, seq })
  else if (closesCall(record.phase)) prepared.closeCall.run({ user, call: record.call })
  work.head = stored
}

/** @returns the body itself, or the reference in its place after the body was put into the blob table. */
function storedBody({ prepared, user }: Work, body: string, hash: string): string {
  // Three bytes is the most that UTF-8 takes for a UTF-16 unit: short texts need no counting.
  const small =
    body.length * 3 <= maxInlineBodyBytes || (body.length <= maxInlineBodyBytes && Buffer.byteLength(body) <= maxInlineBodyBytes)
  if (small && !looksLikeMark(body)) return body
  const bytes = Buffer.from(body, 'utf8')
  prepared.putBlob.run({ user, hash, bytes })
  return blobReference(hash, bytes.length)
}

function putBlob(work: Work, bytes: Uint8Array): string {
  const hash = work.hash(bytes)
  work.prepared.putBlob.run({ user: work.user, hash, bytes })
  return hash
}

function project(work: Work, projection: Projection, records: readonly NewRecord[], firstSeq: number): void {
  const { prepared, user } = work
  if (projection.kind === 'message') {
    const record = records[projection.record]
    assert(record !== undefined, 'a message projection names a record of its append')
    prepared.addMessage.run({ user, session: record.session, seq: firstSeq + projection.record })
    return
  }
  if (projection.kind === 'session') {
    const { createdAt, activeAt, ...row } = projection.session
    prepared.putSession.run({ user, ...row, created_at: createdAt, active_at: activeAt })
    return
  }
  const { microDollars, tokens } = projection.spend
  assert(Number.isSafeInteger(microDollars) && microDollars >= 0, 'spent micro-dollars are a whole number, not negative')
  assert(Number.isSafeInteger(tokens) && tokens >= 0, 'spent tokens are a whole number, not negative')
  prepared.addSpend.run({ user, scope: projection.scope, micro_dollars: microDollars, tokens })
}

function claimLane(work: Work, claim: Extra & { kind: 'claim' }): number | null {
  const { prepared, user } = work
  const { session, owner, leaseMs } = claim
  const now = work.now()
  const lane = prepared.lane.get({ user, session })
  if (lane !== undefined && lane.owner !== owner && lane.lease_until > now) return null
  const epoch = (lane?.epoch ?? 0) + 1
  prepared.putLane.run({ user, session, owner, epoch, lease_until: now + leaseMs })
  return epoch
}
