/**
 * Statements that erase bodies. What holds a blob: a body that is a reference to it, and an outcome or a message that names it
 * (the pieces of a file, the whole of a long result). What only mentions it (the taking in of a piece, a model's words, the bytes
 * of an exchange) does not.
 */
import { sql } from 'kysely'
import type { JournalRecord } from '../../types/index.ts'
import { type SlotMaker, template, type Template } from './template.ts'
import type { UserTables } from './user-tables.ts'

interface Of {
  user: string
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
}

/** Outcomes of these calls mention blobs without holding them. */
const mentions = ['attachment.put', 'model.generate', 'output.read']
/** What is left of an erased body names its own blob, and holds nothing. */
const isLeft = sql<boolean>`substr("body", 1, 11) = '{"erased":"'`
const isReference = sql<boolean>`substr("body", 1, 9) = '{"blob":"'`

export function eraseStatements(db: UserTables): EraseStatements {
  const journal = (slot: SlotMaker<Of>) => db.of(slot).selectFrom('journal')
  const holders = (slot: SlotMaker<Of>) =>
    journal(slot).where((eb) =>
      eb.or([eb('name', '=', 'turn.send'), eb.and([eb('phase', '=', 'outcome'), eb('name', 'not in', mentions)])]),
    )
  return {
    recordAt: template((slot) => journal(slot).selectAll().where('seq', '=', slot('seq'))),
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
    dropBlob: template((slot) => db.of(slot).deleteFrom('blob').where('hash', '=', slot('hash'))),
  }
}
