/**
 * Runs in a worker: counts tokens of OpenAI's encodings, each loaded when it is first asked for. Text that spells a special
 * token is counted as plain text.
 */
import { parentPort } from 'node:worker_threads'
import { tokenizerPieceChars } from '../limits.ts'
import type { TokenEncoding } from './token-counter.ts'

type Count = (text: string, options: { disallowedSpecial: Set<string> }) => number

const plain = { disallowedSpecial: new Set<string>() }

async function load(encoding: TokenEncoding): Promise<Count> {
  const { countTokens } =
    encoding === 'o200k_base' ? await import('gpt-tokenizer/encoding/o200k_base') : await import('gpt-tokenizer/encoding/cl100k_base')
  return countTokens
}

function count(text: string, countTokens: Count): number {
  let tokens = 0
  for (let from = 0; from < text.length;) {
    const to = cut(text, from)
    tokens += countTokens(text.slice(from, to), plain)
    from = to
  }
  return tokens
}

/** End of the next piece: after a space near its end where there is one, and never inside a surrogate pair. */
function cut(text: string, from: number): number {
  const most = from + tokenizerPieceChars
  if (most >= text.length) return text.length
  const line = text.lastIndexOf('\n', most)
  if (line > from + tokenizerPieceChars / 2) return line
  const space = text.lastIndexOf(' ', most)
  if (space > from + tokenizerPieceChars / 2) return space
  const code = text.charCodeAt(most - 1)
  return code >= 0xd800 && code <= 0xdbff ? most - 1 : most
}

/** What is asked. A failure to load is thrown: it ends the worker, and whoever waits is told. */
interface Question {
  readonly id: number
  readonly texts: readonly string[]
  readonly encoding: TokenEncoding
}

parentPort?.on('message', ({ id, texts, encoding }: Question) => {
  void load(encoding).then((countTokens) => {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
    parentPort?.postMessage({ id, counts: texts.map((text) => count(text, countTokens)) })
  })
})
