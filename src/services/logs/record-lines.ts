/** The line of a record: ids, names, states, counts and times. What people, models and tools said stays in the journal. */
import { isObject, type JsonObject, type Log, type LogLevel, type LogRole, ownValue, setOwn } from '../../base/index.ts'
import type { Core } from '../../kernel/index.ts'
import { type DoctorCheck, isGeneration, isToolCall, isTurn, type RecordView, startsTurn } from '../../protocol/index.ts'
import { followRecords } from '../follow-records.ts'

interface Told {
  readonly level: LogLevel
  readonly role?: LogRole
  readonly msg: string
  readonly fields?: JsonObject
}

/** Writes a line for each record that has one, from now on. @param early records that came before @returns writes the rest, and ends */
export function follow(watchers: Core['events']['watchers'], log: Log, early: readonly RecordView[]): () => void {
  const isOf = ({ phase, name }: RecordView): boolean => phase !== 'intent' && (phase !== 'exchange' || name.startsWith('event.'))
  return followRecords(watchers, isOf, (records) => records.forEach((record) => writeLine(log, record)), early)
}

/** @param problem why lines were lost; empty: none was */
export function logHealth(problem: string): DoctorCheck {
  const check = { name: 'logs', required: false, ms: 0 } as const
  if (problem === '') return { ...check, state: 'ok', says: 'all lines are written', fix: '' }
  return { ...check, state: 'weak', says: problem, fix: 'Look at the disk, and at who may write to logs/ in the workspace.' }
}

/** Writes the line of a record, if it has one. */
function writeLine(log: Log, record: RecordView): void {
  const told = tell(record, isObject(record.body) ? record.body : {})
  if (told === null) return
  const { session, turn, call, actor, seq } = record
  const ids = { ...(session !== '' && { session }), ...(turn !== '' && { turn }), call }
  log.write(told.role ?? 'guest', told.level, told.msg, { seq, actor, ...told.fields, ...ids }, record.at)
}

function tell(record: RecordView, body: JsonObject): Told | null {
  const { name, phase } = record
  if (phase === 'exchange') return ofEvent(name, body)
  if (phase === 'parked') return { level: 'info', msg: 'a call waits for approval', fields: { name, ...taken(body, 'reason') } }
  if (phase === 'decided') return { level: 'info', msg: 'a call was decided', fields: { name, ...taken(body, 'allow', 'by', 'reason') } }
  if (phase === 'reconciled') return { level: 'warn', msg: 'a crash hid the outcome of a call', fields: { name, ...taken(body, 'status') } }
  if (phase === 'refused') return { level: 'warn', msg: 'a call was refused', fields: { name, ...taken(body, 'code') } }
  if (phase === 'started') return startsTurn(record) ? { level: 'info', msg: 'a turn began', fields: taken(body, 'model', 'tier') } : null
  return ofOutcome(record, body)
}

function ofOutcome(record: RecordView, body: JsonObject): Told {
  const { name } = record
  const isWell = body['status'] === 'ok' || body['status'] === 'merged'
  const level = (usual: LogLevel): LogLevel => (isWell && body['ok'] !== false ? usual : body['status'] === 'cancelled' ? 'info' : 'warn')
  const ended = taken(body, 'status', 'code', 'ms', 'ok')
  if (isTurn(record))
    return { level: level('info'), msg: 'a turn ended', fields: { ...ended, ...taken(body, 'steps'), ...failureIn(body) } }
  if (isGeneration(record))
    return {
      level: level('info'),
      msg: 'a model answered',
      fields: { ...ended, ...taken(body, 'model'), ...usageIn(body), ...spentIn(body) },
    }
  if (isToolCall(record)) return { level: level('info'), msg: 'a call ended', fields: { name, ...ended, ...spentIn(body) } }
  const isOwn = record.turn === ''
  return { level: level(isOwn ? 'trace' : 'debug'), msg: 'a call ended', fields: { name, ...ended, ...spentIn(body) } }
}

/** Events of services; a plugin's are in the lines of plugins. */
function ofEvent(name: string, body: JsonObject): Told {
  const kind = name.slice('event.'.length)
  const isBad = /(?:failed|disabled|crashed|lost|problem|overloaded|exceeded|warning)/.test(kind)
  return {
    level: isBad ? 'warn' : 'info',
    ...(kind.startsWith('plugin') && { role: 'plugins' }),
    msg: kind,
    fields: taken(body, ...Object.keys(body)),
  }
}

const short = 200

/** Fields of these names, as far as they are plain; a text is cut. */
function taken(body: JsonObject, ...names: readonly string[]): JsonObject {
  const fields: JsonObject = {}
  for (const name of names) {
    const value = ownValue(body, name)
    if (typeof value === 'string' && value !== '') setOwn(fields, name, value.slice(0, short))
    else if (typeof value === 'number' || typeof value === 'boolean') setOwn(fields, name, value)
  }
  return fields
}

function failureIn({ failure }: JsonObject): JsonObject {
  return isObject(failure ?? null) ? taken(failure as JsonObject, 'code') : {}
}

function usageIn({ usage }: JsonObject): JsonObject {
  return isObject(usage ?? null) ? taken(usage as JsonObject, 'inputTokens', 'cachedTokens', 'outputTokens', 'estimated') : {}
}

function spentIn({ spent }: JsonObject): JsonObject {
  return isObject(spent ?? null) ? taken(spent as JsonObject, 'microDollars', 'tokens') : {}
}
