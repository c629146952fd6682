/**
 * Tells what is typed from what is pasted: a terminal in bracketed-paste mode puts `ESC [ 200 ~` before a pasted text and
 * `ESC [ 201 ~` after it. Text comes in pieces that may be cut anywhere, also inside such a mark.
 */
import { maxPasteChars } from '../limits.ts'

export type Entered =
  | { readonly kind: 'keys'; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  /** A paste over the limit; nothing of it is kept. */
  | { readonly kind: 'too_long'; readonly chars: number }

export interface PasteSplitter {
  /** What has become complete, in order. */
  take(piece: string): readonly Entered[]
  /** Keys that are held because a mark may begin with them. */
  release(): readonly Entered[]
  /** True while `release` would give something. */
  holds(): boolean
}

const begin = '\u001b[200~'
const end = '\u001b[201~'
/** In raw mode Ctrl+C comes as a character. */
const interrupt = '\u0003'

export function createPasteSplitter(): PasteSplitter {
  /** Keys that may be the beginning of a mark, or the end of what was pasted so far. */
  let held = ''
  let pasted: string[] | null = null
  let pastedChars = 0

  const paste = (text: string): void => {
    pastedChars += text.length
    // Over the limit only the length is still counted.
    if (pastedChars <= maxPasteChars) pasted?.push(text)
  }
  const endPaste = (): Entered => {
    const text = (pasted ?? []).join('')
    pasted = null
    return pastedChars > maxPasteChars ? { kind: 'too_long', chars: pastedChars } : { kind: 'paste', text }
  }
  const take = (piece: string): readonly Entered[] => {
    const found: Entered[] = []
    // The end of a paste can be lost; the person must not be locked in by it.
    if (pasted !== null && piece === interrupt) {
      pasted = null
      held = ''
      return [{ kind: 'keys', text: interrupt }]
    }
    let rest = held + piece
    held = ''
    for (;;) {
      const mark = pasted === null ? begin : end
      const at = rest.indexOf(mark)
      const text = at < 0 ? rest.slice(0, rest.length - heldLength(rest, mark)) : rest.slice(0, at)
      if (pasted !== null) paste(text)
      else if (text !== '') found.push({ kind: 'keys', text })
      if (at < 0) {
        held = rest.slice(text.length)
        return found
      }
      rest = rest.slice(at + mark.length)
      if (pasted !== null) found.push(endPaste())
      else {
        pasted = []
        pastedChars = 0
      }
    }
  }
  return {
    take,
    release() {
      if (pasted !== null || held === '') return []
      const text = held
      held = ''
      return [{ kind: 'keys', text }]
    },
    holds: () => pasted === null && held !== '',
  }
}

/** @returns how many characters at the end of the text may be the beginning of the mark. */
function heldLength(text: string, mark: string): number {
  let length = Math.min(text.length, mark.length - 1)
  while (length > 0 && !mark.startsWith(text.slice(text.length - length))) length -= 1
  return length
}
