/** The port through which a chat reads and writes, and its implementation for pipes and files; `tty-screen.ts` is the one for terminals. */
import { createInterface } from 'node:readline'
import { columnsOf } from '../terminal.ts'
import { writtenOut } from '../view/terminal-text.ts'
import { createWordFlow, wrapWords } from './word-wrap.ts'

export interface Screen {
  /** Prints whole lines, on lines of their own; a terminal has them end between words. */
  line(text: string): void
  /** The same, to the letter. */
  exactLine(text: string): void
  /** Prints text without ending the line. */
  stream(text: string): void
  /** Shows lines that the next ones replace, below all others; none takes them away. Absent: what is printed stays. */
  live?(lines: readonly string[]): void
  /** Something was typed that is not handed on yet: it was meant for what was shown before. Absent: nobody types. */
  isTyping?(): boolean
  /** What stands before the input; null hides it, and typing is still possible. */
  prompt(text: string | null): void
  /** Lets go of the input. */
  close(): void
}

export interface ScreenEvents {
  /** A line was entered. The next one is handed on when this has settled; it must not reject. */
  readonly onLine: (line: string) => Promise<void>
  /** @param cleared a line that was begun is gone by it */
  readonly onInterrupt: (cleared: boolean) => void
  /** The input has ended. */
  readonly onEnd: () => void
}

export type MakeScreen = (input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents) => Screen

/** Writes text so that whole lines never begin in the middle of one. What a terminal acts on is written out: callers clean what they print. */
interface LineWriter {
  line(text: string): void
  exactLine(text: string): void
  stream(text: string): void
  /** Ends the current line if it is not empty. */
  breakLine(): void
  /** Somebody else has begun a line of their own. */
  isBroken(): void
}

/** Writes as wide as the terminal is; into a pipe, as it comes. */
export function openLineWriter(output: NodeJS.WriteStream): LineWriter {
  return createLineWriter(
    (text) => output.write(text),
    () => columnsOf(output),
  )
}

/** @param columns width of a terminal, where lines are to end between words */
export function createLineWriter(write: (text: string) => void, columns: () => number = () => Infinity): LineWriter {
  const flow = createWordFlow(columns)
  let open = false
  const exactLine = (text: string): void => {
    write(writtenOut(`${open ? `${flow.end()}\n` : ''}${text}\n`))
    flow.forget()
    open = false
  }
  return {
    line: (text) => exactLine(wrapWords(text, columns())),
    exactLine,
    stream(text) {
      if (text === '') return
      const shown = flow.take(writtenOut(text))
      if (shown !== '') write(shown)
      open = !text.endsWith('\n')
    },
    breakLine() {
      if (open) write(`${flow.end()}\n`)
      else flow.forget()
      open = false
    },
    isBroken() {
      flow.end()
      open = false
    },
  }
}

/** A screen without prompts: lines are taken one after the other, each when the one before is done with. */
export const createPlainScreen: MakeScreen = (input, output, events) => {
  const lines = createInterface({ input, terminal: false })
  const { line, exactLine, stream } = openLineWriter(output)
  const read = async (): Promise<void> => {
    for await (const entered of lines) await events.onLine(entered)
    events.onEnd()
  }
  void read()
  return { line, exactLine, stream, prompt: () => {}, close: () => lines.close() }
}
