/**
 * What an editor shows of a session, folded from its events: the person's messages, the agent's text and reasoning, tool calls, plans,
 * files and usage. The same fold shows the past, where text comes from records, and what happens now, where it comes as it is written.
 */
import type { ContentBlock, SessionUpdate } from '@agentclientprotocol/sdk'
import type { FollowEvent } from '../client/index.ts'
import { assertNever, forPeople, truncate, withoutFolderNote } from '../base/index.ts'
import {
  type Answer,
  type AnswerUsage,
  type CallChange,
  isEnd,
  isMessage,
  readStep,
  type RecordView,
  type SentMedia,
  type TurnMessage,
} from '../protocol/index.ts'
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
  const take = (record: RecordView, isPast: boolean): readonly SessionUpdate[] => {
    const step = readStep(record)
    if (step?.kind === 'sent') return messageOf(record, step.message)
    if (step?.kind === 'answered') return foldAnswer(deps, calls, step.answer, isPast)
    return step?.kind === 'call' ? foldCall(deps, calls, record, step.change) : []
  }
  return {
    past: (record) => take(record, true),
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
          return isMessage(event.record) && isOwn(event.record.call) ? [] : take(event.record, false)
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
function messageOf({ call }: RecordView, message: TurnMessage): readonly SessionUpdate[] {
  if (message.text === null || message.continues) return []
  const said = withoutFolderNote(message.text, 'The editor works').text
  return [{ sessionUpdate: 'user_message_chunk', messageId: call, content: text(said) }]
}

function foldAnswer(deps: FoldDeps, calls: Map<string, ShownCall>, answer: Answer, isPast: boolean): readonly SessionUpdate[] {
  const messageId = answer.call
  const updates = answer.parts.flatMap((part): readonly SessionUpdate[] => {
    if (part.type === 'tool_call') return [announce(deps, calls, part.call, part)]
    if (part.type === 'reasoning') return [{ sessionUpdate: 'agent_thought_chunk', messageId, content: text(part.text) }]
    return isPast ? [{ sessionUpdate: 'agent_message_chunk', messageId, content: text(part.text) }] : []
  })
  return [...updates, ...usageOf(deps, answer.usage)]
}

function announce(deps: FoldDeps, calls: Map<string, ShownCall>, id: string, { name, input }: ShownCall): SessionUpdate {
  calls.set(id, { name, input })
  return { sessionUpdate: 'tool_call', toolCallId: id, status: 'pending', ...viewTool(name, input, deps) }
}

function usageOf({ contextTokens }: FoldDeps, { inputTokens, outputTokens }: AnswerUsage): readonly SessionUpdate[] {
  const used = inputTokens + outputTokens
  const size = contextTokens()
  return used === 0 || size === 0 ? [] : [{ sessionUpdate: 'usage_update', used, size }]
}

function foldCall(deps: FoldDeps, calls: Map<string, ShownCall>, record: RecordView, change: CallChange): readonly SessionUpdate[] {
  const { call, name, status, media } = change
  const begun = calls.get(call)
  const first: SessionUpdate[] = begun === undefined ? [announce(deps, calls, call, { name, input: change.input || '{}' })] : []
  if (!isEnd(record)) {
    if (record.phase === 'parked') return first
    return [...first, { sessionUpdate: 'tool_call_update', toolCallId: call, status: 'in_progress' }]
  }
  calls.delete(call)
  if (media !== null) deps.onMedia(media)
  const isOk = status === 'ok'
  const said = status === 'refused' ? change.text : forPeople(change.text)
  const edit = begun === undefined ? [] : viewTool(begun.name, begun.input, deps).content
  const plan = isOk && name.startsWith('scratchpad.') ? planOf(fieldsOf(record.body)['items']) : []
  return [
    ...first,
    {
      sessionUpdate: 'tool_call_update',
      toolCallId: call,
      status: isOk ? 'completed' : 'failed',
      // An edit shows what it changes; what it says matters where it failed.
      content: [...edit, ...(said === '' || (isOk && edit.length > 0) ? [] : [shown(said)])],
    },
    ...(plan.length > 0 ? [{ sessionUpdate: 'plan' as const, entries: plan }] : []),
  ]
}
