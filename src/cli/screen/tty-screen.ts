/**
 * A terminal screen that streams character by character. While the person types, output is buffered; it is printed when the line is
 * entered or erased.
 */
import { clearScreenDown, createInterface, cursorTo, moveCursor } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { columnsOf } from '../terminal.ts'
import { writtenOut } from '../view/terminal-text.ts'
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
    refuse: (why) => print(() => writer.line(why)),
  })
  const lines = createInterface({ input: pasting.keys, output, terminal: true, historySize, prompt: typingPrompt })
  const writer = openLineWriter(output)
  const prompt = createPrompt(lines, output, writer.breakLine)
  let typing = false
  let waiting: (() => void)[] = []

  const print = (write: () => void): void => {
    if (typing) return void waiting.push(write)
    prompt.hide()
    write()
    prompt.settle()
  }
  const stopTyping = (): void => {
    typing = false
    const held = waiting
    waiting = []
    if (held.length > 0) prompt.hide()
    for (const write of held) write()
    prompt.settle()
  }
  const startTyping = (): void => {
    if (typing) return
    typing = true
    prompt.showFor()
  }
  const stopKeys = watchKeys(pasting.keys, {
    before(key) {
      if (key.name === 'backspace') pasting.eraseMark(lines)
      startTyping()
    },
    after: () => void (typing && lines.line === '' && stopTyping()),
  })
  pasting.begin()
  // Brought back from the background: the line editor has stopped reading.
  lines.on('SIGCONT', () => (pasting.begin(), lines.resume()))
  const waits = watchLines(lines, events, {
    entered(line) {
      prompt.isGone()
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
    isTyping: () => typing || waits(),
    stream: (text) => print(() => writer.stream(text)),
    prompt(text) {
      prompt.want(text)
      if (!typing) prompt.settle()
    },
    close: () => lines.close(),
  }
}

interface Prompt {
  /** What to show from now on; null for nothing. */
  want(text: string | null): void
  /** Shows or hides, as wanted. */
  settle(): void
  /** @param now false while something is typed: then they are shown afterwards */
  setLive(rows: readonly string[], now: boolean): void
  hide(): void
  /** Shows one in any case: there is input to stand before. */
  showFor(): void
  /** Enter has left it behind. */
  isGone(): void
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
    want: (text) => (wanted = text),
    settle,
    setLive(rows, now) {
      live = rows
      if (!now) return
      hide()
      settle()
    },
    hide,
    showFor: () => show(wanted ?? typingPrompt),
    isGone() {
      shown = null
      drawn = 0
    },
    end: () => (ended = true),
  }
}

/** @returns what stops it. `before` runs before the line editor has a key that edits, `after` when it has had any key. */
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

/** `entered` gives what is meant by the line, and makes room below it. @returns whether lines wait to be handed on */
function watchLines(lines: Interface, events: ScreenEvents, screen: { entered(line: string): string; closed(): void }): () => boolean {
  let taken: Promise<void> = Promise.resolve()
  let waiting = 0
  lines.on('line', (line) => {
    const meant = screen.entered(line)
    // Lines may come all at once; each finds what the one before has done.
    waiting += 1
    taken = taken.then(() => {
      waiting -= 1
      return events.onLine(meant)
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

/** A row that is wider than the terminal would be two, and no longer be drawn over. */
function clip(row: string, columns: number): string {
  if (textWidth(row) <= columns) return row
  let shown = ''
  for (const char of row) {
    if (textWidth(shown + char) >= columns) break
    shown += char
  }
  return `${shown}…`
}
