/** The port to where a chat reads and writes; `tty-screen.ts` is for a person, `plain-screen.ts` for pipes and files. */
import { writtenOut } from '../view/terminal-text.ts'

export interface Screen {
  /** Prints whole lines, on lines of their own. */
  line(text: string): void
  /** Prints text that goes on. */
  stream(text: string): void
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
  readonly onInterrupt: () => void
  /** The input has ended. */
  readonly onEnd: () => void
}

export type MakeScreen = (input: NodeJS.ReadStream, output: NodeJS.WriteStream, events: ScreenEvents) => Screen

/** Writes text so that whole lines never begin in the middle of one. What a terminal acts on is written out: callers clean what they print. */
export interface LineWriter {
  line(text: string): void
  stream(text: string): void
  /** Ends the line that is open, if one is. */
  breakLine(): void
  /** Somebody else has begun a line of their own. */
  isBroken(): void
}

export function createLineWriter(write: (text: string) => void): LineWriter {
  let open = false
  return {
    line(text) {
      write(writtenOut(open ? `\n${text}\n` : `${text}\n`))
      open = false
    },
    stream(text) {
      write(writtenOut(text))
      open = !text.endsWith('\n')
    },
    breakLine() {
      if (open) write('\n')
      open = false
    },
    isBroken() {
      open = false
    },
  }
}
