/**
 * Runs in a worker: counts tokens of OpenAI's encodings, each loaded when it is first asked for. Text that spells a special
 * token is counted as plain text.
 */
import { readFileSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import { brotliDecompressSync } from 'node:zlib'
import type { ThreadAnswer, ThreadQuestion } from '../../base/index.ts'
import { tokenizerPieceChars } from '../limits.ts'
import { GptEncoding } from './gpt-tokenizer.js'
import type { TokenEncoding, TokenQuestion } from './request-tokens.ts'

type Count = (text: string, options: { disallowedSpecial: Set<string> }) => number

const plain = { disallowedSpecial: new Set<string>() }

/** Written by `scripts/make-tokenizer.ts`. */
const rankFiles: Readonly<Record<TokenEncoding, URL>> = {
  o200k_base: new URL('./o200k_base.json.br', import.meta.url),
  cl100k_base: new URL('./cl100k_base.json.br', import.meta.url),
}

interface Encoding {
  readonly countTokens: Count
  readonly decode: (tokens: readonly number[]) => string
}

/** Loads each encoding once. */
function createLoader(): (encoding: TokenEncoding) => Encoding {
  const loaded = new Map<TokenEncoding, Encoding>()
  return (encoding) => {
    const known = loaded.get(encoding)
    if (known !== undefined) return known
    const ranks = JSON.parse(brotliDecompressSync(readFileSync(rankFiles[encoding])).toString()) as (string | number[])[]
    const { countTokens, decode } = GptEncoding.getEncodingApi(encoding, () => ranks)
    const made = { countTokens, decode }
    loaded.set(encoding, made)
    return made
  }
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

/** End of the next piece: at a line or space near its limit where there is one, and never inside a surrogate pair. */
function cut(text: string, from: number): number {
  const limit = from + tokenizerPieceChars
  if (limit >= text.length) return text.length
  const line = text.lastIndexOf('\n', limit)
  if (line > from + tokenizerPieceChars / 2) return line
  const space = text.lastIndexOf(' ', limit)
  if (space > from + tokenizerPieceChars / 2) return space
  const code = text.charCodeAt(limit - 1)
  return code >= 0xd800 && code <= 0xdbff ? limit - 1 : limit
}

const load = createLoader()

// A failure to load is thrown: it ends the worker, and all open questions fail.
parentPort?.on('message', ([id, question]: ThreadQuestion<TokenQuestion>) => {
  const { countTokens, decode } = load(question.encoding)
  const answers =
    'texts' in question ? question.texts.map((text) => count(text, countTokens)) : question.tokens.map((each) => decoded(each, decode))
  const answer: ThreadAnswer<readonly (number | string | null)[]> = [id, null, answers]
  parentPort?.postMessage(answer, [])
})

/** @returns null for what are no tokens of this encoding */
function decoded(tokens: readonly number[], decode: Encoding['decode']): string | null {
  try {
    return decode(tokens)
  } catch {
    return null
  }
}
