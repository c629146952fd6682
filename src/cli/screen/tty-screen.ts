/**
 * A terminal of a person who types line by line. Output waits while they type, until the line is entered or erased. A dumb terminal edits its
 * line itself: no sequence is sent to it, and nothing is known of what is typed there until it is entered.
 */
import { clearScreenDown, createInterface, cursorTo } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { onInterrupt } from '../input.ts'
import { type MakeScreen, openLineWriter, type ScreenEvents } from './screen.ts'

const typingPrompt = '› '
const historySize = 1_000
/** Turn bracketed-paste mode on and off: the newlines of pasted text are told from the Enter key. */
const pasteOn = '\u001b[?2004h'
const pasteOff = '\u001b[?2004l'

/** @param isDumb as `TERM` says */
export const createTtyScreen =
  (isDumb: boolean): MakeScreen =>
  (input, output, events) => {
    const lines = createInterface({ input, output, terminal: !isDumb, historySize, prompt: typingPrompt })
    const writer = openLineWriter(output)
    const prompt = createPrompt(lines, output, { isDumb, breakLine: writer.breakLine })
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
    }
    const keys = watchKeys(input, {
      before() {
        typing = true
        prompt.showForInput()
      },
      after() {
        if (!typing || lines.line !== '') return
        stopTyping()
        prompt.settle()
      },
    })
    const begin = (): void => void (isDumb || output.write(pasteOn))
    begin()
    // After the program returns from the background, the line editor has stopped reading, and a shell has set its own mode.
    lines.on('SIGCONT', () => (begin(), lines.resume()))
    // The terminal itself makes a signal of Ctrl+C where the line editor does not read each key.
    const stopSignals = isDumb ? onInterrupt(() => events.onInterrupt(false)) : () => {}
    const hasWaiting = watchLines(lines, events, {
      isPasting: keys.isPasting,
      entered() {
        prompt.forget()
        writer.isBroken()
        stopTyping()
      },
      taken: () => void (typing || prompt.settle()),
      closed() {
        prompt.end()
        keys.stop()
        stopSignals()
        if (!isDumb) output.write(pasteOff)
      },
    })
    return {
      line: (text) => print(() => writer.line(text)),
      exactLine: (text) => print(() => writer.exactLine(text)),
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
  /** Draws or hides the prompt as it was set. */
  settle(): void
  hide(): void
  /** Draws a prompt even if none was set: the person types. */
  showForInput(): void
  /** The cursor has moved to a new line: there is nothing to erase. */
  forget(): void
  end(): void
}

function createPrompt(
  lines: Interface,
  output: NodeJS.WriteStream,
  { isDumb, breakLine }: { readonly isDumb: boolean; breakLine(): void },
): Prompt {
  let wanted: string | null = null
  let shown: string | null = null
  let ended = false
  const hide = (): void => {
    if (shown === null) return
    shown = null
    if (isDumb) return void output.write('\n')
    cursorTo(output, 0)
    clearScreenDown(output)
  }
  const show = (text: string): void => {
    if (shown === text || ended) return
    if (shown === null) breakLine()
    shown = text
    lines.setPrompt(text)
    // Keeps the typed text and the cursor.
    lines.prompt(true)
  }
  return {
    set: (text) => (wanted = text),
    settle: () => (wanted === null ? hide() : show(wanted)),
    hide,
    showForInput: () => show(wanted ?? typingPrompt),
    forget: () => (shown = null),
    end: () => (ended = true),
  }
}

interface Keys {
  /** Pasted text is arriving. */
  isPasting(): boolean
  stop(): void
}

/** Calls `before` before the line editor handles an editing key, and `after` after it handled any key. */
function watchKeys(input: NodeJS.ReadStream, keys: { before(): void; after(): void }): Keys {
  let pasting = false
  const before = (_: string | undefined, { name, ctrl }: Key): void => {
    if (name === 'paste-start' || name === 'paste-end') pasting = name === 'paste-start'
    // Without its end, which a terminal may lose, Ctrl+C must work all the same.
    else if (ctrl === true && (name === 'c' || name === 'd')) pasting = false
    else if (name !== 'return' && name !== 'enter') keys.before()
  }
  const after = (): void => keys.after()
  input.prependListener('keypress', before)
  input.on('keypress', after)
  return {
    isPasting: () => pasting,
    stop() {
      input.off('keypress', before)
      input.off('keypress', after)
    },
  }
}

interface Watching {
  isPasting(): boolean
  entered(): void
  /** What was entered is processed. */
  taken(): void
  closed(): void
}

/** Lines of pasted text are held until the Enter key is pressed, and then are one text. @returns whether lines wait to be processed */
function watchLines(lines: Interface, events: ScreenEvents, screen: Watching): () => boolean {
  let queue: Promise<void> = Promise.resolve()
  let waiting = 0
  let held: string[] = []
  lines.on('line', (line) => {
    screen.entered()
    held.push(line)
    if (screen.isPasting()) return
    const text = held.join('\n')
    held = []
    // Several lines may arrive at once; they are processed one at a time.
    waiting += 1
    queue = queue.then(async () => {
      waiting -= 1
      await events.onLine(text)
      if (waiting === 0) screen.taken()
    })
  })
  lines.on('SIGINT', () => {
    const typed = lines.line !== '' || held.length > 0
    held = []
    if (typed) for (const name of ['e', 'u']) lines.write(null, { ctrl: true, name })
    events.onInterrupt(typed)
  })
  lines.on('close', () => {
    screen.closed()
    events.onEnd()
  })
  return () => waiting > 0 || held.length > 0
}
