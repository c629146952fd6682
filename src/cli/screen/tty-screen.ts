/**
 * A terminal screen that streams character by character. While the person types, output is buffered; it is printed when the line is
 * entered or erased.
 */
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { columnsOf } from '../terminal.ts'
import { writtenOut } from '../../terminal/index.ts'
import { openPasting } from './pasting.ts'
import { type MakeScreen, openLineWriter, type ScreenEvents } from './screen.ts'
import { textWidth } from './word-wrap.ts'

const typingPrompt = '› '
const historySize = 1_000

export const createTtyScreen: MakeScreen = (input, output, events) => {
  const pasting = openPasting(input, output, {
    insert(text) {
      startTyping()
      lines.write(text)
    },
    refuse: (reason) => print(() => writer.line(reason)),
  })
  const lines = createInterface({ input: pasting.keys, output, terminal: true, historySize, prompt: typingPrompt })
  const writer = openLineWriter(output)
  const prompt = createPrompt(lines, output, writer.breakLine)
  let typing = false
  let buffered: (() => void)[] = []

  const print = (write: () => void): void => {
    if (typing) return void buffered.push(write)
    prompt.hide()
    write()
    prompt.settle()
  }
  const stopTyping = (): void => {
    typing = false
    const writes = buffered
    buffered = []
    if (writes.length > 0) prompt.hide()
    for (const write of writes) write()
    prompt.settle()
  }
  const startTyping = (): void => {
    if (typing) return
    typing = true
    prompt.showForInput()
  }
  const stopKeys = watchKeys(pasting.keys, {
    before(key) {
      if (key.name === 'backspace') pasting.erasePlaceholder(lines)
      startTyping()
    },
    after: () => void (typing && lines.line === '' && stopTyping()),
  })
  pasting.begin()
  // After the program returns from the background, the line editor has stopped reading.
  lines.on('SIGCONT', () => (pasting.begin(), lines.resume()))
  const hasWaiting = watchLines(lines, events, {
    entered(line) {
      prompt.forget()
      writer.isBroken()
      stopTyping()
      return pasting.expand(line)
    },
    closed() {
      prompt.end()
      stopKeys()
      pasting.close()
    },
  })
  return {
    line: (text) => print(() => writer.line(text)),
    exactLine: (text) => print(() => writer.exactLine(text)),
    live: (rows) => prompt.setLive(rows, !typing),
    isTyping: () => typing || hasWaiting(),
    stream: (text) => print(() => writer.stream(text)),
    prompt(text) {
      prompt.set(text)
      if (!typing) prompt.settle()
    },
    close: () => lines.close(),
  }
}

interface Prompt {
  /** Sets the prompt without drawing it; null for none. */
  set(text: string | null): void
  /** Draws or hides the prompt and the live rows as they were set. */
  settle(): void
  /** @param now false while the person types: the rows are then drawn afterwards */
  setLive(rows: readonly string[], now: boolean): void
  hide(): void
  /** Draws a prompt even if none was set: the person types. */
  showForInput(): void
  /** The cursor has moved to a new line: there is nothing to erase. */
  forget(): void
  end(): void
}

function createPrompt(lines: Interface, output: NodeJS.WriteStream, breakLine: () => void): Prompt {
  let wanted: string | null = null
  let shown: string | null = null
  let ended = false
  let live: readonly string[] = []
  /** Rows of `live` that are on the screen, above the prompt. */
  let drawn = 0
  const show = (text: string): void => {
    if (shown === text || ended) return
    if (shown === null) breakLine()
    shown = text
    lines.setPrompt(text)
    // Keeps the typed text and the cursor.
    lines.prompt(true)
  }
  const hide = (): void => {
    if (shown === null && drawn === 0) return
    shown = null
    moveCursor(output, 0, -drawn)
    drawn = 0
    cursorTo(output, 0)
    clearScreenDown(output)
  }
  const drawLive = (): void => {
    if (live.length === 0 || drawn > 0 || ended) return
    hide()
    breakLine()
    output.write(live.map((row) => `${writtenOut(clip(row, columnsOf(output) - 1))}\n`).join(''))
    drawn = live.length
  }
  const settle = (): void => {
    if (wanted === null && shown !== null) hide()
    drawLive()
    if (wanted !== null) show(wanted)
  }
  return {
    set: (text) => (wanted = text),
    settle,
    setLive(rows, now) {
      live = rows
      if (!now) return
      hide()
      settle()
    },
    hide,
    showForInput: () => show(wanted ?? typingPrompt),
    forget() {
      shown = null
      drawn = 0
    },
    end: () => (ended = true),
  }
}

/** Calls `before` before the line editor handles an editing key, and `after` after it handled any key. @returns a function that stops this */
function watchKeys(input: NodeJS.ReadStream, keys: { before(key: Key): void; after(): void }): () => void {
  const before = (_: string | undefined, key: Key): void => {
    const isEnd = key.name === 'return' || key.name === 'enter' || (key.ctrl && (key.name === 'c' || key.name === 'd'))
    if (!isEnd) keys.before(key)
  }
  const after = (): void => keys.after()
  input.prependListener('keypress', before)
  input.on('keypress', after)
  return () => {
    input.off('keypress', before)
    input.off('keypress', after)
  }
}

/** @param screen `entered` returns the line with pasted text expanded @returns a function that tells whether lines wait to be processed */
function watchLines(lines: Interface, events: ScreenEvents, screen: { entered(line: string): string; closed(): void }): () => boolean {
  let queue: Promise<void> = Promise.resolve()
  let waiting = 0
  lines.on('line', (line) => {
    const expanded = screen.entered(line)
    // Several lines may arrive at once; they are processed one at a time.
    waiting += 1
    queue = queue.then(() => {
      waiting -= 1
      return events.onLine(expanded)
    })
  })
  lines.on('SIGINT', () => {
    const typed = lines.line !== ''
    if (typed) for (const name of ['e', 'u']) lines.write(null, { ctrl: true, name })
    events.onInterrupt(typed)
  })
  lines.on('close', () => {
    screen.closed()
    events.onEnd()
  })
  return () => waiting > 0
}

/** A row wider than the terminal would wrap, and redrawing would not erase all of it. */
function clip(row: string, columns: number): string {
  if (textWidth(row) <= columns) return row
  let shown = ''
  for (const char of row) {
    if (textWidth(shown + char) >= columns) break
    shown += char
  }
  return `${shown}…`
}
