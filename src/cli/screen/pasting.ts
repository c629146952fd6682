/** Pasting into a line editor: the terminal marks what is pasted, and the line gets it, or a mark that stands for it. */
import type { Interface } from 'node:readline'
import { maxPasteChars } from '../limits.ts'
import { openKeyInput } from './key-input.ts'
import { createPasteMarks } from './paste-marks.ts'

/** Bracketed-paste mode of a terminal; see paste-splitter.ts. */
const modeOn = '\u001b[?2004h'
const modeOff = '\u001b[?2004l'

export interface Pasting {
  /** The typed keys, for the line editor. */
  readonly keys: NodeJS.ReadStream
  /** Asks the terminal to mark what is pasted; again after a shell had it, which has set its own mode. */
  begin(): void
  /** @returns the entered line with the texts that its marks stand for. */
  expand(line: string): string
  /** Before a backspace: erases a mark before the cursor up to its last character, which the key itself erases. */
  eraseMark(lines: Interface): void
  /** Leaves terminal and input as they were. */
  close(): void
}

interface Line {
  insert(text: string): void
  /** Nothing is inserted, for this reason. */
  refuse(why: string): void
}

export function openPasting(input: NodeJS.ReadStream, output: NodeJS.WriteStream, line: Line): Pasting {
  const marks = createPasteMarks()
  const { keys, close } = openKeyInput(input, (pasted) => {
    const text = pasted === null ? '' : marks.mark(pasted)
    if (pasted === null) line.refuse(tooLong)
    else if (text !== '') line.insert(text)
  })
  return {
    keys,
    begin: () => void output.write(modeOn),
    expand: marks.expand,
    eraseMark(lines) {
      const { length } = marks.endingAt(lines.line.slice(0, lines.cursor))
      for (let left = length - 1; left > 0; left--) lines.write(null, { name: 'backspace' })
    },
    close() {
      close()
      output.write(modeOff)
    },
  }
}

const tooLong = `  the pasted text has over ${maxPasteChars} characters; put it into a file of the workspace and ask about the file`
