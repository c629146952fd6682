/**
 * Calls of the host from inside the thread: the tool blocks, the main event loop does not. The name and the input are sent as a message,
 * and the thread sleeps on shared memory until the port has the reply. With it come the replies on record of calls that follow: as long as
 * the script makes the same calls as before, it does not wait for them.
 */
import { receiveMessageOnPort } from 'node:worker_threads'
import { maxHostCalls, maxHostNameChars, maxToolInputBytes } from '../limits.ts'
import type { HostReply, KnownReply, ToolAnswer, ToolJob, ToolMessage } from './tool-channel.ts'
import { failed } from './tool-failure.ts'
import { digestOf } from './wasm-tool.ts'

const lateReplyMs = 1_000

/** @returns the reply as JSON, see `HostReply`. Never throws. */
export type CallHost = (name: string, input: string) => string

export interface HostBridge {
  readonly callHost: CallHost
  /** Milliseconds that the tool has waited for replies. */
  readonly waitedMs: () => number
}

export function createHostBridge(
  { port, signal, waits }: Pick<ToolJob, 'port' | 'signal' | 'waits'>,
  send: (message: ToolMessage) => void,
): HostBridge {
  const flag = new Int32Array(signal)
  let [calls, waited] = [0, 0]
  let known: Iterator<KnownReply> = [].values()
  const onRecord = (name: string, input: string): string | undefined => {
    const { value, done } = known.next()
    if (done === true) return undefined
    const next = value as KnownReply
    if (next.name === name && next.digest === digestOf(input)) return next.reply
    // The host says whether it is another call.
    known = [].values()
    return undefined
  }
  const callHost: CallHost = (name, input) => {
    calls += 1
    if (calls > maxHostCalls && !waits) return refuse(`The tool called the host more than ${maxHostCalls} times.`)
    if (name.length > maxHostNameChars || input.length > maxToolInputBytes) return tooLong
    const before = onRecord(name, input)
    if (before !== undefined) return before
    Atomics.store(flag, 0, 0)
    send({ type: 'call', name, input, place: calls - 1 })
    const since = performance.now()
    Atomics.wait(flag, 0, 0)
    waited += performance.now() - since
    const receive = (): { readonly message: ToolAnswer } | undefined => receiveMessageOnPort(port)
    let received = receive()
    // Once, on a busy machine, a reply was not there when the flag was set; why is not known. It is waited for.
    for (let left = lateReplyMs; received === undefined && left > 0; left -= 1) {
      Atomics.wait(flag, 0, 1, 1)
      received = receive()
    }
    if (received === undefined) return refuse('The host did not reply.')
    known = received.message.known.values()
    return received.message.reply
  }
  return { callHost, waitedMs: () => waited }
}

function refuse(message: string): string {
  const reply: HostReply = { error: failed('limit_reached', message, 'Ask for more in one call.').failure }
  return JSON.stringify(reply)
}

const tooLong = refuse('The name or the input of the function is too long.')

/** The host's functions for a module, which manages its own memory. */
interface HostImports {
  /** @returns the length of the reply, which is kept until the next call. */
  call(nameAt: number, nameBytes: number, inputAt: number, inputBytes: number): number
  /** Copies the reply to the module's buffer. @returns how many bytes were written. */
  take(at: number, room: number): number
}

/** Import module `oxbow`. A pointer outside the memory is a RangeError, which ends the run as a trap does. */
export function hostImports(callHost: CallHost, memory: () => ArrayBuffer): HostImports {
  const decoder = new TextDecoder()
  const encoder = new TextEncoder()
  const text = (at: number, bytes: number): string => decoder.decode(new Uint8Array(memory(), at >>> 0, bytes >>> 0))
  let reply: Uint8Array = new Uint8Array()
  return {
    call(nameAt, nameBytes, inputAt, inputBytes) {
      // Measured before it becomes a string, see `toolHeapMb`.
      const isTooLong = nameBytes >>> 0 > maxHostNameChars || inputBytes >>> 0 > maxToolInputBytes
      reply = encoder.encode(isTooLong ? tooLong : callHost(text(nameAt, nameBytes), text(inputAt, inputBytes)))
      return reply.length
    },
    take(at, room) {
      const part = reply.subarray(0, room >>> 0)
      new Uint8Array(memory(), at >>> 0, part.length).set(part)
      return part.length
    },
  }
}
