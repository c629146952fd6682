/**
 * The statements of the stores, compiled with kysely: what writes and erases is here, what reads in `read-statements.ts`.
 * `node scripts/make-statements.ts` writes them to `sqlite/statements.json` and `postgres/statements.json`, and those are what runs:
 * loading the builder and compiling in each thread took longer than everything else before its first answer.
 */
import { sql } from 'kysely'
import type { CallId, SessionId } from '../../base/index.ts'
import { putPieceCall, generationCall, readOutputCall, type ChainHead, type JournalRecord, turnCall } from '../../protocol/index.ts'
import { readStatements, type ReadStatements, recordStatements, type RecordStatements } from './read-statements.ts'
import { recordColumns } from '../store-message.ts'
import { type Placed, type SlotMaker, type Tables, template, type Template } from './template.ts'
import { builderOf, type Dialect, userTables, type UserTables } from './user-tables.ts'

export function buildStatements(dialect: Dialect): Statements {
  const db = userTables(builderOf<Tables>(dialect))
  return { write: writeStatements(db), read: readStatements(db), records: recordStatements(db), erase: eraseStatements(db) }
}

/** Every statement of a dialect, with its values as slots: what the engines run. */
export interface Statements {
  readonly write: WriteStatements
  readonly read: ReadStatements
  readonly records: RecordStatements
  readonly erase: EraseStatements
}

interface Of {
  user: string
}

type SessionColumns = Tables['session']
type AccountColumns = Tables['account']
type LaneColumns = Tables['lane']

export interface WriteStatements {
  readonly head: Template<Of, ChainHead>
  readonly insertRecord: Template<Of & JournalRecord>
  /** Records of a call that begin or end it, oldest first: what `repeatOf` needs. */
  readonly placesOf: Template<Of & { call: CallId }, Placed>
  readonly openCall: Template<Of & { call: CallId; seq: number }>
  readonly closeCall: Template<Of & { call: CallId }>
  readonly addMessage: Template<Of & { session: string; seq: number }>
  readonly putBlob: Template<Of & { hash: string; bytes: Uint8Array }>
  readonly putSession: Template<SessionColumns>
  readonly addSpend: Template<AccountColumns>
  readonly addUse: Template<Tables['budget_use']>
  readonly putDocument: Template<Tables['document']>
  readonly dropDocument: Template<Of & { category: string; name: string }>
  readonly lane: Template<Of & { session: SessionId }, { owner: string; epoch: number; lease_until: number }>
  readonly putLane: Template<LaneColumns>
}

function writeStatements(db: UserTables): WriteStatements {
  return { ...journalStatements(db), ...projectionStatements(db) }
}

type JournalStatements = Pick<WriteStatements, 'head' | 'insertRecord' | 'placesOf' | 'openCall' | 'closeCall' | 'addMessage' | 'putBlob'>

function journalStatements(db: UserTables): JournalStatements {
  return {
    head: template((slot) => db.of(slot).selectFrom('journal').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1)),
    insertRecord: template((slot) =>
      db
        .of(slot)
        .insertInto('journal')
        .values({
          user: slot('user'),
          seq: slot('seq'),
          at: slot('at'),
          actor: slot('actor'),
          session: slot('session'),
          turn: slot('turn'),
          call: slot('call'),
          name: slot('name'),
          phase: slot('phase'),
          body: slot('body'),
          previous: slot('previous'),
          hash: slot('hash'),
        }),
    ),
    placesOf: template((slot) =>
      db
        .of(slot)
        .selectFrom('journal')
        .select(['seq', 'phase'])
        .where('call', '=', slot('call'))
        .where('phase', 'in', ['intent', 'outcome', 'refused', 'reconciled'])
        .orderBy('seq'),
    ),
    openCall: template((slot) =>
      db
        .of(slot)
        .insertInto('open_call')
        .values({ user: slot('user'), call: slot('call'), seq: slot('seq') })
        .onConflict((c) => c.columns(['user', 'call']).doNothing()),
    ),
    closeCall: template((slot) => db.of(slot).deleteFrom('open_call').where('call', '=', slot('call'))),
    addMessage: template((slot) =>
      db
        .of(slot)
        .insertInto('message')
        .values({ user: slot('user'), session: slot('session'), seq: slot('seq') }),
    ),
    putBlob: putBlob(db),
  }
}

