/** Executes batches of writes: each batch is one transaction, and each write in it is applied whole or not at all. */
import type { CallId, Failure, SessionId, UserId } from '../../base/index.ts'
import { type ChainHead, emptyChain, type NewRecord } from '../../protocol/index.ts'
import { createHasher } from '../chain.ts'
import {
  type ChainDeps,
  chainRecord,
  claimedLane,
  closesCall,
  documentChange,
  eraseBodies,
  type EraseSteps,
  restoreBodies,
  messageRow,
  repeatIn,
  sessionColumns,
  spendColumns,
  sumOfSpend,
  sumOfUse,
  useColumns,
} from '../sql/journal-rules.ts'
import type { EraseStatements, Statements, WriteStatements } from '../sql/statements.ts'
import { failureOf, toStoreError } from '../store-fault.ts'
import { decodeBatch, type DecodedWrite, type Extra, type WriteBatch, type WriteResult } from '../store-message.ts'
import type { MemoryChange } from '../memory.ts'
import type { Projection } from '../store.ts'
import { schemaOf, sqliteMigrationDriver } from './database-file.ts'
import { createMemoryWriter, type MemoryWriter } from './memory-writer.ts'
import { packBytes, packText } from './packed-value.ts'
import type { Database, Durability, Statement } from './sqlite-database.ts'
import { dropTextIndexes, mendIndexes } from './sqlite-structure.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const statements: Pick<Statements, 'write' | 'erase'> = texts

/** @throws OxbowError `store_full`, `store_corrupt` or `store_failed`: then nothing of the batch is in the store. */
export type WriteEngine = (batch: WriteBatch) => readonly WriteResult[]

type Prepared = {
  readonly [Name in keyof WriteStatements]: WriteStatements[Name] extends PreparedFrom<infer Args, infer Row> ? Statement<Args, Row> : never
}
type PreparedFrom<Args, Row> = { readonly types?: { readonly args: Args; readonly row: Row } }

export interface WriteOptions {
  readonly user: UserId
  readonly durability: Durability
  /** Unix milliseconds, for leases. */
  readonly now: () => number
  /** A batch with a write that cannot be stored is refused whole, with `bad_input`. */
  readonly isWhole?: boolean
}

interface WriteDeps extends ChainDeps, WriteOptions {
  readonly database: Database
  readonly own: OwnSteps
  readonly memory: MemoryWriter
}

/** State of one transaction, from write to write. */
interface Work extends WriteDeps {
  readonly prepared: Prepared
  head: ChainHead
  /** Calls that this transaction began and has not ended yet; most end in it, and then have no row. */
  readonly begun: Map<CallId, number>
  /** What this transaction has used of each budget: many calls share a few, whose rows are written once. */
  readonly used: Map<string, ReturnType<typeof useColumns>>
  /** The same of what it has spent in each scope. */
  readonly spent: Map<string, ReturnType<typeof spendColumns>>
  /** Epochs of the lanes that it has looked at. */
  readonly epochs: Map<SessionId, number | undefined>
}

/** Brings the tables up to date first. */
export async function createWriteEngine(database: Database, options: WriteOptions): Promise<WriteEngine> {
  if (schemaOf(database).state === 'behind') {
    // The statements of the steps are loaded only when one has to run.
    const { migrate } = await import('../migrations/migration-runner.ts')
    await migrate(sqliteMigrationDriver(database), { now: options.now })
  }
  // A newer program has indexes of its own.
  if (schemaOf(database).state === 'current') {
    await mendIndexes(database)
    dropTextIndexes(database)
  }
  const { user } = options
  const hash = await createHasher()
  return engineOver({
    ...options,
    database,
    hash,
    own: createOwnSteps(database),
    memory: createMemoryWriter(database, user),
  })
}

