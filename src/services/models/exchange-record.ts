/**
 * How the journal keeps the bytes of an exchange with a model, which mostly repeat what came before, so that it grows only with new content.
 *
 * Each request repeats the previous one and adds a little: only the part after their common prefix is kept. Each event of a streamed answer
 * repeats the envelope of the one before around a few new words: events are kept as runs, each the text of one event, the lengths of the
 * beginning and the end that the next ones share with it, and what they have in between. An answer is packed as it arrives: as it is on
 * the wire, one of 100 000 tokens has 25 MB. `engine/replay/recording.ts` reads both.
 */
import { isUtf8 } from 'node:buffer'
import { type CallId, createRecentMap, type JsonObject, type SessionId } from '../../base/index.ts'
import type { AnswerRecorder, SentRequest } from '../../protocol/index.ts'
import { maxHeldRequestBytes, minSharedBytes } from './limits.ts'

export interface ExchangeRecorder {
  /** @param done called at the end of the exchange with the body of its record. Valid UTF-8 is stored as `text`, other bytes as `base64`. */
  begin(session: SessionId | '', call: CallId, sent: SentRequest, done: (body: JsonObject) => void): AnswerRecorder
  /** Forgets cached requests, because their records may have been erased: the next request is recorded in full. */
  drop(): void
}

/** The newest request of a session; the next one is recorded relative to it. */
interface Held {
  readonly id: string
  /** The pieces as they were sent, and the same pieces without secrets. */
  readonly request: readonly Uint8Array[]
  readonly kept: readonly Buffer[]
}

/** @param hideSecretBytes replaces secrets, also in responses: an endpoint may repeat the key that it was sent */
export function createExchangeRecorder(hideSecretBytes: (bytes: Buffer) => Buffer): ExchangeRecorder {
  // A request with pictures may exceed the limit by itself; it is still kept, because the next one repeats it.
  const held = createRecentMap<SessionId | '', Held>(maxHeldRequestBytes, ({ kept }) => bytesIn(kept))
  let made = 0
  return {
    drop: () => held.clear(),
    begin(session, call, sent, done) {
      const answer = createAnswerPacker(hideSecretBytes)
      return {
        take: (bytes) => answer.take(asBuffer(bytes)),
        end(status) {
          const { wire, model, url, body } = sent
          done({ ...requestOf(session, `${call}#${++made}`, body), wire, model, url, status, response: answer.packed() })
        },
      }
    },
  }

  function requestOf(session: SessionId | '', id: string, body: SentRequest['body']) {
    const before = held.get(session)
    // A piece that the previous request had too is not searched for secrets again.
    const kept = body.map((piece) => before?.kept[before.request.indexOf(piece)] ?? hideSecretBytes(asBuffer(piece)))
    const shared = before === undefined ? 0 : commonLength(before.kept, kept)
    held.put(session, { id, request: body, kept })
    const after = before === undefined || shared < minSharedBytes ? {} : { after: { id: before.id, bytes: shared } }
    return { id, request: { ...after, ...encoded(behind(kept, 'after' in after ? shared : 0)) } }
  }
}

function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength)
}

function bytesIn(pieces: readonly Buffer[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0)
}

/** What follows the first `skipped` bytes. */
function behind(pieces: readonly Buffer[], skipped: number): Buffer {
  let at = 0
  let rest = skipped
  while (at < pieces.length && rest >= pieces[at]!.length) rest -= pieces[at++]!.length
  const [first, ...others] = pieces.slice(at)
  return first === undefined ? Buffer.alloc(0) : Buffer.concat([first.subarray(rest), ...others])
}

/** @returns the length of the common prefix, however either is cut into pieces */
function commonLength(a: readonly Buffer[], b: readonly Buffer[]): number {
  let length = 0
  let [i, j, fromA, fromB] = [0, 0, 0, 0]
  for (let [left, right] = [a[i], b[j]]; left !== undefined && right !== undefined; [left, right] = [a[i], b[j]]) {
    const isSame = left === right && fromA === fromB
    const size = Math.min(left.length - fromA, right.length - fromB)
    const same = isSame ? size : commonBytes(left.subarray(fromA, fromA + size), right.subarray(fromB, fromB + size))
    length += same
    if (same < size) break
    fromA += size
    fromB += size
    if (fromA === left.length) [i, fromA] = [i + 1, 0]
    if (fromB === right.length) [j, fromB] = [j + 1, 0]
  }
  return length
}

function commonBytes(a: Buffer, b: Buffer): number {
  const shorter = Math.min(a.length, b.length)
  let length = 0
  // Large steps compare natively; the last step is compared byte by byte.
  for (; length < shorter; length += compareStep) {
    const end = Math.min(shorter, length + compareStep)
    if (a.compare(b, length, end, length, end) !== 0) break
  }
  while (length < shorter && a[length] === b[length]) length++
  return Math.min(length, shorter)
}

