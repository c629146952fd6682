/**
 * A screen that streams character by character. As soon as the person types, what comes in waits, and is printed when the line
 * is entered or erased: nothing is lost and nothing is torn.
 */
import { clearScreenDown, createInterface, cursorTo } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { maxPasteChars } from '../limits.ts'
import { openKeyInput } from './key-input.ts'
import { createPasteMarks } from './paste-marks.ts'
import type { PasteMarks } from './paste-marks.ts'
import { createLineWriter } from './screen.ts'
import type { MakeScreen, ScreenEvents } from './screen.ts'

const typingPrompt = '› '
const historySize = 1_000
/** The terminal marks what is pasted; see paste-splitter.ts. */
const pasteModeOn = '\u001b[?2004h'
const pasteModeOff = '\u001b[?2004l'

export const createTtyScreen: MakeScreen = (input, output, events) => {
  const marks = createPasteMarks()
  const { keys, close: letGo } = openKeyInput(input, (text) => paste(text))
  const lines = createInterface({ input: keys, output, terminal: true, historySize, prompt: typingPrompt })
  const writer = createLineWriter((text) => output.write(text))
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
  const endTyping = (): void => {
    if (typing && lines.line === '') stopTyping()
  }
  const paste = (text: string | null): void => {
    if (text === null) return print(() => writer.line(tooLong))
    const mark = marks.mark(text)
    if (mark === '') return
    startTyping()
    lines.write(mark)
  }
  const stopKeys = watchKeys(keys, {
    before(key) {
      if (key.name === 'backspace') eraseMark(lines, marks)
      startTyping()
    },
    after: endTyping,
  })
  const setMode = (): void => void output.write(pasteModeOn)
  setMode()
  // A shell has set its own mode meanwhile.
  lines.on('SIGCONT', setMode)
  watchLines(
    lines,
    { ...events, onLine: (line) => events.onLine(marks.expand(line)) },
    {
      entered() {
        prompt.isGone()
        writer.isBroken()
        stopTyping()
      },
      closed() {
        prompt.end()
        stopKeys()
        letGo()
        output.write(pasteModeOff)
      },
    },
  )
  return {
    line: (text) => print(() => writer.line(text)),
    stream: (text) => print(() => writer.stream(text)),
    prompt(text) {
      prompt.want(text)
      if (!typing) prompt.settle()
    },
    close: () => lines.close(),
  }
}

const tooLong = `  the pasted text has over ${maxPasteChars} characters; put it into a file of the workspace and ask about the file`

/** Erases a mark before the cursor up to its last character, which the key itself erases. */
function eraseMark(lines: Interface, marks: PasteMarks): void {
  const { length } = marks.endingAt(lines.line.slice(0, lines.cursor))
  for (let left = length - 1; left > 0; left--) lines.write(null, { name: 'backspace' })
}

interface Prompt {
  /** What to show from now on; null for nothing. */
  want(text: string | null): void
  /** Shows or hides, as wanted. */
  settle(): void
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
  const show = (text: string): void => {
    if (shown === text || ended) return
    if (shown === null) breakLine()
    shown = text
    lines.setPrompt(text)
    // Keeps what is typed, and its cursor.
    lines.prompt(true)
  }
  const hide = (): void => {
    if (shown === null) return
    shown = null
    cursorTo(output, 0)
    clearScreenDown(output)
  }
  return {
    want: (text) => (wanted = text),
    settle: () => (wanted === null ? hide() : show(wanted)),
    hide,
    showFor: () => show(wanted ?? typingPrompt),
    isGone: () => (shown = null),
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

function watchLines(lines: Interface, events: ScreenEvents, screen: { entered(): void; closed(): void }): void {
  let taken: Promise<void> = Promise.resolve()
  lines.on('line', (line) => {
    // Pasted lines come all at once; each finds what the one before has done.
    taken = taken.then(() => events.onLine(line))
    screen.entered()
  })
  lines.on('SIGINT', events.onInterrupt)
  lines.on('close', () => {
    screen.closed()
    events.onEnd()
  })
}
