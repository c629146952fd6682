/**
 * The engine over a Postgres driver: batches as transactions in one session, concurrent reads in others. It decides what is retried. A
 * batch whose connection was lost before its commit was sent is sent again; one whose answer was lost is looked up first, so that it is
 * never written twice and never reported as lost when it was written.
 */
import { type Failure, isOxbowError, OxbowError, type UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { createHasher } from '../chain.ts'
import type { SnapshotChoice } from '../memory.ts'
import { eraseSnapshots } from '../snapshot/erase-snapshots.ts'
import { maxConflictRetries, maxWaitingReads, patienceMs as usualPatienceMs, startPatienceMs as usualStartPatienceMs } from '../limits.ts'
import type { Statements } from '../sql/statements.ts'
import { failureOf } from '../store-fault.ts'
import { type DecodedWrite, decodeBatch, type EngineLink, type Read, type ReadResults, type WriteResult } from '../store-message.ts'
import { memoryWrite } from './memory-writer.ts'
import { createPostgresMemory } from './postgres-memory.ts'
import { createEraser, type SynchronousCommit, tookPlace, transact, type Transacted, type TransactionDeps } from './write-transaction.ts'
import { postgresFault, retryWaitMs } from './postgres-fault.ts'
import { createReader } from './postgres-reader.ts'
import { checkTables, noPgvector, pgvectorVersion } from './postgres-schema.ts'
import { prepareTables } from './postgres-structure.ts'
import { protectRows } from './row-security.ts'
import { settleShared, shareWrite } from './cluster/shared-budgets.ts'
import type { PostgresDriver, PostgresSession } from './postgres-session.ts'
import { createWriteSession, type WriteSession } from './write-session.ts'
import texts from './statements.json' with { type: 'json' }

/** Written by `scripts/make-statements.ts`. */
const statements: Statements = texts

export interface EngineOptions {
  readonly driver: PostgresDriver
  readonly user: UserId
  /** See `PostgresOptions.role`. The driver connects as it. */
  readonly rowRole?: string
  readonly shown: string
  readonly durability: 'normal' | 'full'
  readonly exclusive: boolean
  readonly readOnly: boolean
  /** Of a guest in a cluster: every transaction is refused once it is not the newest. */
  readonly lease?: GuestLease
  readonly patienceMs?: number
  /** How long opening, and what is asked before it succeeded, waits for a server that is down; never longer than `patienceMs`. */
  readonly startPatienceMs?: number
  /** Called when writing works again after it did not. */
  readonly mended?: () => void
  /** Opened by the first search, and erased with any memory that it may hold. Absent: each first search reads all of memory. */
  readonly snapshot?: SnapshotChoice
}

export interface PostgresEngine extends EngineLink {
  /** Connects, takes the lock, brings the tables up to date. @throws OxbowError */
  open(): Promise<void>
  /** A warning for a person, once it is open for writing; else empty. */
  warning(): string
  /** Writes what a search holds to its snapshot, if much of it is new. Never throws. */
  keepSearch(): Promise<void>
}

export async function createPostgresEngine(options: EngineOptions): Promise<PostgresEngine> {
  const { driver, user, shown, readOnly, snapshot, patienceMs = usualPatienceMs, startPatienceMs = usualStartPatienceMs } = options
  const hash = await createHasher()
  const erase = createEraser({ statements: statements.erase, user, hash })
  const fenced = options.lease === undefined ? null : { lease: options.lease, shown }
  const own = { erase, restore: erase, memory: memoryWrite(user), ...(fenced !== null && { share: shareWrite(user) }) }
  const deps: TransactionDeps = { user, hash, own, fenced, ...(fenced !== null && { settle: (spent) => settleShared(user, spent) }) }
  let warning = ''
  const writer = createWriteSession({
    ...options,
    patienceMs,
    async prepare(session) {
      await prepareTables(session, shown)
      if (options.rowRole) await protectRows(session, options.rowRole)
      warning = (await pgvectorVersion(session)) === null ? noPgvector : ''
    },
    mended: options.mended ?? (() => {}),
  })
  const memory = createPostgresMemory(user, snapshot && { ...snapshot, user, masters: () => snapshot.masters })
  const read = createReader({ statements, user, memory: memory.read })
  let wasRead = false
  const patience = (): number => (wasRead || writer.everReady() ? patienceMs : Math.min(patienceMs, startPatienceMs))
  const reads = createReads(options, patience, writer)
  let opening: Promise<void> | null = null

  const open = (): Promise<void> => {
    opening ??= readOnly
      ? reads.run((session) => checkTables(session, shown)).then(() => void (wasRead = true))
      : writer.ready(Date.now() + patience()).then(() => {})
    // A server that was down may come up: the next request tries again.
    opening.catch(() => (opening = null))
    return opening
  }
  return {
    open,
    shares: fenced !== null,
    warning: () => warning,
    async write(batch) {
      if (readOnly) throw new OxbowError('store_failed', 'The store was opened for reading only.', { hint: 'Open it for writing.' })
      const commit: SynchronousCommit = batch.sync || options.durability === 'full' ? 'on' : 'local'
      const writes = decodeBatch(batch)
      const all = async (some: readonly DecodedWrite[]) => {
        const results = await commitWrites({ writer, deps, shown, commit, until: Date.now() + patience() }, some)
        if (snapshot !== undefined && some.some(erases)) forget(snapshot)
        return results
      }
      try {
        return await all(writes)
      } catch (error) {
        if (!isOxbowError(error, 'bad_input')) throw error
        return eachAlone(writes, all)
      }
    },
    async read<Kind extends Read['kind']>(request: Read & { kind: Kind }) {
      await open().catch((error: unknown) => {
        // What cannot be written may still be read, unless another guest holds it or the address is wrong.
        if (readOnly) throw error
        if (!writer.everReady() && (isOxbowError(error, 'workspace_busy') || isOxbowError(error, 'bad_config'))) throw error
      })
      return (await reads.run((session) => read(session, request))) as ReadResults[Kind]
    },
    async keepSearch() {
      if (memory.isDue()) await reads.run(memory.keep).catch(() => {})
    },
    async close() {
      await writer.close()
      await driver.close()
    },
  }
}

function erases({ extra }: DecodedWrite): boolean {
  return extra?.kind === 'memory' && extra.changes.some(({ change }) => change === 'erase')
}

function forget({ path }: SnapshotChoice): void {
  try {
    eraseSnapshots(path)
  } catch {
    // There is no such folder here. A file that cannot be removed is tried again by whoever searches: it sees that something is gone.
  }
}

interface CommitDeps {
  readonly writer: WriteSession
  readonly deps: TransactionDeps
  readonly shown: string
  readonly commit: SynchronousCommit
  readonly until: number
}

/** @throws OxbowError `bad_input` when some write cannot be stored; any other when the store fails. Then nothing was written. */
async function commitWrites(on: CommitDeps, writes: readonly DecodedWrite[]): Promise<readonly WriteResult[]> {
  const { writer, deps, shown, commit, until } = on
  let unknown: (Transacted & { outcome: 'unknown' }) | null = null
  let conflicts = 0
  for (let attempt = 0; ; attempt++) {
    const wait = retryWaitMs(attempt)
    let session: PostgresSession
    try {
      session = await writer.ready(until)
    } catch (error) {
      throw unknown === null ? error : lostAnswer(shown, error)
    }
    try {
      if (unknown !== null && (await tookPlace(session, deps.user, unknown.trace))) return unknown.results
      unknown = null
      const done = await transact(session, deps, writes, commit)
      if (done.outcome === 'committed') return done.results
      unknown = done
    } catch (error) {
      const fault = postgresFault(error, shown, session.isLost())
      if (fault.kind === 'value') throw fault.error
      if (fault.kind === 'away') await writer.drop(session)
      const again = fault.kind === 'away' ? Date.now() + wait < until : fault.kind === 'conflict' && conflicts++ < maxConflictRetries
      if (!again) {
        if (fault.kind !== 'conflict') writer.down(fault)
        throw unknown === null ? fault.error : lostAnswer(shown, error)
      }
      await new Promise((resolve) => void setTimeout(resolve, wait))
    }
  }
}

/** Finds a write that cannot be stored by trying each one alone; the others are committed. */
async function eachAlone(
  writes: readonly DecodedWrite[],
  all: (writes: readonly DecodedWrite[]) => Promise<readonly WriteResult[]>,
): Promise<readonly WriteResult[]> {
  const results: WriteResult[] = []
  let failed: Failure | null = null
  for (const write of writes) {
    if (failed !== null) {
      results.push(failed)
      continue
    }
    try {
      results.push((await all([write]))[0] ?? null)
    } catch (error) {
      const failure = failureOf(error as OxbowError)
      if (failure.code !== 'bad_input') failed = failure
      results.push(failure)
    }
  }
  return results
}

interface Reads {
  run<Result>(work: (session: PostgresSession) => Promise<Result>): Promise<Result>
}

/** Reads are retried while the server is away, as long as patience lasts; once it is known to be down they are tried once. */
function createReads({ driver, shown }: EngineOptions, patience: () => number, writer: WriteSession): Reads {
  let waiting = 0
  const tried = async <Result>(work: (session: PostgresSession) => Promise<Result>): Promise<Result> => {
    const until = Date.now() + patience()
    for (let attempt = 0; ; attempt++) {
      const wait = retryWaitMs(attempt)
      let isLost = false
      try {
        return await driver.read(async (session) => {
          try {
            return await work(session)
          } finally {
            isLost = session.isLost()
          }
        })
      } catch (error) {
        const fault = postgresFault(error, shown, isLost)
        if (fault.kind !== 'away' || writer.fault() !== null || Date.now() + wait > until) throw fault.error
      }
      await new Promise((resolve) => void setTimeout(resolve, wait))
    }
  }
  return {
    async run(work) {
      if (waiting >= maxWaitingReads) {
        const hint = 'Wait for answers before you send more.'
        throw new OxbowError('limit_reached', `${maxWaitingReads} reads are already waiting for the store.`, { hint })
      }
      waiting++
      try {
        return await tried(work)
      } finally {
        waiting--
      }
    },
  }
}

function lostAnswer(shown: string, cause: unknown): OxbowError {
  return new OxbowError('store_failed', `${shown} was lost during a commit: it is not known whether this was written.`, {
    hint: 'Look it up when the server is back: Oxbow then resumes by itself.',
    cause,
  })
}
