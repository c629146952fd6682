/** The ways in which the same events may lie on the wire. A reader must not see the difference. */
import type { StreamEvent } from './streams/answers.ts'

export type Framing = (events: readonly StreamEvent[]) => readonly Uint8Array[]

const text = (events: readonly StreamEvent[], line: string, between = ''): string =>
  events.map(({ event, data }) => `${event === undefined ? '' : `event: ${event}${line}`}data: ${data}${line}${line}${between}`).join('')

/** @returns the stream as bytes, in one piece. */
export function bytesOf(events: readonly StreamEvent[]): Uint8Array {
  return Buffer.from(text(events, '\n'))
}

/** Three is no divisor of anything here: pieces end inside characters and between CR and LF. */
function cutUp(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / 3) }, (_, place) => bytes.subarray(place * 3, place * 3 + 3))
}

export const framings: Readonly<Record<string, Framing>> = {
  'as recorded': (events) => [bytesOf(events)],
  'an event a piece': (events) => events.map((event) => bytesOf([event])),
  'three bytes a piece': (events) => cutUp(bytesOf(events)),
  CRLF: (events) => [Buffer.from(text(events, '\r\n'))],
  'CRLF, three bytes a piece': (events) => cutUp(Buffer.from(text(events, '\r\n'))),
  'keep-alive comments': (events) => [Buffer.from(`: OPENROUTER PROCESSING\n\n${text(events, '\n', ': keep-alive\n\n')}`)],
}
