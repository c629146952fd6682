/**
 * JSON-RPC messages as lines over the streams of a server program, which is hostile: a line has a maximum length, a flood leaves this
 * process its turns, and one that never ends closes the connection.
 */
import type { Transport } from '@modelcontextprotocol/client'
import { createLineSplitter, OxbowError } from '../../base/index.ts'
import type { ServerProcess } from '../../protocol/index.ts'
import { maxMessageBytes, maxStrayLines, maxUnaskedMessages, messagesPerTurn } from './limits.ts'

type Message = Parameters<Transport['send']>[0]

export interface StdioTransport extends Transport {
  /** Why the connection ended, if the server broke a limit; null otherwise. */
  failure(): OxbowError | null
}

/** @param parse checks a line. It throws for one that is no message */
export function createStdioTransport(server: ServerProcess, parse: (line: string) => Message): StdioTransport {
  const lines = createLineSplitter(maxMessageBytes)
  const patience = createPatience()
  let failure: OxbowError | null = null
  let closed = false
  let draining = false

  const end = (reason: OxbowError | null = null): void => {
    if (closed) return
    failure = reason
    closed = true
    server.output.removeAllListeners('data')
    void server.kill()
    transport.onclose?.()
  }
  const deliver = (line: string): void => {
    if (line.trim() === '') return
    let message: Message | null = null
    try {
      message = parse(line)
    } catch (error) {
      transport.onerror?.(error instanceof Error ? error : new Error(String(error)))
    }
    if (message !== null) transport.onmessage?.(message)
    const flood = patience.take(message)
    if (flood !== '') end(new OxbowError('limit_reached', flood, { hint: floodHint }))
  }
  const drain = (): void => {
    draining = false
    for (let count = 0; count < messagesPerTurn; count += 1) {
      if (closed) return
      const line = lines.next()
      if (line === null) return void server.output.resume()
      deliver(line)
    }
    if (closed) return
    draining = true
    server.output.pause()
    setImmediate(drain)
  }
  const take = (bytes: Buffer): void => {
    if (!lines.add(bytes)) end(tooLong())
    else if (!draining) drain()
  }
  const transport: StdioTransport = {
    failure: () => failure,
    async start() {
      server.output.on('data', take).on('error', () => end())
      void server.exited.then(() => {
        // What it had written before its end comes first.
        if (server.output.readableEnded || server.output.destroyed) end()
        else server.output.once('close', () => end()).resume()
      })
      server.output.resume()
    },
    async send(message) {
      if (closed) throw new Error('the connection is closed')
      const written = Promise.withResolvers<void>()
      server.input.write(`${JSON.stringify(message)}\n`, (error) => (error ? written.reject(error) : written.resolve()))
      void server.exited.then(() => written.reject(new Error('the server has ended')))
      return written.promise
    },
    async close() {
      end()
      await server.exited
    },
  }
  return transport
}

/** Counts what nobody asked for. @returns why it is too much; empty while it is not */
function createPatience(): { take(message: Message | null): string } {
  let unasked = 0
  let stray = 0
  return {
    take(message) {
      if (message === null) stray += 1
      else unasked = 'result' in message ? 0 : unasked + 1
      if (unasked > maxUnaskedMessages) return 'The server sends messages without end that nobody asked for.'
      return stray > maxStrayLines ? 'The server writes text to its standard output that is no message.' : ''
    },
  }
}

function tooLong(): OxbowError {
  return new OxbowError('limit_reached', `The server sent a message of more than ${maxMessageBytes} bytes.`, {
    hint: 'Ask for less at once, or report this to the maker of the server.',
  })
}

const floodHint = 'Report this to the maker of the server; `oxbow servers disable NAME` turns it off.'