function putBlob(db: UserTables): WriteStatements['putBlob'] {
  return template((slot) =>
    db
      .of(slot)
      .insertInto('blob')
      .values({ user: slot('user'), hash: slot('hash'), bytes: slot('bytes') })
      .onConflict((c) => c.columns(['user', 'hash']).doNothing()),
  )
}

/** A later window takes the place of the one that is there; what is counted of an earlier one is too late. */
function addUse(db: UserTables): WriteStatements['addUse'] {
  return template((slot) =>
    db
      .of(slot)
      .insertInto('budget_use')
      .values({
        user: slot('user'),
        budget: slot('budget'),
        since: slot('since'),
        micro_dollars: slot('micro_dollars'),
        tokens: slot('tokens'),
        calls: slot('calls'),
        ms: slot('ms'),
      })
      .onConflict((c) =>
        c
          .columns(['user', 'budget'])
          .doUpdateSet((eb) => {
            const sum = (column: 'micro_dollars' | 'tokens' | 'calls' | 'ms') =>
              eb
                .case()
                .when('excluded.since', '>', eb.ref('budget_use.since'))
                .then(eb.ref(`excluded.${column}`))
                .else(eb(`budget_use.${column}`, '+', eb.ref(`excluded.${column}`)))
                .end()
            return {
              micro_dollars: sum('micro_dollars'),
              tokens: sum('tokens'),
              calls: sum('calls'),
              ms: sum('ms'),
              since: eb.ref('excluded.since'),
            }
          })
          .whereRef('excluded.since', '>=', 'budget_use.since'),
      ),
  )
}

type ProjectionStatements = Pick<
  WriteStatements,
  'putSession' | 'addSpend' | 'addUse' | 'putDocument' | 'dropDocument' | 'lane' | 'putLane'
>

function projectionStatements(db: UserTables): ProjectionStatements {
  return {
    putSession: putSession(db),
    addSpend: template((slot) =>
      db
        .of(slot)
        .insertInto('account')
        .values({ user: slot('user'), scope: slot('scope'), micro_dollars: slot('micro_dollars'), tokens: slot('tokens') })
        .onConflict((c) =>
          c.columns(['user', 'scope']).doUpdateSet((eb) => ({
            micro_dollars: eb('account.micro_dollars', '+', eb.ref('excluded.micro_dollars')),
            tokens: eb('account.tokens', '+', eb.ref('excluded.tokens')),
          })),
        ),
    ),
    addUse: addUse(db),
    putDocument: template((slot) =>
      db
        .of(slot)
        .insertInto('document')
        .values({
          user: slot('user'),
          category: slot('category'),
          name: slot('name'),
          seq: slot('seq'),
          at: slot('at'),
          body: slot('body'),
        })
        .onConflict((c) =>
          c
            .columns(['user', 'category', 'name'])
            .doUpdateSet((eb) => ({ seq: eb.ref('excluded.seq'), at: eb.ref('excluded.at'), body: eb.ref('excluded.body') })),
        ),
    ),
    dropDocument: template((slot) =>
      db.of(slot).deleteFrom('document').where('category', '=', slot('category')).where('name', '=', slot('name')),
    ),
    lane: template((slot) =>
      db.of(slot).selectFrom('lane').select(['owner', 'epoch', 'lease_until']).where('session', '=', slot('session')),
    ),
    putLane: template((slot) =>
      db
        .of(slot)
        .insertInto('lane')
        .values({
          user: slot('user'),
          session: slot('session'),
          owner: slot('owner'),
          epoch: slot('epoch'),
          lease_until: slot('lease_until'),
        })
        .onConflict((c) =>
          c.columns(['user', 'session']).doUpdateSet((eb) => ({
            owner: eb.ref('excluded.owner'),
            epoch: eb.ref('excluded.epoch'),
            lease_until: eb.ref('excluded.lease_until'),
          })),
        ),
    ),
  }
}

