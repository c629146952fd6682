/** The streams of an agent's program as messages. The program is hostile: what it sends has limits, and one that breaks them is ended. */
import type { AnyMessage, Stream } from '@agentclientprotocol/sdk'
import { createLineSplitter, isObject, OxbowError } from '../../base/index.ts'
import type { ServerProcess } from '../../protocol/index.ts'
import { maxMessageBytes, maxOpenRequests, maxStrayLines, maxTaskBytes, maxTaskMessages, messagesPerTurn } from './limits.ts'

export interface AgentStream extends Stream {
  /** Why the program was ended, if it broke a limit; null otherwise. */
  failure(): OxbowError | null
  /** Counts anew: another task begins. */
  renew(): void
}

export function createAgentStream(name: string, program: ServerProcess): AgentStream {
  const lines = createLineSplitter(maxMessageBytes)
  const count = createCount(name)
  let failure: OxbowError | null = null
  let hasEnded = false
  let wake = (): void => {}
  const end = (reason: OxbowError | null): void => {
    if (hasEnded) return
    failure = reason
    hasEnded = true
    program.output.removeAllListeners('data')
    void program.kill()
    wake()
  }
  program.output.on('data', (bytes: Buffer) => {
    if (!lines.add(bytes)) end(broken(name, `sent a message of more than ${maxMessageBytes} bytes`))
    const problem = count.bytes(bytes.length)
    if (problem !== null) end(problem)
    if (lines.waiting() > messagesPerTurn) program.output.pause()
    wake()
  })
  program.output.once('error', () => end(null))
  void program.exited.then(() => {
    // What it had written before its end comes first.
    if (program.output.readableEnded || program.output.destroyed) end(null)
    else program.output.once('close', () => end(null)).resume()
  })
  const pull = async (controller: ReadableStreamDefaultController<AnyMessage>): Promise<void> => {
    for (let taken = 1; ; taken += 1) {
      const line = lines.next()
      const message = line === null || line.trim() === '' ? null : parse(line)
      const problem = line === null || line.trim() === '' ? null : count.message(message)
      if (problem !== null) end(problem)
      else if (message !== null) return controller.enqueue(message)
      if (hasEnded && (line === null || failure !== null)) return controller.close()
      const woken = Promise.withResolvers<void>()
      if (line !== null) {
        if (taken % messagesPerTurn !== 0) continue
        setImmediate(woken.resolve)
      } else {
        wake = woken.resolve
        program.output.resume()
      }
      await woken.promise
    }
  }
  return {
    failure: () => failure,
    renew: count.renew,
    readable: new ReadableStream<AnyMessage>({ pull, cancel: () => end(null) }, { highWaterMark: 0 }),
    writable: new WritableStream<AnyMessage>({
      write(message) {
        if (!('method' in message)) count.answered()
        const written = Promise.withResolvers<void>()
        program.input.write(`${JSON.stringify(message)}\n`, (error) => (error ? written.reject(error) : written.resolve()))
        void program.exited.then(() => written.reject(new Error('the agent has ended')))
        return written.promise
      },
    }),
  }
}

function parse(line: string): AnyMessage | null {
  try {
    const message: unknown = JSON.parse(line)
    return isObject(message) && message['jsonrpc'] === '2.0' ? (message as unknown as AnyMessage) : null
  } catch {
    return null
  }
}

/** Counts what the program sends. Each method returns why it is too much, or null. */
function createCount(name: string) {
  let messages = 0
  let bytes = 0
  let stray = 0
  let open = 0
  return {
    renew(): void {
      messages = 0
      bytes = 0
    },
    answered: (): void => void (open -= 1),
    bytes(more: number): OxbowError | null {
      bytes += more
      return bytes > maxTaskBytes ? broken(name, `sent more than ${maxTaskBytes} bytes in one task`) : null
    },
    message(message: AnyMessage | null): OxbowError | null {
      if (message === null)
        return (stray += 1) > maxStrayLines ? broken(name, 'writes text to its standard output that is no message') : null
      if ('method' in message && 'id' in message) open += 1
      if (open > maxOpenRequests) return broken(name, `asks more than ${maxOpenRequests} things at once`)
      return (messages += 1) > maxTaskMessages ? broken(name, 'sends messages without end') : null
    },
  }
}

function broken(name: string, what: string): OxbowError {
  return new OxbowError('limit_reached', `The agent ${name} ${what}; it was ended.`, {
    hint: `Report this to the maker of the agent. What it said before is lost; oxbow coders remove ${name} removes it.`,
  })
}
