/**
 * The place where a chat reads and writes. Two are made here: one for a person at a terminal, where the prompt gives way to
 * what is printed, and a plain one for pipes and files.
 */
import { createInterface } from 'node:readline'
import type { Interface, Key } from 'node:readline'
import { clearScreenDown, cursorTo } from 'node:readline'

export interface Screen {
  /** Prints whole lines, on lines of their own. */
  line(text: string): void
  /** Prints text that goes on. */
  stream(text: string): void
  /** What stands before the input; null hides it, and typing is still possible. */
  prompt(text: string | null): void
  /** Lets go of the input. */
  close(): void
}

export interface ScreenEvents {
  /** A line was entered. The next one is handed on when this has settled; it must not reject. */
  readonly onLine: (line: string) => Promise<void>
  readonly onInterrupt: () => void
  /** The input has ended. */
  readonly onEnd: () => void
}

const typingPrompt = '› '
const historySize = 1_000

/**
 * A screen that streams character by character. As soon as the person types, what comes in waits, and is printed when the line
 * is entered or erased: nothing is lost and nothing is torn.
 */
export function createTtyScreen(input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents): Screen {
  const lines = createInterface({ input, output, terminal: true, historySize, prompt: typingPrompt })
  let promptText: string | null = null
  let promptShown = false
  let typing = false
  let open = false
  let closed = false
  let waiting: (() => void)[] = []
  let taken: Promise<void> = Promise.resolve()

  const showPrompt = (text: string): void => {
    if (open) output.write('\n')
    open = false
    promptShown = true
    lines.setPrompt(text)
    lines.prompt()
  }
  const hidePrompt = (): void => {
    if (!promptShown) return
    promptShown = false
    cursorTo(output, 0)
    clearScreenDown(output)
  }
  const settle = (): void => {
    if (promptText === null) hidePrompt()
    else if (!promptShown && !closed) showPrompt(promptText)
  }
  const print = (write: () => void): void => {
    if (typing) return void waiting.push(write)
    hidePrompt()
    write()
    settle()
  }
  const stopTyping = (): void => {
    typing = false
    const held = waiting
    waiting = []
    for (const write of held) {
      hidePrompt()
      write()
    }
    settle()
  }

  const beforeKey = (_: string | undefined, key: Key): void => {
    if (typing || closed || key.name === 'return' || key.name === 'enter' || (key.ctrl && (key.name === 'c' || key.name === 'd'))) return
    typing = true
    if (!promptShown) showPrompt(promptText ?? typingPrompt)
  }
  const afterKey = (): void => {
    if (typing && lines.line === '') stopTyping()
  }
  input.prependListener('keypress', beforeKey)
  input.on('keypress', afterKey)
  lines.on('line', (line) => {
    promptShown = false
    open = false
    // Pasted lines come all at once; each finds what the one before has done.
    taken = taken.then(() => events.onLine(line))
    stopTyping()
  })
  lines.on('SIGINT', events.onInterrupt)
  lines.on('close', () => {
    closed = true
    input.off('keypress', beforeKey)
    input.off('keypress', afterKey)
    events.onEnd()
  })

  return {
    line: (text) =>
      print(() => {
        output.write(open ? `\n${text}\n` : `${text}\n`)
        open = false
      }),
    stream: (text) =>
      print(() => {
        output.write(text)
        open = !text.endsWith('\n')
      }),
    prompt(text) {
      promptText = text
      if (promptShown) lines.setPrompt(text ?? typingPrompt)
      if (!typing) {
        hidePrompt()
        settle()
      }
    },
    close: () => closeInterface(lines, closed),
  }
}

/** A screen without prompts: lines are taken one after the other, each when the one before is done with. */
export function createPlainScreen(input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents): Screen {
  const lines = createInterface({ input, terminal: false })
  let open = false
  const read = async (): Promise<void> => {
    for await (const line of lines) await events.onLine(line)
    events.onEnd()
  }
  void read()
  return {
    line(text) {
      output.write(open ? `\n${text}\n` : `${text}\n`)
      open = false
    },
    stream(text) {
      output.write(text)
      open = !text.endsWith('\n')
    },
    prompt: () => {},
    close: () => lines.close(),
  }
}

function closeInterface(lines: Interface, closed: boolean): void {
  if (!closed) lines.close()
}
