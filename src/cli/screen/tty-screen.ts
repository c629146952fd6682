/**
 * A screen that streams character by character. As soon as the person types, what comes in waits, and is printed when the line
 * is entered or erased: nothing is lost and nothing is torn.
 */
import { clearScreenDown, createInterface, cursorTo } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { openPasting } from './pasting.ts'
import { type MakeScreen, openLineWriter, type ScreenEvents } from './screen.ts'

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
    after() {
      if (typing && lines.line === '') stopTyping()
    },
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
