/** Every statement that reads. Neutral: any dialect's builder compiles them. */
import type { CallId, ChainHead, Phase, SessionId } from '../../types/index.ts'
import { historyColumns, recordColumns } from '../store-message.ts'
import { maxRowsPerRead } from '../limits.ts'
import type { RecordQuery } from '../store.ts'
import type { Tables } from './tables.ts'
import { template, type SlotMaker, type Template } from './template.ts'
import type { UserTables } from './user-tables.ts'

interface Of {
  user: string
}

export interface ReadStatements {
  readonly history: Template<Of & { session: SessionId; before: number; limit: number }>
  readonly openIntents: Template<Of>
  readonly head: Template<Of, ChainHead>
  readonly blob: Template<Of & { hash: string }, { bytes: Uint8Array }>
  readonly bodyAt: Template<Of & { seq: number }, { body: string }>
  readonly session: Template<Of & { id: SessionId }, Tables['session']>
  readonly sessions: Template<Of & { limit: number }, Tables['session']>
  readonly spent: Template<Of & { scope: string }, { micro_dollars: number; tokens: number }>
}

export function readStatements(db: UserTables): ReadStatements {
  const sessions = (slot: SlotMaker<Of>) => db.of(slot).selectFrom('session').selectAll()
  return {
    history: template((slot) => historyQuery(db, slot)),
    openIntents: template((slot) =>
      db
        .of(slot)
        .selectFrom('open_call as o')
        .innerJoin('journal as j', (on) => on.onRef('j.user', '=', 'o.user').onRef('j.seq', '=', 'o.seq'))
        .select(recordColumns.map((column) => `j.${column}` as const))
        .orderBy('o.seq'),
    ),
    head: template((slot) => db.of(slot).selectFrom('journal').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1)),
    blob: template((slot) => db.of(slot).selectFrom('blob').select('bytes').where('hash', '=', slot('hash'))),
    bodyAt: template((slot) => db.of(slot).selectFrom('journal').select('body').where('seq', '=', slot('seq'))),
    session: template((slot) => sessions(slot).where('id', '=', slot('id'))),
    sessions: template((slot) => sessions(slot).orderBy('active_at', 'desc').orderBy('id', 'desc').limit(slot('limit'))),
    spent: template((slot) => db.of(slot).selectFrom('account').select(['micro_dollars', 'tokens']).where('scope', '=', slot('scope'))),
  }
}

function historyQuery(db: UserTables, slot: SlotMaker<Of & { session: SessionId; before: number; limit: number }>) {
  return db
    .of(slot)
    .selectFrom('message as m')
    .innerJoin('journal as j', (on) => on.onRef('j.user', '=', 'm.user').onRef('j.seq', '=', 'm.seq'))
    .select(historyColumns.map((column) => `j.${column}` as const))
    .where('m.session', '=', slot('session'))
    .where('m.seq', '<', slot('before'))
    .orderBy('m.seq', 'desc')
    .limit(slot('limit'))
}

/** Values of a records query; which of them its statement uses depends on the query's shape. */
export interface RecordArgs extends Of {
  after: number
  before: number
  session: SessionId | ''
  call: CallId | ''
  limit: number
}

export function recordArgs(user: string, query: RecordQuery): RecordArgs {
  return {
    user,
    after: query.after ?? 0,
    before: query.before ?? Number.MAX_SAFE_INTEGER,
    session: query.session ?? '',
    call: query.call ?? '',
    limit: rowLimit(query.limit),
  }
}

/** @returns how many rows are read when so many are asked for. */
export function rowLimit(limit: number): number {
  return Math.max(0, Math.min(Math.floor(limit), maxRowsPerRead))
}

/** @returns a key that two queries share when they need the same statement. */
export function recordsShape(query: RecordQuery): string {
  return [
    query.session !== undefined,
    query.call !== undefined,
    query.after !== undefined,
    query.before !== undefined,
    query.order,
    ...(query.phases ?? ['any']),
  ].join()
}

export function recordsStatement(db: UserTables, query: RecordQuery): Template<RecordArgs> {
  const phases: readonly Phase[] | undefined = query.phases
  return template((slot) =>
    db
      .of(slot)
      .selectFrom('journal')
      .select(recordColumns)
      .$if(query.session !== undefined, (q) => q.where('session', '=', slot('session')))
      .$if(query.call !== undefined, (q) => q.where('call', '=', slot('call')))
      // Bounds only where they are asked for: a range on seq that bounds nothing makes planners scan the journal in its order.
      .$if(query.after !== undefined, (q) => q.where('seq', '>', slot('after')))
      .$if(query.before !== undefined, (q) => q.where('seq', '<', slot('before')))
      .$if(phases !== undefined, (q) => q.where('phase', 'in', phases ?? []))
      .orderBy('seq', query.order === 'oldest_first' ? 'asc' : 'desc')
      .limit(slot('limit')),
  )
}
