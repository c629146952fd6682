/** Runs in a worker: counts tokens of the o200k_base encoding. Text that spells a special token is counted as plain text. */
import { parentPort } from 'node:worker_threads'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'
import { tokenizerPieceChars } from '../limits.ts'

const plain = { disallowedSpecial: new Set<string>() }

function count(text: string): number {
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

parentPort?.on('message', ({ id, texts }: { id: number; texts: readonly string[] }) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker's port, not a window
  parentPort?.postMessage({ id, counts: texts.map(count) })
})
