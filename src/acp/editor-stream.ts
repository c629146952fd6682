/**
 * The streams of an editor as messages. An editor is another program: a message has a maximum size, requests beyond a limit are refused
 * before they reach anything, reading waits for what is being handled, and one that floods ends the connection.
 */
import type { Readable, Writable } from 'node:stream'
import type { AnyMessage, Stream } from '@agentclientprotocol/sdk'
import { createLineSplitter, isObject, type JsonObject } from '../base/index.ts'
import { maxMessageBytes, maxOpenRequests, maxStrayMessages } from './limits.ts'

export interface EditorStreams {
  readonly input: Readable
  readonly output: Writable
  /** Why the connection was ended by this side. */
  readonly log: (text: string) => void
}

/** Messages that are taken from the input before it is paused. */
const heldMessages = 32

const parseError = { jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'This is not JSON.' } } as const
const noMessage = { jsonrpc: '2.0', id: null, error: { code: -32_600, message: 'This is not a message of JSON-RPC 2.0.' } } as const

export function createEditorStream({ input, output, log }: EditorStreams): Stream {
  const lines = createLineSplitter(maxMessageBytes)
  let wake = (): void => {}
  let hasEnded = false
  const end = (reason: string): void => {
    if (hasEnded) return
    if (reason !== '') log(reason)
    hasEnded = true
    input.pause()
    wake()
  }
  const write = (message: AnyMessage | JsonObject): Promise<void> => {
    const written = Promise.withResolvers<void>()
    output.write(`${JSON.stringify(message)}\n`, (error) => (error ? written.reject(error) : written.resolve()))
    return written.promise
  }
  const messages = createReader((answer) => void write(answer).catch(() => end('')), end)
  input.on('data', (bytes: Buffer) => {
    if (!lines.add(bytes)) end(`The editor sent a message of more than ${maxMessageBytes} bytes.`)
    if (lines.waiting() > heldMessages) input.pause()
    wake()
  })
  input.once('end', () => end('')).once('error', () => end(''))
  output.once('error', () => end(''))
  const pull = async (controller: ReadableStreamDefaultController<AnyMessage>): Promise<void> => {
    for (let taken = 1; ; taken += 1) {
      const line = lines.next()
      const message = line === null || line.trim() === '' ? null : messages.read(line)
      if (message !== null) return controller.enqueue(message)
      if (hasEnded) return controller.close()
      const woken = Promise.withResolvers<void>()
      if (line !== null) {
        if (taken % heldMessages !== 0) continue
        setImmediate(woken.resolve)
      } else {
        wake = woken.resolve
        input.resume()
      }
      await woken.promise
    }
  }
  return {
    readable: new ReadableStream<AnyMessage>({ pull, cancel: () => end('') }, { highWaterMark: 0 }),
    writable: new WritableStream<AnyMessage>({
      write(message) {
        if (!('method' in message) && 'id' in message) messages.answered(message.id)
        return write(message)
      },
    }),
  }
}

/** Reads lines as messages; answers invalid or excess ones at once. */
function createReader(answer: (error: JsonObject) => void, end: (reason: string) => void) {
  /** Ids of requests without an answer. */
  const open = new Set<unknown>()
  let stray = 0
  const refuse = (error: JsonObject): null => {
    stray += 1
    if (stray > maxStrayMessages) end('The editor sends invalid messages without end.')
    answer(error)
    return null
  }
  return {
    answered: (id: unknown): void => void open.delete(id),
    read(line: string): AnyMessage | null {
      let message: unknown
      try {
        message = JSON.parse(line)
      } catch {
        return refuse(parseError)
      }
      if (!isObject(message) || message['jsonrpc'] !== '2.0') return refuse(noMessage)
      if (!('method' in message) || !('id' in message)) return message as unknown as AnyMessage
      const id = message['id'] ?? null
      if (open.size >= maxOpenRequests || open.has(id)) {
        const why = open.has(id) ? 'A request with this id has no answer yet.' : `${open.size} requests have no answer yet.`
        return refuse({ jsonrpc: '2.0', id, error: { code: -32_600, message: why } })
      }
      open.add(id)
      return message as unknown as AnyMessage
    },
  }
}
