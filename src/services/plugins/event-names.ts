/**
 * What a record of the journal is to plugins: events by the names that ZoeyOS and elizaOS have. Those that nothing in Oxbow causes, such as
 * reactions and voice messages, are emitted by the plugins that connect to where they happen (`plugin.emit`).
 */
import { isObject, type Json, type JsonObject, ownValue, truncate } from '../../base/index.ts'
import {
  renameSessionCall,
  deleteSessionCall,
  completionCall,
  embeddingCall,
  pluginRecords,
  newSessionCall,
  forgetCall,
  generationCall,
  cancelCall,
  maxPluginMessageChars,
  type RecordView,
  toolPlace,
  turnCall,
} from '../../protocol/index.ts'

export interface PluginEvent {
  readonly name: string
  readonly payload: JsonObject
}

type Describe = (record: RecordView, body: JsonObject) => readonly PluginEvent[]

/** @returns the events that a record counts as; most records are no event */
export function pluginEvents(record: RecordView): readonly PluginEvent[] {
  const body = isObject(record.body) ? record.body : {}
  const special = ownValue(byName, record.name)
  if (special !== undefined) return special(record, body)
  // A call that a model has asked for.
  return toolPlace(record.call) === null ? [] : actionEvents(record, body)
}

const byName: Readonly<Record<string, Describe>> = {
  [turnCall]: turnEvents,
  [cancelCall]: ended((record) => [{ name: 'CONTROL_MESSAGE', payload: { ...place(record), action: 'cancel' } }]),
  [newSessionCall]: ended((record, body) => {
    const room = { roomId: body['id'] ?? record.call, source: 'oxbow' }
    return [
      { name: 'WORLD_JOINED', payload: room },
      { name: 'WORLD_CONNECTED', payload: room },
      { name: 'ROOM_JOINED', payload: room },
      { name: 'ENTITY_JOINED', payload: { ...room, entityId: record.actor } },
    ]
  }),
  [renameSessionCall]: ended((record) => [{ name: 'ENTITY_UPDATED', payload: place(record) }]),
  [deleteSessionCall]: ended((record, body) => {
    const room = { roomId: body['session'] ?? record.session, source: 'oxbow' }
    return [
      { name: 'CHANNEL_CLEARED', payload: room },
      { name: 'ENTITY_LEFT', payload: { ...room, entityId: record.actor } },
      { name: 'ROOM_LEFT', payload: room },
      { name: 'WORLD_LEFT', payload: room },
    ]
  }),
  [forgetCall]: ended((record) => [{ name: 'MESSAGE_DELETED', payload: place(record) }]),
  [generationCall]: ended(modelUsed),
  [completionCall]: ended(modelUsed),
  [embeddingCall]: embeddingEvents,
  [pluginRecords.evaluate]: evaluatorEvents,
  [pluginRecords.emit]: emitted,
  // Deliveries are no events: they would cause others without end.
  [pluginRecords.event]: () => [],
  [pluginRecords.provide]: () => [],
  [pluginRecords.task]: () => [],
}

function ended(describe: Describe): Describe {
  return (record, body) => (record.phase === 'outcome' && body['status'] === 'ok' ? describe(record, body) : [])
}

function place({ session, turn, at }: RecordView): JsonObject {
  return { roomId: session, runId: turn, source: 'oxbow', at }
}

function turnEvents(record: RecordView, body: JsonObject): readonly PluginEvent[] {
  const { call, phase, actor, at } = record
  const run = { ...place(record), runId: call, messageId: call, entityId: actor }
  const input = isObject(body['input'] ?? null) ? (body['input'] as JsonObject) : {}
  if (phase === 'intent') return [{ name: 'MESSAGE_RECEIVED', payload: { ...run, message: { id: call, text: shown(input['text']) } } }]
  if (phase === 'started') return [{ name: 'RUN_STARTED', payload: { ...run, status: 'started', startTime: at } }]
  if (phase !== 'outcome') return []
  const { status = '', reply = '', ms = 0, failure = null } = body
  const isLate = status === 'limit' && isObject(failure) && failure['code'] === 'timeout'
  const runStatus = status === 'ok' ? 'completed' : isLate ? 'timeout' : 'error'
  const sent = { ...run, message: { id: `${call}.reply`, text: shown(reply), inReplyTo: call } }
  return [
    ...(reply === '' ? [] : [{ name: 'MESSAGE_SENT', payload: sent }]),
    { name: isLate ? 'RUN_TIMEOUT' : 'RUN_ENDED', payload: { ...run, status: runStatus, endTime: at, duration: ms } },
  ]
}

function actionEvents(record: RecordView, { status = '' }: JsonObject): readonly PluginEvent[] {
  const action = { ...place(record), messageId: record.turn, actionName: record.name, actionId: record.call }
  if (record.phase === 'intent') return [{ name: 'ACTION_STARTED', payload: { ...action, actionStatus: 'executing' } }]
  if (record.phase !== 'outcome' && record.phase !== 'refused') return []
  const actionStatus = record.phase === 'outcome' && status === 'ok' ? 'completed' : 'failed'
  return [{ name: 'ACTION_COMPLETED', payload: { ...action, actionStatus } }]
}

function modelUsed(record: RecordView, body: JsonObject): readonly PluginEvent[] {
  return [{ name: 'MODEL_USED', payload: { ...place(record), type: record.name, spent: body['spent'] ?? {}, duration: body['ms'] ?? 0 } }]
}

function embeddingEvents(record: RecordView, body: JsonObject): readonly PluginEvent[] {
  const payload = place(record)
  if (record.phase === 'intent') return [{ name: 'EMBEDDING_GENERATION_REQUESTED', payload }]
  if (record.phase === 'refused' || (record.phase === 'outcome' && body['status'] !== 'ok'))
    return [{ name: 'EMBEDDING_GENERATION_FAILED', payload }]
  return record.phase === 'outcome' ? [{ name: 'EMBEDDING_GENERATION_COMPLETED', payload }, ...modelUsed(record, body)] : []
}

function evaluatorEvents(record: RecordView, { ran = [], problems = [] }: JsonObject): readonly PluginEvent[] {
  const base = { ...place(record), evaluatorId: record.call }
  if (record.phase === 'intent') return [{ name: 'EVALUATOR_STARTED', payload: base }]
  if (record.phase !== 'outcome') return []
  const names = Array.isArray(ran) ? ran : []
  const failed = (Array.isArray(problems) ? problems : []).filter(isObject)
  return [
    ...names.map((name) => ({ name: 'EVALUATOR_COMPLETED', payload: { ...base, evaluatorName: name } })),
    ...failed.map(({ plugin, name, problem }) => ({
      name: 'EVALUATOR_COMPLETED',
      payload: { ...base, evaluatorName: `${textOf(plugin)}/${textOf(name)}`, error: problem ?? '' },
    })),
  ]
}

const shown = (text: Json | undefined): string => truncate(textOf(text), maxPluginMessageChars).toWellFormed()

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

function emitted(record: RecordView, body: JsonObject): readonly PluginEvent[] {
  const input = record.phase === 'intent' ? (body['input'] ?? null) : null
  if (!isObject(input) || typeof input['name'] !== 'string') return []
  const payload = isObject(input['payload'] ?? null) ? (input['payload'] as JsonObject) : {}
  return [{ name: input['name'], payload: { ...payload, source: record.actor } }]
}
