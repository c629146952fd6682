/** Messages as a conversation keeps them: what a wire read from a recorded stream, with what it sealed for itself. */
import { modelLimits } from '../../../src/engine/limits.ts'
import type { AssistantMessage, ModelEvent } from '../../../src/protocol/index.ts'
import { bytesOf } from '../framing.ts'
import type { CaseName } from '../streams/answers.ts'
import { subjects } from '../subjects.ts'

/** @param whose model: the one that is asked now, or another one of the same wire */
export type AnswerOf = (wire: string, name: CaseName, whose: 'same' | 'other') => AssistantMessage

export function answersFor(model: string): AnswerOf {
  return (name, streamName, whose) => {
    const { wire, streams } = subjects.find((subject) => subject.wire.name === name)!
    const telling = streams[streamName]
    if ('cannot' in telling) throw new Error(telling.cannot)
    const own = whose === 'same' ? model : `${model}-older`
    const reader = wire.createReader({ limits: modelLimits, origin: '', key: '', model: own, requestChars: 0 })
    const events: ModelEvent[] = []
    reader.feed(Buffer.from(bytesOf(telling)).toString(), events)
    return messageOf([...events, ...reader.finish()])
  }
}

/** Neighbouring text or reasoning is one part, until an event brings a seal. */
function messageOf(events: readonly ModelEvent[]): AssistantMessage {
  const parts: AssistantMessage['parts'][number][] = []
  for (const event of events) {
    if (event.type === 'tool_call') parts.push(event.call)
    if (event.type !== 'text' && event.type !== 'reasoning') continue
    const last = parts.at(-1)
    if (last?.type === event.type && last.sealed === undefined)
      parts[parts.length - 1] = { ...last, ...event, text: last.text + event.text }
    else parts.push(event)
  }
  return { role: 'assistant', parts }
}