function engineOver(deps: WriteDeps): WriteEngine {
  const { database, durability, user } = deps
  const prepared = prepareAll(database, statements.write)

  // The head is read in each transaction: another process may have appended meanwhile.
  const commit = (writes: readonly DecodedWrite[]): readonly WriteResult[] =>
    database.transaction(() => {
      const head = prepared.head.get({ user }) ?? emptyChain
      const work: Work = { ...deps, prepared, head, begun: new Map(), used: new Map(), spent: new Map(), epochs: new Map() }
      const results = writes.map((write) => applyWrite(work, write))
      keepOpenCalls(work)
      for (const [budget, use] of work.used) prepared.addUse.run({ user, budget, ...use })
      for (const [scope, spend] of work.spent) prepared.addSpend.run({ user, scope, ...spend })
      return results
    })

  /**
   * Finds a write that cannot be stored (a bug of its caller) by trying each one alone. When the store itself fails meanwhile, earlier
   * commits are still acknowledged.
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
      const fault = toStoreError(error)
      if (fault.code !== 'bad_input' || deps.isWhole === true) throw fault
      const results = commitEach(writes)
      deps.memory.settle()
      return results
    }
  }
}

function prepareAll(database: Database, templates: WriteStatements): Prepared {
  return Object.fromEntries(Object.entries(templates).map(([name, template]) => [name, database.prepare(template)])) as unknown as Prepared
}

function applyWrite(work: Work, write: DecodedWrite): WriteResult {
  const { extra } = write
  if (extra?.kind === 'blob') return putBlob(work, extra.bytes)
  if (extra?.kind === 'claim') return claimLane(work, extra)
  if (extra?.kind === 'memory') return changeMemory(work, extra.changes)
  // What is under way is not erased.
  if (extra?.kind === 'erase') keepOpenCalls(work)
  if (extra?.kind === 'erase') return JSON.stringify(work.own(eraseBodies(work, extra)))
  if (extra?.kind === 'restore') return work.own(restoreBodies(work, extra.bodies))
  if (extra?.kind !== 'projections') return append(work, write, [])
  const firstSeq = append(work, write, extra.projections)
  if (firstSeq > 0 && extra.memory.length > 0) changeMemory(work, extra.memory)
  return firstSeq
}

function changeMemory(work: Work, changes: readonly MemoryChange[]): null {
  for (const record of work.memory.apply(changes, work.now())) appendRecord(work, record)
  return null
}

/** All checks that can refuse an append come before its first write, so a refused one leaves no trace. */
function append(work: Work, write: DecodedWrite, projections: readonly Projection[]): number {
  const { prepared, user } = work
  const { fence, records } = write
  if (fence !== null && epochOf(work, fence.session) !== fence.epoch) return 0
  const firstSeq = work.head.seq + 1
  const repeated = repeatIn(records, firstSeq, (call) => {
    const seq = work.begun.get(call)
    return seq === undefined ? prepared.placesOf.all({ user, call }) : [{ seq, phase: 'intent' }]
  })
  if (repeated > 0) return -repeated
  for (const record of records) appendRecord(work, record)
  for (const projection of projections) project(work, projection, records, firstSeq)
  return firstSeq
}

function epochOf({ prepared, user, epochs }: Work, session: SessionId): number | undefined {
  if (!epochs.has(session)) epochs.set(session, prepared.lane.get({ user, session })?.epoch)
  return epochs.get(session)
}

function appendRecord(work: Work, appended: NewRecord): void {
  const { prepared, user, head } = work
  const { record, blob } = chainRecord(work, head, appended)
  if (blob !== null) prepared.putBlob.run({ user, hash: blob.hash, bytes: packBytes(blob.bytes) })
  // Only what nothing looks for by SQL is packed.
  const body = record.phase === 'exchange' ? packText(record.body) : record.body
  prepared.insertRecord.run({ user, ...record, body: body as string })
  if (record.phase === 'intent') work.begun.set(record.call, record.seq)
  else if (closesCall(record.phase) && !work.begun.delete(record.call)) prepared.closeCall.run({ user, call: record.call })
  work.head = record
}

function keepOpenCalls({ prepared, user, begun }: Work): void {
  for (const [call, seq] of begun) prepared.openCall.run({ user, call, seq })
  begun.clear()
}

function putBlob(work: Work, bytes: Uint8Array): string {
  const hash = work.hash(bytes)
  work.prepared.putBlob.run({ user: work.user, hash, bytes: packBytes(bytes) })
  return hash
}

function project({ prepared, user, used, spent }: Work, projection: Projection, records: readonly NewRecord[], firstSeq: number): void {
  if (projection.kind === 'message') prepared.addMessage.run({ user, ...messageRow(records, projection.record, firstSeq) })
  else if (projection.kind === 'session') prepared.putSession.run({ user, ...sessionColumns(projection.session) })
  else if (projection.kind === 'document') {
    const { body, ...row } = documentChange(projection, records, firstSeq)
    if (body === null) prepared.dropDocument.run({ user, ...row })
    else prepared.putDocument.run({ user, ...row, body })
  } else if (projection.kind === 'use') {
    const { budget, use } = projection
    used.set(budget, sumOfUse(used.get(budget), useColumns(use)))
  } else {
    const { scope, spend } = projection
    spent.set(scope, sumOfSpend(spent.get(scope), spendColumns(spend)))
  }
}

function claimLane({ prepared, user, now, epochs }: Work, { session, owner, leaseMs }: Extra & { kind: 'claim' }): number | null {
  const lane = claimedLane(prepared.lane.get({ user, session }), owner, leaseMs, now())
  if (lane === null) return null
  prepared.putLane.run({ user, session, ...lane })
  epochs.delete(session)
  return lane.epoch
}

type OwnSteps = <Result>(steps: EraseSteps<Result>) => Result

/** @returns what runs the statements of an erasure, or of a restore */
function createOwnSteps(database: Database): OwnSteps {
  const prepared = new Map<keyof EraseStatements, Statement<object, object>>()
  return (steps) => {
    for (let step = steps.next(); ;) {
      if (step.done === true) return step.value
      const { statement, args, changes } = step.value
      const ready = prepared.get(statement) ?? database.prepare<object, object>(statements.erase[statement])
      prepared.set(statement, ready)
      if (changes) ready.run(args)
      step = steps.next(changes ? [] : ready.all(args))
    }
  }
}
