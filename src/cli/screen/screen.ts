/** The port through which a chat reads and writes, and its implementation for pipes and files; `tty-screen.ts` is the one for terminals. */
import { createInterface } from 'node:readline'
import { columnsOf } from '../terminal.ts'
import { writtenOut } from '../../terminal/index.ts'
import { createWordFlow, wrapWords } from './word-wrap.ts'

export interface Screen {
  /** Prints whole lines; a terminal wraps them between words. */
  line(text: string): void
  /** Prints whole lines without wrapping, for text that must be copied exactly. */
  exactLine(text: string): void
  /** Prints text without ending the line. */
  stream(text: string): void
  /** True while typed input is not processed yet: it was meant for what was shown before. Absent where nobody types. */
  isTyping?(): boolean
  /** Sets the prompt; null hides it, and typing is still possible. */
  prompt(text: string | null): void
  /** Stops reading the input. */
  close(): void
}

export interface ScreenEvents {
  /** Called for each entered line, one at a time; must not reject. */
  readonly onLine: (line: string) => Promise<void>
  /** @param cleared true when it cleared a typed line */
  readonly onInterrupt: (cleared: boolean) => void
  /** The input has ended. */
  readonly onEnd: () => void
}

export type MakeScreen = (input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents) => Screen

/** Writes text so that whole lines always begin at the left edge. Escapes control characters: callers clean what they print. */
interface LineWriter {
  line(text: string): void
  exactLine(text: string): void
  stream(text: string): void
  /** Ends the current line if it is not empty. */
  breakLine(): void
  /** Call after other output has started a new line. */
  isBroken(): void
}

/** Wraps at the width of the terminal; does not wrap for a pipe. */
export function openLineWriter(output: NodeJS.WriteStream): LineWriter {
  return createLineWriter(
    (text) => output.write(text),
    () => columnsOf(output),
  )
}

/** @param columns width at which lines are wrapped between words */
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

/** A screen without prompts, which processes lines one at a time. */
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
