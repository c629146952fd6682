/**
 * What an editor shows of a session, folded from its events: the person's messages, the agent's text and reasoning, tool calls, plans,
 * files and usage. The same fold shows the past, where text comes from records, and what happens now, where it comes as it is written.
 */
import type { ContentBlock, SessionUpdate } from '@agentclientprotocol/sdk'
import type { FollowEvent } from '../client/index.ts'
import { isEnd, isToolCall, mediaIn, type SentMedia } from '../terminal/index.ts'
import {
  assertNever,
  forPeople,
  isObject,
  type Json,
  type JsonObject,
  type RecordView,
  truncate,
  withoutFolderNote,
} from '../types/index.ts'
import { maxShownChars } from './limits.ts'
import type { AcpPorts } from './ports.ts'
import { fencedCode, fieldsOf, planOf, textContent, viewTool } from './tool-view.ts'

export interface UpdateFold {
  /** @param isOwn whether the editor sent the message of that turn, and so shows it already */
  live(event: FollowEvent, isOwn: (turn: string) => boolean): readonly SessionUpdate[]
  /** Of a session that is loaded. */
  past(record: RecordView): readonly SessionUpdate[]
}

interface FoldDeps extends Pick<AcpPorts, 'ownPath'> {
  /** Of the model; 0: not known. */
  readonly contextTokens: () => number
  /** A file that the agent has sent. */
  readonly onMedia: (media: SentMedia) => void
}

interface ShownCall {
  readonly name: string
  readonly input: string
}

export function createUpdateFold(deps: FoldDeps): UpdateFold {
  /** Calls that the editor knows and that have not ended. */
  const calls = new Map<string, ShownCall>()
  const step = (record: RecordView, isPast: boolean): readonly SessionUpdate[] => {
    if (record.name === 'model.generate') return foldGeneration(deps, calls, record, isPast)
    return isToolCall(record) ? foldCall(deps, calls, record) : []
  }
  return {
    past: (record) => [...messageOf(record), ...step(record, true)],
    live(event, isOwn) {
      switch (event.type) {
        case 'text':
          return event.text === '' ? [] : [{ sessionUpdate: 'agent_message_chunk', messageId: event.call, content: text(event.text) }]
        case 'restart':
          // What was shown cannot be taken back.
          return [
            {
              sessionUpdate: 'agent_message_chunk',
              messageId: event.call,
              content: text(`\n\n*The answer starts over.*\n\n${event.text}`),
            },
          ]
        case 'progress':
          return event.output === undefined || !calls.has(event.call)
            ? []
            : [{ sessionUpdate: 'tool_call_update', toolCallId: event.call, status: 'in_progress', content: [shown(event.output)] }]
        case 'record':
          return [...(isOwn(event.record.call) ? [] : messageOf(event.record)), ...step(event.record, false)]
        case 'approval':
        case 'caught_up':
        case 'ended':
          return []
        default:
          return assertNever(event)
      }
    },
  }
}

const text = (value: string): ContentBlock => ({ type: 'text', text: value })

function shown(value: string): ReturnType<typeof textContent> {
  return textContent(fencedCode(truncate(value, maxShownChars)))
}

/** A message of a person or of another agent. */
function messageOf({ name, phase, call, turn, body }: RecordView): readonly SessionUpdate[] {
  if (name !== 'turn.send' || phase !== 'intent' || (call as string) !== turn) return []
  const input = fieldsOf(fieldsOf(body)['input'])
  if (typeof input['text'] !== 'string' || input['continues'] === true) return []
  return [
    { sessionUpdate: 'user_message_chunk', messageId: call, content: text(withoutFolderNote(input['text'], 'The editor works').text) },
  ]
}

function foldGeneration(
  deps: FoldDeps,
  calls: Map<string, ShownCall>,
  { phase, call, body }: RecordView,
  isPast: boolean,
): readonly SessionUpdate[] {
  if (phase !== 'outcome') return []
  const fields = fieldsOf(body)
  const parts = fieldsOf(fields['message'])['parts']
  const updates: SessionUpdate[] = []
  let place = 0
  for (const part of Array.isArray(parts) ? parts.filter(isObject) : []) {
    if (part['type'] === 'reasoning' && typeof part['text'] === 'string' && part['text'] !== '')
      updates.push({ sessionUpdate: 'agent_thought_chunk', messageId: call, content: text(part['text']) })
    if (isPast && part['type'] === 'text' && typeof part['text'] === 'string' && part['text'] !== '')
      updates.push({ sessionUpdate: 'agent_message_chunk', messageId: call, content: text(part['text']) })
    if (part['type'] === 'tool_call') updates.push(announce(deps, calls, `${call}.${place++}`, part))
  }
  return [...updates, ...usageOf(deps, fields)]
}

function announce(deps: FoldDeps, calls: Map<string, ShownCall>, id: string, { name, arguments: input }: JsonObject): SessionUpdate {
  const called = { name: typeof name === 'string' ? name : '', input: typeof input === 'string' ? input : '' }
  calls.set(id, called)
  return { sessionUpdate: 'tool_call', toolCallId: id, status: 'pending', ...viewTool(called.name, called.input, deps) }
}

function usageOf({ contextTokens }: FoldDeps, { usage }: JsonObject): readonly SessionUpdate[] {
  const { inputTokens, outputTokens } = fieldsOf(usage)
  const used = (Number(inputTokens) || 0) + (Number(outputTokens) || 0)
  const size = contextTokens()
  return used === 0 || size === 0 ? [] : [{ sessionUpdate: 'usage_update', used, size }]
}

function foldCall(deps: FoldDeps, calls: Map<string, ShownCall>, record: RecordView): readonly SessionUpdate[] {
  const { call, name, phase } = record
  const body = fieldsOf(record.body)
  const begun = calls.get(call)
  const isKnown = begun !== undefined
  const first: SessionUpdate[] = isKnown ? [] : [announce(deps, calls, call, { name, arguments: JSON.stringify(body['input'] ?? {}) })]
  if (!isEnd(record)) {
    if (phase === 'parked') return first
    return [...first, { sessionUpdate: 'tool_call_update', toolCallId: call, status: 'in_progress' }]
  }
  calls.delete(call)
  const media = name === 'media.send' ? mediaIn(record.body) : null
  if (media !== null) deps.onMedia(media)
  const isOk = phase === 'outcome' && body['status'] === 'ok' && body['ok'] !== false
  const said = resultOf(body, phase)
  const change = begun === undefined ? [] : viewTool(begun.name, begun.input, deps).content
  const plan = isOk && name.startsWith('scratchpad.') ? planOf(body['items']) : []
  return [
    ...first,
    {
      sessionUpdate: 'tool_call_update',
      toolCallId: call,
      status: isOk ? 'completed' : 'failed',
      // An edit shows what it changes; what it says matters where it failed.
      content: [...change, ...(said === '' || (isOk && change.length > 0) ? [] : [shown(said)])],
    },
    ...(plan.length > 0 ? [{ sessionUpdate: 'plan' as const, entries: plan }] : []),
  ]
}

function resultOf(body: Readonly<Record<string, Json | undefined>>, phase: RecordView['phase']): string {
  const message = phase === 'refused' ? body['message'] : undefined
  if (typeof message === 'string' && message !== '') return message
  return typeof body['text'] === 'string' ? forPeople(body['text']) : ''
}
