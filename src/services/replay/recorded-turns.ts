/** Reads the turns of a session from its records, one after the other, as they are needed to run them again or to compare them. */
import type { Store } from '../../store/index.ts'
import { isObject, type CallId, type Json, type JsonObject, type SessionId } from '../../base/index.ts'
import {
  endsTurn,
  isEnd,
  isErased,
  isGeneration,
  isMessage,
  isTaken,
  isTurn,
  type JournalRecord,
  startsTurn,
} from '../../protocol/index.ts'
import { recordsOfPage } from './limits.ts'

/** A record with its body as a value. */
export type ReadRecord = Omit<JournalRecord, 'body'> & { readonly body: JsonObject }

export interface RecordedCall {
  readonly id: CallId
  readonly name: string
  /** Of its intent, or of its refusal. */
  readonly seq: number
  readonly at: number
  /** As it was recorded; null where it was refused before it began. */
  readonly input: Json
  /** How it ended; null: it did not. */
  end: ReadRecord | null
}

export interface RecordedTurn {
  /** The id of its message. */
  readonly id: string
  /** The place of its message among the session's, from 1 on. */
  readonly number: number
  readonly message: ReadRecord
  /** The record with which it began. */
  readonly started: ReadRecord
  /** Its calls, in the order in which they began. */
  readonly calls: Map<CallId, RecordedCall>
  /** Messages that it has taken in, as the records have them. */
  readonly mail: ReadRecord[]
  /** Its outcome; null: it has not ended. */
  end: ReadRecord | null
}

interface Reading {
  /** Is called with each record, in order. */
  take?(record: ReadRecord): Promise<void>
  /** Is called when a turn has begun, before the records of its calls. */
  begins?(): void
  /** Is called with each turn that has ended, and at the end with one that has not. @returns false: nothing more need be read */
  ends(turn: RecordedTurn): Promise<boolean>
}

/** Reads a session from its beginning. Turns of one session do not overlap. */
export async function readTurns(store: Pick<Store, 'records'>, session: SessionId, reading: Reading): Promise<void> {
  const messages = new Map<string, { readonly record: ReadRecord; readonly number: number }>()
  const early = new Map<string, ReadRecord[]>()
  let turn: RecordedTurn | null = null
  for (let after = 0, full = true; full;) {
    const page = await store.records({ session, after, order: 'oldest_first', limit: recordsOfPage, hydrate: true })
    for (const raw of page) {
      after = raw.seq
      const record = readRecord(raw)
      await reading.take?.(record)
      if (isMessage(record)) messages.set(record.call, { record, number: messages.size + 1 })
      else if (isTaken(record)) {
        const message = messages.get(record.call)
        if (startsTurn(record) && message !== undefined) {
          turn = {
            id: record.call,
            number: message.number,
            message: message.record,
            started: record,
            calls: new Map(),
            mail: [],
            end: null,
          }
          reading.begins?.()
          // What was recorded for it before it began, such as what memory recalled meanwhile.
          for (const each of early.get(record.call) ?? []) takeCall(turn, each)
          early.clear()
        } else if (turn !== null && record.body['into'] === turn.id) turn.mail.push(record)
      } else if (turn !== null && endsTurn(record, turn.id) && record.call === turn.id) {
        turn.end = record
        const ended: RecordedTurn = turn
        turn = null
        if (!(await reading.ends(ended))) return
      } else if (turn !== null && record.turn === turn.id) takeCall(turn, record)
      else if (record.turn !== '' && !isTurn(record) && messages.has(record.turn))
        early.set(record.turn, [...(early.get(record.turn) ?? []), record])
    }
    full = page.length === recordsOfPage
  }
  if (turn !== null) await reading.ends(turn)
}

function takeCall({ calls }: RecordedTurn, record: ReadRecord): void {
  const { call: id, name, seq, at, phase, body } = record
  if (isTurn(record)) return
  const known = calls.get(id)
  if (phase === 'intent' || (known === undefined && isEnd(record)))
    calls.set(id, { id, name, seq, at, input: phase === 'intent' ? (body['input'] ?? null) : null, end: isEnd(record) ? record : null })
  else if (known !== undefined && isEnd(record)) known.end = record
}

/** @returns the generations of a turn that have ended as they were, without those that a crash has cut off: the turn asked again then */
export function generationsOf({ calls }: RecordedTurn): readonly RecordedCall[] {
  return [...calls.values()].filter((call) => isGeneration(call) && call.end !== null && call.end.phase !== 'reconciled')
}

function readRecord(record: JournalRecord): ReadRecord {
  return { ...record, body: bodyOf(record.body) }
}

function bodyOf(text: string): JsonObject {
  try {
    const body: unknown = JSON.parse(text)
    return isObject(body) ? body : {}
  } catch {
    return {}
  }
}

export const wasErased = ({ body }: Pick<ReadRecord, 'body'>): boolean => isErased(body)
