/** Pasting into a line editor: in bracketed-paste mode, pasted text is inserted into the line, or a placeholder for long text. */
import { EventEmitter } from 'node:events'
import type { Interface } from 'node:readline'
import { StringDecoder } from 'node:string_decoder'
import { escapeKeyMs, maxInlinePasteChars, maxKeptPastes, maxPasteChars } from '../limits.ts'
import { plainText } from '../../terminal/index.ts'

/** Sequences that turn bracketed-paste mode on and off. */
const modeOn = '\u001b[?2004h'
const modeOff = '\u001b[?2004l'

interface Pasting {
  /** The typed keys without pasted text, as input of the line editor. */
  readonly keys: NodeJS.ReadStream
  /** Turns bracketed-paste mode on. Needed again after a shell used the terminal and set its own mode. */
  begin(): void
  /** @returns the entered line with each placeholder replaced by its text. */
  expand(line: string): string
  /** Call before a backspace: erases a placeholder before the cursor except for its last character, which the key erases. */
  erasePlaceholder(lines: Interface): void
  /** Restores terminal and input. */
  close(): void
}

interface Line {
  insert(text: string): void
  /** Reports why nothing is inserted. */
  refuse(reason: string): void
}

export function openPasting(input: NodeJS.ReadStream, output: NodeJS.WriteStream, line: Line): Pasting {
  const placeholders = createPlaceholders()
  const { keys, close } = openKeyInput(input, (pasted) => {
    const text = pasted === null ? '' : placeholders.add(pasted)
    if (pasted === null) line.refuse(tooLong)
    else if (text !== '') line.insert(text)
  })
  return {
    keys,
    begin: () => void output.write(modeOn),
    expand: placeholders.expand,
    erasePlaceholder(lines) {
      const { length } = placeholders.endingAt(lines.line.slice(0, lines.cursor))
      for (let left = length - 1; left > 0; left--) lines.write(null, { name: 'backspace' })
    },
    close() {
      close()
      output.write(modeOff)
    },
  }
}

const tooLong = `  the pasted text has over ${maxPasteChars} characters; put it into a file of the workspace and ask about the file`

// The line editor treats every newline in pasted text as Enter: ten pasted lines would be ten messages, and a pasted `y` an answer. So
// pasted text is removed from the keys that the editor reads.

interface KeyInput {
  /** Input of the line editor. */
  readonly keys: NodeJS.ReadStream
  /** Stops reading the input. The line editor itself leaves raw mode. */
  close(): void
}