const compareStep = 4_096

type Encoded = { readonly text: string } | { readonly base64: string }

function encoded(bytes: Buffer): Encoded {
  return isUtf8(bytes) ? { text: bytes.toString('utf8') } : { base64: bytes.toString('base64') }
}

/** A part of an answer. Without `text`, it has the previous run's template. */
interface Run {
  readonly text?: string
  /** Of bytes that are no text. */
  readonly base64?: string
  /** Characters of the template before and after each part. */
  readonly head?: number
  readonly tail?: number
  readonly parts?: string[]
}

interface AnswerPacker {
  take(bytes: Buffer): void
  packed(): JsonObject
}

function createAnswerPacker(hideSecretBytes: (bytes: Buffer) => Buffer): AnswerPacker {
  const runs: Run[] = []
  let bytes = 0
  /** Of an event whose end has not arrived. */
  let waiting: Buffer[] = []
  let template = ''
  let previous = ''
  let [head, tail, parts] = ['', '', null as string[] | null]

  const beginTemplate = (event: string): void => {
    template = event
    parts = null
    runs.push({ text: event })
  }
  const addEvent = (event: string): void => {
    const fits = parts !== null && event.length >= head.length + tail.length && event.startsWith(head) && event.endsWith(tail)
    if (!fits) {
      const shared = envelope(template, event)
      if (shared === null) return beginTemplate(event)
      parts = []
      head = event.slice(0, shared.head)
      tail = event.slice(event.length - shared.tail)
      const last = runs.at(-1)
      // The run that has the template may hold the first parts itself.
      if (last?.text === template && last.parts === undefined) runs[runs.length - 1] = { ...last, ...shared, parts }
      else runs.push({ ...shared, parts })
    } else if (parts?.length === 1) {
      // The first event of a stream is often of another shape: where two share more with each other, one of them is the template.
      const shared = envelope(previous, event)
      if (shared !== null && shared.head + shared.tail > head.length + tail.length) return beginTemplate(event)
    }
    parts?.push(ownCopy(event.slice(head.length, event.length - tail.length)))
    previous = event
  }
  const add = (received: readonly Buffer[]): void => {
    const hidden = hideSecretBytes(received.length === 1 ? received[0]! : Buffer.concat(received))
    bytes += hidden.length
    const made = encoded(hidden)
    if ('base64' in made) {
      runs.push(made)
      parts = null
    } else for (const event of eventsIn(made.text)) addEvent(event)
  }
  return {
    take(received) {
      const end = lastEventEnd(received)
      if (end > 0) add([...waiting.splice(0), received.subarray(0, end)])
      if (end < received.length) waiting.push(received.subarray(end))
    },
    packed() {
      if (waiting.length > 0) add(waiting)
      waiting = []
      const [first = { text: '' }, ...more] = runs
      return more.length === 0 && first.parts === undefined ? { ...first } : { bytes, runs: runs.map((run) => ({ ...run })) }
    },
  }
}

/** A slice of a long text keeps all of that text in memory; V8 copies those that are shorter than this. */
function ownCopy(slice: string): string {
  return slice.length < 13 ? slice : Buffer.from(slice).toString()
}

/** @returns where the last whole event ends, with its blank line; 0 when none does */
function lastEventEnd(bytes: Buffer): number {
  const ends = blankLines.map((line) => {
    const at = bytes.lastIndexOf(line)
    return at < 0 ? 0 : at + line.length
  })
  return Math.max(...ends)
}

const blankLines = ['\n\n', '\n\r\n'] as const

/** @returns the events with their blank lines; joined, they are the text */
function* eventsIn(text: string): Generator<string> {
  const line = blankLines.find((each) => text.includes(each)) ?? '\n\n'
  for (let from = 0; from < text.length;) {
    const end = text.indexOf(line, from)
    const to = end < 0 ? text.length : end + line.length
    yield text.slice(from, to)
    from = to
  }
}

/**
 * Both parts end at a quotation mark, so that words between them stay whole: forgetting looks for words in the journal.
 *
 * @returns the characters that the event shares with the template at its beginning and end, or null when these are less than half of it
 */
function envelope(template: string, event: string): { readonly head: number; readonly tail: number } | null {
  const shorter = Math.min(template.length, event.length)
  let same = 0
  while (same < shorter && template.charCodeAt(same) === event.charCodeAt(same)) same++
  const head = same === 0 ? 0 : event.lastIndexOf('"', same - 1) + 1
  same = 0
  while (same < shorter - head && template.charCodeAt(template.length - 1 - same) === event.charCodeAt(event.length - 1 - same)) same++
  const quote = same === 0 ? -1 : event.indexOf('"', event.length - same)
  const tail = quote < 0 ? 0 : event.length - quote
  return head + tail < event.length / 2 || event.length === 0 ? null : { head, tail }
}
