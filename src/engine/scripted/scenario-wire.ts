/** Turns a step of a scenario into the bytes of a chat-completions answer, once, and the pauses between them. */
import type { ChatCompletionChunk } from 'openai/resources/chat/completions'
import type { ScenarioEvent, ScenarioStep } from './scenario.ts'
import { chunksOf } from './step-choice.ts'

export type WirePart = { readonly bytes: Buffer } | { readonly delayMs: number } | 'drop' | 'stall'

type Choice = ChatCompletionChunk['choices'][number]
type Delta = Choice['delta'] & { reasoning_content?: string }

/** @param last text of the request's last message, for `{{last}}`. */
export function wireParts(step: ScenarioStep, last: string): readonly WirePart[] {
  const parts: WirePart[] = []
  let text = [sse(chunk({ role: 'assistant', content: '' }, null))]
  const flush = (): void => {
    const bytes = Buffer.from(text.join(''))
    text = []
    const size = step.split_bytes ?? bytes.length
    for (let from = 0; from < bytes.length; from += size) parts.push({ bytes: bytes.subarray(from, from + size) })
  }
  let calls = 0
  for (const event of step.events) {
    if ('delay_ms' in event) {
      flush()
      parts.push({ delayMs: event.delay_ms })
    } else if ('drop' in event || 'stall' in event) {
      flush()
      return [...parts, 'drop' in event ? 'drop' : 'stall']
    } else if ('error' in event) {
      text.push(sse({ error: { message: event.message ?? 'scripted error', code: statusOf(event.error) } }))
      flush()
      return parts
    } else {
      for (const piece of pieces(event, calls, last)) text.push(piece)
      if ('tool_call' in event) calls += 1
    }
  }
  if (step.finish !== 'none') {
    text.push(sse(chunk({}, step.finish ?? (calls > 0 ? 'tool_calls' : 'stop'))))
    if (step.usage !== null) text.push(usageChunk(step))
    text.push('data: [DONE]\n\n')
  }
  flush()
  return parts
}

function pieces(event: ScenarioEvent, place: number, last: string): string[] {
  if ('garbage' in event) return [event.garbage]
  if ('reasoning' in event) {
    return chunksOf(event.reasoning, event).map((reasoning) => sse(chunk({ reasoning_content: reasoning }, null)))
  }
  if ('tool_call' in event) {
    const call = event.tool_call
    const given = typeof call.arguments === 'string' ? call.arguments : JSON.stringify(call.arguments ?? {})
    const size = Math.max(1, Math.ceil(given.length / (call.pieces ?? 1)))
    const index = call.no_index === true ? {} : { index: place }
    const head = { ...index, id: call.id ?? `call_${place}`, type: 'function', function: { name: call.name, arguments: '' } }
    const deltas = [head, ...chunksOf(given, { chunk: size }).map((piece) => ({ ...index, function: { arguments: piece } }))]
    return deltas.map((delta) => sse(chunk({ tool_calls: [delta as NonNullable<Delta['tool_calls']>[number]] }, null)))
  }
  if (!('text' in event)) return []
  const said = event.text.replaceAll('{{last}}', () => last)
  // A repeated text is serialised once: a step of 100 000 chunks is made in no time.
  const once = chunksOf(said, { chunk: event.chunk }).map((content) => sse(chunk({ content }, null)))
  return [once.join('').repeat(event.count ?? 1)]
}

function chunk(delta: Delta, finish: Choice['finish_reason']): ChatCompletionChunk {
  return { ...envelope, choices: [{ index: 0, delta, finish_reason: finish }] }
}

const envelope = { id: 'chatcmpl-scripted', object: 'chat.completion.chunk', created: 0, model: 'scripted' } as const

function usageChunk(step: ScenarioStep): string {
  const { input, output } = step.usage ?? { input: 10, output: 10 }
  const usage = { prompt_tokens: input, completion_tokens: output, total_tokens: input + output }
  return sse({ ...envelope, choices: [], usage } satisfies ChatCompletionChunk)
}

function sse(value: object): string {
  return `data: ${JSON.stringify(value)}\n\n`
}

function statusOf(code: string): number {
  const statuses: Record<string, number> = { model_auth: 401, model_refused: 400, model_rate_limited: 429 }
  return statuses[code] ?? 500
}
