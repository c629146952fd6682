/** Every statement that reads the journal, for any dialect's builder; and what a query of records means to them. */
import { sql, type SqlBool } from 'kysely'
import { type CallId, type SessionId, setOwn } from '../../base/index.ts'
import type { ChainHead, Phase } from '../../protocol/index.ts'
import { historyColumns, recordColumns } from '../store-message.ts'
import { maxRowsPerRead } from '../limits.ts'
import type { RecordQuery } from '../store.ts'
import { type SlotMaker, type Tables, template, type Template } from './template.ts'
import type { UserTables } from './user-tables.ts'

interface Of {
  user: string
}

interface IndexArgs extends Of {
  name: string
  place: number
  limit: number
}

interface IndexRow {
  readonly name: string
  readonly place: number
}

/** The statement that reads a table for `Store.indexRows`. */
export const indexStatements = { message: 'messageRows', open_call: 'openRows', lane: 'laneRows', again: 'againRows' } as const

export interface ReadStatements {
  readonly history: Template<Of & { session: SessionId; before: number; limit: number }>
  readonly openIntents: Template<Of>
  readonly head: Template<Of, ChainHead>
  readonly messageRows: Template<IndexArgs, IndexRow>
  readonly openRows: Template<IndexArgs, IndexRow>
  readonly laneRows: Template<IndexArgs, IndexRow>
  readonly againRows: Template<IndexArgs, IndexRow>
  readonly blob: Template<Of & { hash: string }, { bytes: Uint8Array }>
  readonly bodyAt: Template<Of & { seq: number }, { body: string }>
  readonly session: Template<Of & { id: SessionId }, Tables['session']>
  readonly sessions: Template<Of & { limit: number }, Tables['session']>
  readonly spent: Template<Of & { scope: string }, { micro_dollars: number; tokens: number }>
  readonly used: Template<Of & { budget: string }, Omit<Tables['budget_use'], 'user' | 'budget'>>
  readonly document: Template<Of & { category: string; name: string }, Tables['document']>
  readonly documentCategories: Template<Of, { category: string }>
  readonly documents: Template<Of & { category: string; after: string; limit: number }, Tables['document']>
}

