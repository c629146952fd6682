/**
 * Writes a batch as one transaction in two round trips: the first locks the chain and reads what the batch needs, the second writes the
 * rows and commits. Rows are sent as JSON, one statement per table, so that the size of a batch does not change the number of trips.
 *
 * The head is read under an advisory lock of the user, so that two processes cannot fork a chain; the primary key of the journal would
 * refuse the second in any case.
 */
import type { UserId } from '../../base/index.ts'
import type { GuestLease } from '../../config/index.ts'
import { emptyChain, type NewRecord, type Phase } from '../../protocol/index.ts'
import type { Hasher } from '../chain.ts'
import { type ChainDeps, eraseBodies, type EraseSteps, restoreBodies } from '../sql/journal-rules.ts'
import type { EraseStatements } from '../sql/statements.ts'
import { bind, type Placed } from '../sql/template.ts'
import type { DecodedWrite, Extra, WriteResult } from '../store-message.ts'
import { addWrite, type Effects, type Known, noEffects, type Wanted, wantedBy } from './batch-effects.ts'
import { flushQueries, knownQueries } from './batch-statements.ts'
import { newestLeaseQuery, refuseStale } from './lease-fence.ts'
import type { PostgresSession, Query } from './postgres-session.ts'

/**
 * A write that is no row of the journal: it runs its own statements in the transaction of its batch. `records` are appended behind it.
 * @param now the database's clock, unix milliseconds
 */
export type OwnWrite = (
  session: PostgresSession,
  extra: Extra,
  now: number,
) => Promise<{ readonly result: WriteResult; readonly records?: readonly NewRecord[] }>

type OwnWrites = Readonly<Partial<Record<Extra['kind'], OwnWrite>>>

/** What a guest in a cluster may write under. */
interface Fenced {
  readonly lease: GuestLease
  /** The address without its password. */
  readonly shown: string
}

export interface TransactionDeps extends ChainDeps {
  readonly own: OwnWrites
  /** Null outside of a cluster. */
  readonly fenced: Fenced | null
  /** What spending changes elsewhere, in the same transaction. */
  readonly settle?: (spent: Effects['spent']) => readonly Query[]
}

/** `local` survives the end of the database server, `on` also the loss of its machine, where it has a synchronous standby. */
export type SynchronousCommit = 'local' | 'on'

/** What identifies a transaction whose answer was lost, to find out whether it was committed. */
interface Trace {
  /** The last record it wrote; null when it wrote none. */
  readonly last: { readonly seq: number; readonly hash: string } | null
  /** Its number in the database. */
  readonly transaction: string
}

/** `unknown`: the connection was lost between commit and answer. */
export type Transacted =
  | { readonly outcome: 'committed'; readonly results: readonly WriteResult[] }
  | { readonly outcome: 'unknown'; readonly results: readonly WriteResult[]; readonly trace: Trace; readonly error: unknown }

/** @throws what the driver throws; then nothing was written, and the session is outside of a transaction or lost. */
export async function transact(
  session: PostgresSession,
  deps: TransactionDeps,
  writes: readonly DecodedWrite[],
  commit: SynchronousCommit,
): Promise<Transacted> {
  const { known, transaction } = await begin(session, deps, wantedBy(writes), commit)
  const results: WriteResult[] = []
  const effects = noEffects(known)
  let sent: Promise<unknown>[] = []
  try {
    for (const write of writes) {
      const isAppend = write.extra === null || deps.own[write.extra.kind] === undefined
      if (isAppend) results.push(addWrite(deps, effects, write))
      const ownExtra = isAppend ? memoryOf(write, results.at(-1)!) : write.extra
      const own = ownExtra === null ? undefined : deps.own[ownExtra.kind]
      if (own === undefined || ownExtra === null) continue
      // It may depend on writes before it.
      await Promise.all(flush(session, deps, effects))
      const { result, records = [] } = await own(session, ownExtra, effects.now)
      if (!isAppend) results.push(result)
      addWrite(deps, effects, { records, fence: null, extra: null })
    }
    sent = flush(session, deps, effects)
  } catch (error) {
    await rollBack(session)
    throw error
  }
  const last = effects.head.seq === known.head.seq ? null : { seq: effects.head.seq, hash: effects.head.hash }
  const committing = session.exec('commit')
  committing.catch(ignore)
  try {
    await Promise.all(sent)
  } catch (error) {
    // After a failed statement, commit rolls back.
    await committing.catch(ignore)
    if (!session.isLost()) throw error
    return { outcome: 'unknown', results, trace: { last, transaction }, error }
  }
  try {
    const tag = await committing
    if (tag !== 'COMMIT') throw new Error(`the commit was answered with ${tag}`)
    return { outcome: 'committed', results }
  } catch (error) {
    if (!session.isLost()) throw error
    return { outcome: 'unknown', results, trace: { last, transaction }, error }
  }
}

