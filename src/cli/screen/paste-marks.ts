/**
 * A pasted text of several lines in a line editor that has one: a short mark stands for it until the line is entered. A paste of
 * one line needs none, it is like typed.
 */
import { maxInlinePasteChars, maxKeptPastes } from '../limits.ts'
import { plainText } from '../view/terminal-text.ts'

export interface PasteMarks {
  /** @returns what to put into the line; empty when nothing is left of the text. */
  mark(pasted: string): string
  /** @returns the entered line with each mark replaced by its text. */
  expand(line: string): string
  /** @returns the mark that ends here, or an empty text: it is erased as one. */
  endingAt(text: string): string
}

export function createPasteMarks(): PasteMarks {
  /** Text by mark; a line may be entered again from the history. The oldest is forgotten first. */
  const kept = new Map<string, string>()
  let made = 0
  return {
    mark(pasted) {
      // Nothing in it acts on the terminal, and the line end behind a copied line is no line.
      const text = plainText(pasted.replace(/\r\n?/g, '\n')).replace(/\n+$/, '')
      if (!text.includes('\n') && text.length <= maxInlinePasteChars) return text
      made += 1
      const lines = text.split('\n').length
      const mark = `[pasted #${made}: ${lines === 1 ? `${text.length} characters` : `${lines} lines`}]`
      kept.set(mark, text)
      const [oldest = ''] = kept.keys()
      if (kept.size > maxKeptPastes) kept.delete(oldest)
      return mark
    },
    expand: (line) => line.replace(/\[pasted #\d+: \d+ (?:lines|characters)\]/g, (mark) => kept.get(mark) ?? mark),
    endingAt: (text) => [...kept.keys()].find((mark) => text.endsWith(mark)) ?? '',
  }
}