export function readStatements(db: UserTables): ReadStatements {
  const sessions = (slot: SlotMaker<Of>) => db.of(slot).selectFrom('session').selectAll()
  const documents = (slot: SlotMaker<Of>) => db.of(slot).selectFrom('document').selectAll()
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
    messageRows: template((slot) =>
      db
        .of(slot)
        .selectFrom('message')
        .select(['session as name', 'seq as place'])
        .where((eb) => eb.or([eb('session', '>', slot('name')), eb.and([eb('session', '=', slot('name')), eb('seq', '>', slot('place'))])]))
        .orderBy('session')
        .orderBy('seq')
        .limit(slot('limit')),
    ),
    openRows: template((slot) =>
      db
        .of(slot)
        .selectFrom('open_call')
        .select(['call as name', 'seq as place'])
        .where('call', '>', slot('name'))
        .orderBy('call')
        .limit(slot('limit')),
    ),
    laneRows: template((slot) =>
      db
        .of(slot)
        .selectFrom('lane')
        .select(['session as name', 'epoch as place'])
        .where('session', '>', slot('name'))
        .orderBy('session')
        .limit(slot('limit')),
    ),
    againRows: template((slot) =>
      db
        .of(slot)
        .selectFrom('journal')
        .select(['call as name', 'seq as place'])
        .where(sql<SqlBool>`again = 1`)
        .where((eb) => eb.or([eb('call', '>', slot('name')), eb.and([eb('call', '=', slot('name')), eb('seq', '>', slot('place'))])]))
        .orderBy('call')
        .orderBy('seq')
        .limit(slot('limit')),
    ),
    blob: template((slot) => db.of(slot).selectFrom('blob').select('bytes').where('hash', '=', slot('hash'))),
    bodyAt: template((slot) => db.of(slot).selectFrom('journal').select('body').where('seq', '=', slot('seq'))),
    session: template((slot) => sessions(slot).where('id', '=', slot('id'))),
    sessions: template((slot) => sessions(slot).orderBy('active_at', 'desc').orderBy('id', 'desc').limit(slot('limit'))),
    document: template((slot) => documents(slot).where('category', '=', slot('category')).where('name', '=', slot('name'))),
    documentCategories: template((slot) => db.of(slot).selectFrom('document').select('category').distinct().orderBy('category')),
    documents: template((slot) =>
      documents(slot).where('category', '=', slot('category')).where('name', '>', slot('after')).orderBy('name').limit(slot('limit')),
    ),
    used: template((slot) =>
      db.of(slot).selectFrom('budget_use').select(['since', 'micro_dollars', 'tokens', 'calls', 'ms']).where('budget', '=', slot('budget')),
    ),
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

/** A statement has a slot for each phase; unused slots are empty, which no record's phase is. */
const phaseSlots = ['phase1', 'phase2', 'phase3', 'phase4', 'phase5', 'phase6', 'phase7', 'phase8'] as const

/** Values of a records query; which of them its statement uses depends on the query's shape. */
export interface RecordArgs extends Of, Record<(typeof phaseSlots)[number], Phase | ''> {
  after: number
  before: number
  session: SessionId | ''
  call: CallId | ''
  limit: number
}

export function recordArgs(user: string, query: RecordQuery): RecordArgs {
  const phases = Object.fromEntries(phaseSlots.map((slot, at) => [slot, query.phases?.[at] ?? ''])) as Pick<
    RecordArgs,
    (typeof phaseSlots)[number]
  >
  return {
    user,
    after: query.after ?? 0,
    before: query.before ?? Number.MAX_SAFE_INTEGER,
    session: query.session ?? '',
    call: query.call ?? '',
    limit: rowLimit(query.limit),
    ...phases,
  }
}

/** @returns the limit that applies to a requested number of rows. */
export function rowLimit(limit: number): number {
  return Math.max(0, Math.min(Math.floor(limit), maxRowsPerRead))
}

/** The parts of a query that decide which statement it needs. */
const choices = ['session', 'call', 'after', 'before', 'phases'] as const
type Chosen = { readonly [Choice in (typeof choices)[number]]: boolean } & Pick<RecordQuery, 'order'>

/** @returns a key of `RecordStatements`. */
export function recordsShape(query: RecordQuery): string {
  return [query.order, ...choices.filter((choice) => query[choice] !== undefined)].join(' ')
}

/** A statement for each shape that a query can have. */
export type RecordStatements = Readonly<Record<string, Template<RecordArgs>>>

export function recordStatements(db: UserTables): RecordStatements {
  const statements: Record<string, Template<RecordArgs>> = {}
  for (const order of ['oldest_first', 'newest_first'] as const) {
    for (let bits = 0; bits < 1 << choices.length; bits++) {
      const chosen = Object.fromEntries(choices.map((choice, at) => [choice, (bits & (1 << at)) !== 0])) as Omit<Chosen, 'order'>
      const shape = [order, ...choices.filter((choice) => chosen[choice])].join(' ')
      setOwn(statements, shape, recordsStatement(db, { order, ...chosen }))
    }
  }
  return statements
}

function recordsStatement(db: UserTables, chosen: Chosen): Template<RecordArgs> {
  return template((slot) =>
    db
      .of(slot)
      .selectFrom('journal')
      .select(recordColumns)
      .$if(chosen.session, (q) => q.where('session', '=', slot('session')))
      .$if(chosen.call, (q) => q.where('call', '=', slot('call')))
      // Bounds only where they are given: a range on seq that bounds nothing makes planners scan the whole journal.
      .$if(chosen.after, (q) => q.where('seq', '>', slot('after')))
      .$if(chosen.before, (q) => q.where('seq', '<', slot('before')))
      .$if(chosen.phases, (q) => q.where('phase', 'in', phaseSlots.map(slot)))
      .orderBy('seq', chosen.order === 'oldest_first' ? 'asc' : 'desc')
      .limit(slot('limit')),
  )
}