function putSession(db: UserTables): WriteStatements['putSession'] {
  return template((slot) =>
    db
      .of(slot)
      .insertInto('session')
      .values({
        user: slot('user'),
        id: slot('id'),
        title: slot('title'),
        created_at: slot('created_at'),
        active_at: slot('active_at'),
        turns: slot('turns'),
        labels: slot('labels'),
        origins: slot('origins'),
        scratchpad: slot('scratchpad'),
        archived: slot('archived'),
        deleted: slot('deleted'),
        parent: slot('parent'),
        forked: slot('forked'),
        summary: slot('summary'),
      })
      .onConflict((c) =>
        c.columns(['user', 'id']).doUpdateSet((eb) => ({
          title: eb.ref('excluded.title'),
          created_at: eb.ref('excluded.created_at'),
          active_at: eb.ref('excluded.active_at'),
          turns: eb.ref('excluded.turns'),
          labels: eb.ref('excluded.labels'),
          origins: eb.ref('excluded.origins'),
          scratchpad: eb.ref('excluded.scratchpad'),
          archived: eb.ref('excluded.archived'),
          deleted: eb.ref('excluded.deleted'),
          parent: eb.ref('excluded.parent'),
          forked: eb.ref('excluded.forked'),
          summary: eb.ref('excluded.summary'),
        })),
      ),
  )
}

export interface EraseStatements {
  readonly recordAt: Template<Of & { seq: number }, JournalRecord>
  /** A row when the call, or the turn it is part of, has not ended. */
  readonly underWay: Template<Of & { call: string; turn: string }, { seq: number }>
  readonly setBody: Template<Of & { seq: number; body: string }>
  readonly blobBytes: Template<Of & { hash: string }, { bytes: Uint8Array }>
  /** A row when a body is this reference. */
  readonly bodyIs: Template<Of & { body: string }, { seq: number }>
  /** A row when a holder names the hash in a body of its own; `pattern` is the hash between two `%`. */
  readonly bodyNames: Template<Of & { pattern: string }, { seq: number }>
  /** Bodies of holders that are blobs themselves. */
  readonly holders: Template<Of, { body: string }>
  readonly dropBlob: Template<Of & { hash: string }>
  readonly putBlob: WriteStatements['putBlob']
  /** Documents that a record set. */
  readonly dropDocuments: Template<Of & { seq: number }>
}

/** Outcomes of these calls mention blobs without holding them. */
const mentions = [putPieceCall, generationCall, readOutputCall]
/** What is left of an erased body names its own blob, and holds nothing. */
const isLeft = sql<boolean>`substr("body", 1, 11) = '{"erased":"'`
const isReference = sql<boolean>`substr("body", 1, 9) = '{"blob":"'`

/**
 * What refers to a blob: a body that is a reference to it, and an outcome or a message that names it (the pieces of a file, the whole
 * of a long result). What only mentions it (the upload of a piece, a model's words, the bytes of an exchange) does not.
 */
function eraseStatements(db: UserTables): EraseStatements {
  const journal = (slot: SlotMaker<Of>) => db.of(slot).selectFrom('journal')
  const holders = (slot: SlotMaker<Of>) =>
    journal(slot).where((eb) => eb.or([eb('name', '=', turnCall), eb.and([eb('phase', '=', 'outcome'), eb('name', 'not in', mentions)])]))
  return {
    recordAt: template((slot) =>
      journal(slot)
        .select([...recordColumns])
        .where('seq', '=', slot('seq')),
    ),
    underWay: template((slot) =>
      db
        .of(slot)
        .selectFrom('open_call')
        .select('seq')
        .where((eb) => eb.or([eb('call', '=', slot('call')), eb('call', '=', slot('turn'))]))
        .limit(1),
    ),
    setBody: template((slot) =>
      db
        .of(slot)
        .updateTable('journal')
        .set({ body: slot('body') })
        .where('seq', '=', slot('seq')),
    ),
    blobBytes: template((slot) => db.of(slot).selectFrom('blob').select('bytes').where('hash', '=', slot('hash'))),
    bodyIs: template((slot) => journal(slot).select('seq').where(isReference).where('body', '=', slot('body')).limit(1)),
    bodyNames: template((slot) =>
      holders(slot)
        .select('seq')
        .where('body', 'like', slot('pattern'))
        .where((eb) => eb.not(eb.or([isReference, isLeft])))
        .limit(1),
    ),
    holders: template((slot) => holders(slot).select('body').where(isReference)),
    dropDocuments: template((slot) => db.of(slot).deleteFrom('document').where('seq', '=', slot('seq'))),
    putBlob: putBlob(db),
    dropBlob: template((slot) => db.of(slot).deleteFrom('blob').where('hash', '=', slot('hash'))),
  }
}
