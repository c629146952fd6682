/** The items of a response, put together from the events in which they stream. What of them is wanted back is sealed. */
import type { Json, JsonObject, ToolCallPart } from '../../types/index.ts'
import { type Answer, garbled, say, seal } from '../answer.ts'
import { listOf, recordOf, textOf } from '../openai/endpoint-json.ts'
import { createItemLookup, type Event, type Item, type ItemCall } from './item-lookup.ts'
import { responsesWireName } from './responses-input.ts'

export interface OutputItems {
  /** Nothing of an item came yet. */
  none(): boolean
  begin(event: Event): void
  say(event: Event, kind: 'text' | 'reasoning' | 'refusal'): void
  /** Another paragraph of a summary begins. */
  part(event: Event): void
  pieceOfCall(event: Event): void
  wholeCall(event: Event): void
  end(event: Event): void
  refused(): boolean
  /** @returns the calls, or null when one has no name. @param onlyDone leaves out those that were cut */
  calls(onlyDone: boolean): ToolCallPart[] | null
}

export function createOutputItems(answer: Answer): OutputItems {
  const { items, itemOf: find } = createItemLookup()
  let begunCalls = 0

  const itemOf = (event: Event): Item | null => {
    const item = find(event)
    if (item === null) garbled(answer, 'sent more items than any answer has')
    return item
  }
  const callOf = (event: Event): ItemCall | null => {
    const item = itemOf(event)
    if (item === null) return null
    if (item.call === null) {
      begunCalls += 1
      if (begunCalls > answer.options.limits.maxToolCalls) {
        garbled(answer, 'sent tool calls that cannot be read')
        return null
      }
      item.call = { id: textOf(event['item_id']), callId: '', name: '', arguments: '' }
    }
    return item.call
  }
  return {
    none: () => items.length === 0,
    begin: (event) => {
      // Hidden reasoning may take minutes, and its beginning is all that is seen of it.
      answer.options.onProgress?.()
      if (recordOf(event['item'])['type'] === 'function_call') readCall(answer, callOf(event), event)
      else itemOf(event)
    },
    say: (event, kind) => {
      const text = textOf(event['delta'])
      const item = text === '' ? null : itemOf(event)
      if (item === null) return
      item.said = true
      if (kind === 'refusal') item.refused = true
      say(answer, kind === 'reasoning' ? 'reasoning' : 'text', text)
    },
    part: (event) => {
      const item = itemOf(event)
      if (item?.said === true) say(answer, 'reasoning', '\n\n')
    },
    pieceOfCall: (event) => {
      const call = callOf(event)
      const piece = textOf(event['delta'])
      if (call === null) return
      call.arguments += piece
      answer.outputChars += piece.length
    },
    wholeCall: (event) => {
      const call = callOf(event)
      if (call === null) return
      call.name = textOf(event['name']) || call.name
      setArguments(answer, call, event['arguments'])
    },
    end: (event) => {
      const item = itemOf(event)
      if (item === null || item.done) return
      const raw = recordOf(event['item'])
      item.done = raw['status'] !== 'incomplete'
      if (raw['type'] === 'function_call') readCall(answer, callOf(event), event)
      else if (raw['type'] === 'message') endMessage(answer, item, raw)
      else if (raw['type'] === 'reasoning') endReasoning(answer, item, raw)
    },
    refused: () => items.some((item) => item.refused),
    calls: (onlyDone) => callsOf(answer, items, onlyDone),
  }
}

function readCall(answer: Answer, call: ItemCall | null, event: Event): void {
  const raw = recordOf(event['item'])
  if (call === null) return
  call.id = textOf(raw['id']) || call.id
  call.callId = textOf(raw['call_id']) || call.callId
  call.name = textOf(raw['name']) || call.name
  setArguments(answer, call, raw['arguments'])
}

/** The end of a call repeats its arguments; an object instead of its text is taken as some services send it. */
function setArguments(answer: Answer, call: ItemCall, value: unknown): void {
  const text = typeof value === 'object' && value !== null ? JSON.stringify(value) : textOf(value)
  if (text === '') return
  if (call.arguments === '') answer.outputChars += text.length
  call.arguments = text
}

function callsOf(answer: Answer, items: readonly Item[], onlyDone: boolean): ToolCallPart[] | null {
  const calls: ToolCallPart[] = []
  for (const { call, index, done } of items) {
    if (call === null || (onlyDone && !done)) continue
    if (call.name === '') return null
    const sealed = {
      wire: responsesWireName,
      model: answer.options.model,
      data: { ...placeOf(index), ...(call.id !== '' && { id: call.id }) },
    }
    const id = call.callId || call.id || `call_${calls.length}`
    calls.push({ type: 'tool_call', id, name: call.name, arguments: call.arguments === '' ? '{}' : call.arguments, sealed })
  }
  return calls
}

function endMessage(answer: Answer, item: Item, raw: Record<string, unknown>): void {
  for (const part of listOf(raw['content']).map(recordOf)) {
    const refusal = textOf(part['refusal'])
    if (refusal !== '') item.refused = true
    const text = textOf(part['text']) || refusal
    if (!item.said && text !== '') say(answer, 'text', text)
  }
  // A message that broke off or refused goes back as plain text: its id stands for something else.
  const id = item.done && !item.refused ? textOf(raw['id']) : ''
  const phase = textOf(raw['phase'])
  if (id === '' && phase === '') return
  sealItem(answer, 'text', { ...placeOf(item.index), ...(id !== '' && { id }), ...(phase !== '' && { phase }) })
}

function endReasoning(answer: Answer, item: Item, raw: Record<string, unknown>): void {
  const summary = textsOf(raw['summary'], 'summary_text')
  const content = textsOf(raw['content'], 'reasoning_text')
  const all = [...summary, ...content].map(({ text }) => text).join('\n\n')
  if (!item.said && all !== '') say(answer, 'reasoning', all)
  const encrypted = textOf(raw['encrypted_content'])
  // Nothing is stored at the service: an item that holds only an id could not be found there.
  if (encrypted === '' && content.length === 0) return
  const id = textOf(raw['id'])
  const back: Record<string, Json> = { type: 'reasoning', ...(id !== '' && { id }), summary }
  if (content.length > 0) back['content'] = content
  if (encrypted !== '') back['encrypted_content'] = encrypted
  sealItem(answer, 'reasoning', { ...placeOf(item.index), item: back })
}

function placeOf(index: number | null): { at?: number } {
  return index === null ? {} : { at: index }
}

function textsOf(value: unknown, type: string): { type: string; text: string }[] {
  return listOf(value)
    .map((part) => textOf(recordOf(part)['text']))
    .filter((text) => text !== '')
    .map((text) => ({ type, text }))
}

function sealItem(answer: Answer, type: 'text' | 'reasoning', data: JsonObject): void {
  seal(answer, type, { wire: responsesWireName, model: answer.options.model, data })
}
