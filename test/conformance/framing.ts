/** The ways in which the same events may lie on the wire. A reader must not see the difference. */
import type { StreamEvent } from './streams/answers.ts'

export type Framing = (events: readonly StreamEvent[]) => readonly Uint8Array[]

const text = (events: readonly StreamEvent[], line: string, between = ''): string =>
  events.map(({ event, data }) => `${event === undefined ? '' : `event: ${event}${line}`}data: ${data}${line}${line}${between}`).join('')

/** @returns the stream as bytes, in one piece. */
export function bytesOf(events: readonly StreamEvent[]): Uint8Array {
  return Buffer.from(text(events, '\n'))
}

export const framings: Readonly<Record<string, Framing>> = {
  'as recorded': (events) => [bytesOf(events)],
  'an event a piece': (events) => events.map((event) => bytesOf([event])),
  'a byte a piece': (events) => Array.from(bytesOf(events), (byte) => Uint8Array.of(byte)),
  CRLF: (events) => [Buffer.from(text(events, '\r\n'))],
  'CRLF, a byte a piece': (events) => Array.from(Buffer.from(text(events, '\r\n')), (byte) => Uint8Array.of(byte)),
  'keep-alive comments': (events) => [Buffer.from(`: OPENROUTER PROCESSING\n\n${text(events, '\n', ': keep-alive\n\n')}`)],
}