/** @param onPaste called in order with the keys; null stands for a text over the limit */
function openKeyInput(input: NodeJS.ReadStream, onPaste: (text: string | null) => void): KeyInput {
  const decoder = new StringDecoder('utf8')
  const splitter = createPasteSplitter()
  // The line editor uses only these members of a stream. A real stream would deliver keys a tick late, after the paste that follows them.
  const keys = Object.assign(new EventEmitter(), {
    isTTY: true,
    setRawMode: (raw: boolean) => input.setRawMode?.(raw),
    resume: () => input.resume(),
    pause: () => input.pause(),
  }) as unknown as NodeJS.ReadStream
  let timer: NodeJS.Timeout | undefined

  const dispatch = (found: readonly Entered[]): void => {
    for (const each of found) {
      if (each.kind === 'keys') keys.emit('data', each.text)
      else onPaste(each.kind === 'paste' ? each.text : null)
    }
  }
  const take = (piece: Buffer): void => {
    clearTimeout(timer)
    dispatch(splitter.take(decoder.write(piece)))
    if (splitter.isHolding()) timer = setTimeout(() => dispatch(splitter.release()), escapeKeyMs)
  }
  const end = (): void => void keys.emit('end')
  input.on('data', take)
  input.on('end', end)
  // Reading from a terminal that is gone fails.
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

// A terminal in bracketed-paste mode sends `ESC [ 200 ~` before a pasted text and `ESC [ 201 ~` after it. A chunk may end anywhere,
// even inside such a marker.

export type Entered =
  | { readonly kind: 'keys'; readonly text: string }
  | { readonly kind: 'paste'; readonly text: string }
  /** A paste over the limit; nothing of it is kept. */
  | { readonly kind: 'too_long'; readonly chars: number }

interface PasteSplitter {
  /** @returns the keys and texts that are complete now, in order. */
  take(piece: string): readonly Entered[]
  /** @returns keys that were held back because a marker may begin with them. */
  release(): readonly Entered[]
  /** True while `release` would return something. */
  isHolding(): boolean
}

const begin = '\u001b[200~'
const end = '\u001b[201~'
/** In raw mode Ctrl+C is a character. */
const interrupt = '\u0003'

export function createPasteSplitter(): PasteSplitter {
  /** End of the input so far, which may be the beginning of a marker. */
  let partial = ''
  let pasted: string[] | null = null
  let pastedChars = 0

  const paste = (text: string): void => {
    pastedChars += text.length
    // Over the limit, only the length is counted.
    if (pastedChars <= maxPasteChars) pasted?.push(text)
  }
  const endPaste = (): Entered => {
    const text = (pasted ?? []).join('')
    pasted = null
    return pastedChars > maxPasteChars ? { kind: 'too_long', chars: pastedChars } : { kind: 'paste', text }
  }
  const take = (piece: string): readonly Entered[] => {
    const found: Entered[] = []
    // If the end marker is lost, Ctrl+C must still work.
    if (pasted !== null && piece === interrupt) {
      pasted = null
      partial = ''
      return [{ kind: 'keys', text: interrupt }]
    }
    let rest = partial + piece
    partial = ''
    for (;;) {
      const marker = pasted === null ? begin : end
      const at = rest.indexOf(marker)
      const text = at < 0 ? rest.slice(0, rest.length - partialLength(rest, marker)) : rest.slice(0, at)
      if (pasted !== null) paste(text)
      else if (text !== '') found.push({ kind: 'keys', text })
      if (at < 0) {
        partial = rest.slice(text.length)
        return found
      }
      rest = rest.slice(at + marker.length)
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
      if (pasted !== null || partial === '') return []
      const text = partial
      partial = ''
      return [{ kind: 'keys', text }]
    },
    isHolding: () => pasted === null && partial !== '',
  }
}

/** @returns how many characters at the end of the text may be the beginning of the marker. */
function partialLength(text: string, marker: string): number {
  let length = Math.min(text.length, marker.length - 1)
  while (length > 0 && !marker.startsWith(text.slice(text.length - length))) length -= 1
  return length
}

// Pasted text of several lines is shown as a short placeholder until the line is entered. A single line is inserted as it is.

interface Placeholders {
  /** @returns the text to insert into the line: a placeholder or the cleaned text, which may be empty. */
  add(pasted: string): string
  /** @returns the entered line with each placeholder replaced by its text. */
  expand(line: string): string
  /** @returns the placeholder at the end of the text, or an empty string. */
  endingAt(text: string): string
}

export function createPlaceholders(): Placeholders {
  /** Texts by placeholder; lines from the history refer to earlier ones. The oldest is removed first. */
  const texts = new Map<string, string>()
  let count = 0
  return {
    add(pasted) {
      // Without control characters, and without the newline that ends a copied line.
      const text = plainText(pasted.replace(/\r\n?/g, '\n')).replace(/\n+$/, '')
      if (!text.includes('\n') && text.length <= maxInlinePasteChars) return text
      count += 1
      const lines = text.split('\n').length
      const placeholder = `[pasted #${count}: ${lines === 1 ? `${text.length} characters` : `${lines} lines`}]`
      texts.set(placeholder, text)
      const [oldest = ''] = texts.keys()
      if (texts.size > maxKeptPastes) texts.delete(oldest)
      return placeholder
    },
    expand: (line) => line.replace(/\[pasted #\d+: \d+ (?:lines|characters)\]/g, (placeholder) => texts.get(placeholder) ?? placeholder),
    endingAt: (text) => [...texts.keys()].find((placeholder) => text.endsWith(placeholder)) ?? '',
  }
}
