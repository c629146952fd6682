/**
 * Reasoning of a chat completion. The protocol has no place for it, so each service has its own: `reasoning_content`
 * (DeepSeek and many that follow it), `reasoning` (vLLM, Groq, Ollama), `reasoning_details` (OpenRouter, with signatures and
 * encrypted pieces). Some refuse the next request when it does not come back: it is sealed with the field that it came in.
 */
import type { JsonObject } from '../../types/index.ts'
import { type Answer, garbled, say, seal } from '../answer.ts'
import { maxAnswerItems } from '../limits.ts'
import { boundedObject, listOf, textOf } from '../openai/endpoint-json.ts'

export const chatWireName = 'openai-chat'

export type ThoughtField = 'reasoning_content' | 'reasoning' | 'reasoning_details'

export interface Thoughts {
  read(delta: Readonly<Record<string, unknown>>): void
  /** Something else begins: what was thought so far is one part. */
  close(): void
}

export function createThoughts(answer: Answer): Thoughts {
  let field: ThoughtField | null = null
  let details: JsonObject[] = []
  let pieces = 0
  return {
    read: (delta) => {
      let detailed = ''
      for (const value of listOf(delta['reasoning_details'])) {
        if (typeof value !== 'object' || value === null || Array.isArray(value)) continue
        const detail = boundedObject(value)
        detailed += textOf(detail['text']) || textOf(detail['summary'])
        field = 'reasoning_details'
        if (joinDetail(details, detail)) continue
        pieces += 1
        if (pieces > maxAnswerItems) return garbled(answer, 'sent more pieces of reasoning than any model has')
      }
      const [name, text] = plainThought(delta)
      if (name !== null) field ??= name
      const said = text || detailed
      if (said !== '') say(answer, 'reasoning', said)
    },
    close: () => {
      if (field === null) return
      const data: JsonObject = field === 'reasoning_details' ? { field, details } : { field }
      seal(answer, 'reasoning', { wire: chatWireName, model: answer.options.model, data })
      field = null
      details = []
    },
  }
}

/** Services in transition send the same text under two names: the first that holds any is taken. */
function plainThought(delta: Readonly<Record<string, unknown>>): [ThoughtField | null, string] {
  for (const name of ['reasoning_content', 'reasoning'] as const) {
    const text = textOf(delta[name])
    if (text !== '') return [name, text]
  }
  return [null, '']
}

/** Joins the pieces in which one text or summary streams. @returns false when it began a new detail. */
function joinDetail(details: JsonObject[], detail: JsonObject): boolean {
  const last = details.at(-1)
  const kind = detail['type'] === 'reasoning.text' ? 'text' : detail['type'] === 'reasoning.summary' ? 'summary' : null
  if (last === undefined || kind === null || last['type'] !== detail['type'] || last['index'] !== detail['index']) {
    details.push(detail)
    return false
  }
  // Later pieces bring what the first had not yet, above all the signature.
  const news = Object.entries(detail).filter(([, value]) => value !== null && value !== '')
  details[details.length - 1] = { ...last, ...Object.fromEntries(news), [kind]: textOf(last[kind]) + textOf(detail[kind]) }
  return true
}
