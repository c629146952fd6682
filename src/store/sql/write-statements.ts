/** Every statement that writes, and the reads that decide about a write. Neutral: any dialect's builder compiles them. */
import type { CallId, ChainHead, JournalRecord, SessionId } from '../../types/index.ts'
import type { Tables } from './tables.ts'
import { template, type Template } from './template.ts'
import type { UserTables } from './user-tables.ts'

interface Of {
  user: string
}

type SessionColumns = Tables['session']
type AccountColumns = Tables['account']
type LaneColumns = Tables['lane']

export interface WriteStatements {
  readonly head: Template<Of, ChainHead>
  readonly insertRecord: Template<Of & JournalRecord>
  readonly intentOf: Template<Of & { call: CallId }, { seq: number }>
  readonly openCall: Template<Of & { call: CallId; seq: number }>
  readonly closeCall: Template<Of & { call: CallId }>
  readonly addMessage: Template<Of & { session: string; seq: number }>
  readonly putBlob: Template<Of & { hash: string; bytes: Uint8Array }>
  readonly putSession: Template<SessionColumns>
  readonly addSpend: Template<AccountColumns>
  readonly lane: Template<Of & { session: SessionId }, { owner: string; epoch: number; lease_until: number }>
  readonly putLane: Template<LaneColumns>
}

export function writeStatements(db: UserTables): WriteStatements {
  return { ...journalStatements(db), ...projectionStatements(db) }
}

type JournalStatements = Pick<WriteStatements, 'head' | 'insertRecord' | 'intentOf' | 'openCall' | 'closeCall' | 'addMessage' | 'putBlob'>

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
    intentOf: template((slot) =>
      db
        .of(slot)
        .selectFrom('journal')
        .select('seq')
        .where('call', '=', slot('call'))
        .where('phase', '=', 'intent')
        .orderBy('seq')
        .limit(1),
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
    putBlob: template((slot) =>
      db
        .of(slot)
        .insertInto('blob')
        .values({ user: slot('user'), hash: slot('hash'), bytes: slot('bytes') })
        .onConflict((c) => c.columns(['user', 'hash']).doNothing()),
    ),
  }
}

type ProjectionStatements = Pick<WriteStatements, 'putSession' | 'addSpend' | 'lane' | 'putLane'>

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
