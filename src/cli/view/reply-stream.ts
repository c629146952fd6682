/** Prints a turn's text as it comes, step by step, and the reply where it was not the last thing said. */
import type { SessionEvent } from '../guest/gateway-port.ts'
import { plainText } from './terminal-text.ts'

export interface ReplyStream {
  /** Prints the text of an event that belongs to the turn; other events pass by. */
  take(event: SessionEvent, turn: string): void
  /** Ends the line that is open, if one is. */
  breakLine(): void
  /** Prints the reply when it was not the last thing said, and ends the line. */
  finish(reply: string): void
}

export function createReplyStream(write: (text: string) => void): ReplyStream {
  let call = ''
  /** Text of the newest step, as it came. */
  let said = ''
  let open = false

  const print = (text: string): void => {
    const clean = plainText(text)
    if (clean === '') return
    write(clean)
    open = !clean.endsWith('\n')
  }
  const breakLine = (): void => {
    if (open) write('\n')
    open = false
  }
  return {
    take(event, turn) {
      if ((event.type !== 'text' && event.type !== 'restart') || event.turn !== turn) return
      if (event.call !== call || event.type === 'restart') {
        // What a terminal has shown stays; a step that starts over starts on a line of its own.
        breakLine()
        call = event.call
        said = ''
      }
      said += event.text
      print(event.text)
    },
    breakLine,
    finish(reply) {
      if (reply.trim() !== '' && said.trim() !== reply.trim()) {
        breakLine()
        print(reply)
      }
      breakLine()
    },
  }
}