/** @returns the changes of memory that an append brings, unless it was refused */
function memoryOf({ extra }: DecodedWrite, firstSeq: WriteResult): Extra | null {
  if (extra?.kind !== 'projections' || extra.memory.length === 0 || (firstSeq as number) <= 0) return null
  return { at: extra.at, kind: 'memory', changes: extra.memory }
}

/** Runs in a new session after the connection was lost: the lock waits until the old transaction has ended either way. */
export async function tookPlace(session: PostgresSession, user: UserId, { last, transaction }: Trace): Promise<boolean> {
  await session.exec('begin isolation level read committed')
  try {
    const asked = knownQueries(user, { lanes: [], calls: [] })
    await session.rows(asked.lock)
    if (last !== null) {
      const [row] = await session.rows({ text: 'select "hash" from "journal" where "user" = $1 and "seq" = $2', values: [user, last.seq] })
      return row?.[0] === last.hash
    }
    const [status] = await session.rows({ text: 'select pg_xact_status($1::text::xid8)', values: [transaction] })
    return status?.[0] === 'committed'
  } finally {
    await rollBack(session)
  }
}

interface Begun {
  readonly known: Known
  readonly transaction: string
}

async function begin(
  session: PostgresSession,
  { user, fenced }: Pick<TransactionDeps, 'user' | 'fenced'>,
  wanted: Wanted,
  commit: SynchronousCommit,
): Promise<Begun> {
  const asked = knownQueries(user, wanted)
  // Sent together, answered in order. Each statement sees what was committed before it: the head is read after the lock is held.
  const began = session.exec(`begin isolation level read committed read write; set local synchronous_commit = ${commit}`)
  const answers = [asked.lock, asked.head, asked.lanes, asked.places, fenced && newestLeaseQuery(user)].map(async (query) =>
    query === null ? [] : session.rows(query),
  )
  const settled = await Promise.allSettled([began, ...answers])
  const failed = settled.find((answer) => answer.status === 'rejected')
  if (failed !== undefined) {
    await rollBack(session)
    throw failed.reason
  }
  const [lock, head, lanes, found, newest] = await Promise.all(answers)
  if (fenced !== null) {
    try {
      refuseStale(fenced.lease, newest?.[0], fenced.shown)
    } catch (error) {
      await rollBack(session)
      throw error
    }
  }
  const [, transaction, now] = lock?.[0] ?? []
  const [seq, hash] = head?.[0] ?? [emptyChain.seq, emptyChain.hash]
  const places = new Map<string, Placed[]>()
  for (const [call, at, phase] of found ?? [])
    places.set(call as string, [...(places.get(call as string) ?? []), { seq: at as number, phase: phase as Phase }])
  const known: Known = {
    head: { seq: seq as number, hash: hash as string },
    now: now as number,
    lanes: new Map(
      (lanes ?? []).map(([id, owner, epoch, until]) => {
        const lane = { session: id as never, owner: owner as string, epoch: epoch as number, lease_until: until as number }
        return [lane.session, lane]
      }),
    ),
    places,
  }
  return { known, transaction: transaction as string }
}

/** Sends the rows and empties them; what is not awaited at once is awaited with the commit. */
function flush(session: PostgresSession, { user, settle }: TransactionDeps, effects: Effects): Promise<unknown>[] {
  const sent = [...flushQueries(user, effects), ...(settle?.(effects.spent) ?? [])].map((query) => session.rows(query))
  for (const answer of sent) answer.catch(ignore)
  effects.records.length = 0
  effects.messages.length = 0
  for (const rows of [
    effects.blobs,
    effects.closed,
    effects.opened,
    effects.sessions,
    effects.spent,
    effects.used,
    effects.documents,
    effects.lanes,
  ])
    rows.clear()
  return sent
}

/** Ends the transaction; a lost connection has already ended it. */
async function rollBack(session: PostgresSession): Promise<void> {
  if (!session.isLost()) await session.exec('rollback').catch(ignore)
}

function ignore(): void {}

interface EraseDeps {
  readonly statements: EraseStatements
  readonly user: UserId
  readonly hash: Hasher
}

/** @returns what an `erase` or a `restore` of a batch runs. The old rows stay in the table's file until it is vacuumed. */
export function createEraser({ statements, user, hash }: EraseDeps): OwnWrite {
  return async (session, extra) => {
    if (extra.kind !== 'erase' && extra.kind !== 'restore') return { result: null }
    const steps: EraseSteps<object | number> =
      extra.kind === 'erase' ? eraseBodies({ user, hash }, extra) : restoreBodies({ user, hash }, extra.bodies)
    for (let step = steps.next(); ;) {
      if (step.done === true) return { result: typeof step.value === 'number' ? step.value : JSON.stringify(step.value) }
      const { sql, parameters } = statements[step.value.statement]
      step = steps.next(await session.objects({ text: sql, values: bind(parameters, step.value.args) }))
    }
  }
}
