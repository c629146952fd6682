/**
 * Markdown as tokens, for a text that grows at its end: what is before the last blocks is read once. To read 50 kB again at each frame
 * would take longer than the frame.
 *
 * A definition of a link (`[name]: address`) holds only for the blocks that are read with it or after it.
 */
import { marked, type Token } from 'marked'

export interface ReadMarkdown {
  readonly text: string
  readonly tokens: readonly Token[]
}

export const nothingRead: ReadMarkdown = { text: '', tokens: [] }

/** More text can change the last block, and join it with the one before: a list goes on after an empty line, which is a token too. */
const openTokens = 3

/** @param before what was read of the beginning of the text; of another text: it is not used */
export function readMarkdown(before: ReadMarkdown, source: string): ReadMarkdown {
  // As the lexer does, so that lengths agree.
  const text = source.replace(/\r\n|\r/g, '\n')
  const kept = text.startsWith(before.text) ? before.tokens.slice(0, -openTokens) : []
  const length = kept.reduce((sum, { raw }) => sum + raw.length, 0)
  return { text, tokens: [...kept, ...marked.lexer(text.slice(length))] }
}
