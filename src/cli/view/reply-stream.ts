/** Prints a turn's text as it comes, and makes up for what a stream has missed or never had. */
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
  /** How much of the step's text was taken, in UTF-16 units of the text as it came. */
  let taken = 0
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
  const takeText = (from: string, offset: number, text: string): void => {
    if (from !== call) {
      breakLine()
      call = from
      taken = 0
      said = ''
    }
    // What was seen before (a snapshot after a reconnect) is not printed again; a gap is filled by the record at the end.
    if (offset > taken || offset + text.length <= taken) return
    const news = text.slice(taken - offset)
    taken += news.length
    said += news
    print(news)
  }
  return {
    take(event, turn) {
      if (event.type === 'delta' && event.turn === turn) takeText(event.call, event.offset, event.text)
      else if (event.type === 'snapshot' && event.turn === turn && event.call !== null) takeText(event.call, 0, event.text)
      else if (event.type === 'record' && event.record.name === 'model.generate' && event.record.turn === turn) {
        if (event.record.phase === 'outcome') takeText(event.record.call, 0, textOf(event.record.body))
      }
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

function textOf(body: unknown): string {
  const message = (body as { message?: { parts?: readonly { type?: string; text?: unknown }[] } } | null)?.message
  const parts = Array.isArray(message?.parts) ? message.parts : []
  return parts.map((part) => (part.type === 'text' && typeof part.text === 'string' ? part.text : '')).join('')
}
