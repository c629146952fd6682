/** Shortens one step, a generation with the results of its tool calls, until it fits: arguments first, then the largest results. */
import type { Message } from '../../types/index.ts'
import { minArgumentBytes, minResultBytes, shortArgumentBytes } from '../limits.ts'
import type { Bounds, Shorten } from './shorten-message.ts'

interface ShortenDeps {
  readonly shorten: Shorten
  /** @returns tokens of the messages. */
  readonly measure: (messages: readonly Message[]) => Promise<number>
}

export interface Shortened {
  readonly messages: readonly Message[]
  /** More than asked for when nothing more can be cut. */
  readonly tokens: number
}

/** @param tokens what `messages` take now. @returns the first of ever shorter forms that takes at most `room` tokens, else the shortest. */
export async function shortenStep(messages: readonly Message[], tokens: number, room: number, deps: ShortenDeps): Promise<Shortened> {
  let shortest: Shortened = { messages, tokens }
  for (const bounds of ladder(messages)) {
    if (shortest.tokens <= room) break
    const shorter = messages.map((message) => deps.shorten(message, bounds))
    const measured = await deps.measure(shorter)
    // A tokenizer may need more tokens for less text.
    if (measured < shortest.tokens) shortest = { messages: shorter, tokens: measured }
  }
  return shortest
}

/** Results are cut to powers of two, so that the largest go first and a little less room changes nothing. */
function* ladder(messages: readonly Message[]): Generator<Bounds> {
  let longest = 0
  for (const { role, parts } of messages) if (role === 'tool') longest = Math.max(longest, Buffer.byteLength(parts[0].text))
  yield { argumentBytes: shortArgumentBytes, resultBytes: Infinity }
  let resultBytes = 2 ** Math.ceil(Math.log2(Math.max(longest, minResultBytes)))
  while (resultBytes > minResultBytes) yield { argumentBytes: shortArgumentBytes, resultBytes: (resultBytes /= 2) }
  yield { argumentBytes: minArgumentBytes, resultBytes: minResultBytes }
}
