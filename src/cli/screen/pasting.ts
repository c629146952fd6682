/** Pasting into a line editor: in bracketed-paste mode, pasted text is inserted into the line, or a placeholder for long text. */
import { EventEmitter } from 'node:events'
import type { Interface } from 'node:readline'
import { StringDecoder } from 'node:string_decoder'
import { escapeKeyMs, maxInlinePasteChars, maxKeptPastes, maxPasteChars } from '../limits.ts'
import { plainText } from '../view/terminal-text.ts'

/** Bracketed-paste mode of a terminal; see paste-splitter.ts. */
const modeOn = '\u001b[?2004h'
const modeOff = '\u001b[?2004l'

interface Pasting {
  /** The typed keys, for the line editor. */
  readonly keys: NodeJS.ReadStream
  /** Asks the terminal to mark what is pasted; again after a shell had it, which has set its own mode. */
  begin(): void
  /** @returns the entered line with the texts that its marks stand for. */
  expand(line: string): string
  /** Before a backspace: erases a mark before the cursor up to its last character, which the key itself erases. */
  eraseMark(lines: Interface): void
  /** Restores terminal and input. */
  close(): void
}

interface Line {
  insert(text: string): void
  /** Nothing is inserted, for this reason. */
  refuse(why: string): void
}

export function openPasting(input: NodeJS.ReadStream, output: NodeJS.WriteStream, line: Line): Pasting {
  const marks = createPasteMarks()
  const { keys, close } = openKeyInput(input, (pasted) => {
    const text = pasted === null ? '' : marks.mark(pasted)
    if (pasted === null) line.refuse(tooLong)
    else if (text !== '') line.insert(text)
  })
  return {
    keys,
    begin: () => void output.write(modeOn),
    expand: marks.expand,
    eraseMark(lines) {
      const { length } = marks.endingAt(lines.line.slice(0, lines.cursor))
      for (let left = length - 1; left > 0; left--) lines.write(null, { name: 'backspace' })
    },
    close() {
      close()
      output.write(modeOff)
    },
  }
}

const tooLong = `  the pasted text has over ${maxPasteChars} characters; put it into a file of the workspace and ask about the file`

// The line editor takes every line end in a pasted text for Enter: ten pasted lines would be ten messages, and a pasted `y` an answer.
// So pasted text is taken out of the keys that it reads.

interface KeyInput {
  /** What the line editor is given for its input. */
  readonly keys: NodeJS.ReadStream
  /** Lets go of the input. The terminal says itself that it has left raw mode. */
  close(): void
}

/** @param onPaste is told between the keys that came before and those that come after; a text over the limit is null */
function openKeyInput(input: NodeJS.ReadStream, onPaste: (text: string | null) => void): KeyInput {
  const decoder = new StringDecoder('utf8')
  const splitter = createPasteSplitter()
  // Of a stream the line editor uses these alone. A real one would hand keys on a tick too late, after the paste that follows them.
  const keys = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode: (raw: boolean) => input.setRawMode?.(raw),
    resume: () => input.resume(),
    pause: () => input.pause(),
  }) as unknown as NodeJS.ReadStream
  let timer: NodeJS.Timeout | undefined

  const hand = (found: readonly Entered[]): void => {
    for (const each of found) {
      if (each.kind === 'keys') keys.emit('data', each.text)
      else onPaste(each.kind === 'paste' ? each.text : null)
    }
  }
  const take = (piece: Buffer): void => {
    clearTimeout(timer)
    hand(splitter.take(decoder.write(piece)))
    if (splitter.holds()) timer = setTimeout(() => hand(splitter.release()), escapeKeyMs)
  }
  const end = (): void => void keys.emit('end')
  input.on('data', take)
  input.on('end', end)
  // A terminal that is gone fails to be read.
  input.on('error', end)
  return {
    keys,
    close() {
      clearTimeout(timer)
      input.off('data', take)
      input.off('end', end)
      input.off('error', end)
    },
  }
}

// A terminal in bracketed-paste mode sends `ESC [ 200 ~` before a pasted text and `ESC [ 201 ~` after it. Chunks may be cut anywhere,
// also inside such a mark.

export type Entered =
  | { readonly kind: 'keys'; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  /** A paste over the limit; nothing of it is kept. */
  | { readonly kind: 'too_long'; readonly chars: number }

interface PasteSplitter {
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

// A pasted text of several lines is shown as a short mark until the line is entered. One line needs no mark.

interface PasteMarks {
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
