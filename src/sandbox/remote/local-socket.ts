/** Sockets in the folder that an isolated guest and its runner share. Each end takes the other for hostile. */
import type { Socket } from 'node:net'
import { z } from 'zod'
import { type ErrorCode, type Failure, isObject, OxbowError, toError, toFailure } from '../../base/index.ts'

export interface Listening {
  /** Ends every connection. */
  close(): Promise<void>
}

/**
 * Listens on a socket that only its owner can open. What a runner that was killed left at the path is removed.
 * @param most connections at once; more are refused
 * @throws a system error when the socket cannot be made
 */
export async function listenAt(path: string, most: number, onSocket: (socket: Socket) => void, allowHalfOpen = false): Promise<Listening> {
  const { createServer } = process.getBuiltinModule('node:net')
  const { rmSync, chmodSync } = process.getBuiltinModule('node:fs')
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    onSocket(socket)
  })
  server.maxConnections = most
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/**
 * Reads a line, and leaves what follows it in the socket.
 * @throws Error when the other end goes, or says too much, before the line is whole
 */
export function readLine(socket: Socket, maxBytes: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let read: Buffer = Buffer.alloc(0)
    const done = (settle: () => void): void => {
      socket.pause()
      socket.off('data', take).off('close', lost)
      settle()
    }
    const lost = (): void => done(() => reject(new Error('no line')))
    const take = (bytes: Buffer): void => {
      read = Buffer.concat([read, bytes])
      const end = read.indexOf(10)
      if (end < 0 && read.length <= maxBytes) return
      done(() => (end < 0 ? reject(new Error('no line')) : resolve(read.subarray(0, end).toString())))
      if (end >= 0 && end + 1 < read.length) socket.unshift(read.subarray(end + 1))
    }
    socket.on('data', take).once('close', lost)
  })
}

/**
 * Asks in one line of JSON, and reads the line that answers.
 * @param hello sent before it
 * @param within how long the other end may take, in milliseconds; absent: as long as it needs
 * @throws Error when the other end does not answer, or `signal` ends the asking
 */
export async function askLine(
  path: string,
  question: object,
  {
    maxBytes,
    within,
    signal,
    hello = '',
  }: { readonly maxBytes: number; readonly within?: number; readonly signal?: AbortSignal | undefined; readonly hello?: string },
): Promise<unknown> {
  signal?.throwIfAborted()
  const socket = process.getBuiltinModule('node:net').connect(path)
  const stop = (): void => void socket.destroy()
  socket.on('error', stop)
  if (within !== undefined) socket.setTimeout(within, stop)
  signal?.addEventListener('abort', stop)
  try {
    socket.write(`${hello}${JSON.stringify(question)}\n`)
    return JSON.parse(await readLine(socket, maxBytes))
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    stop()
  }
}

/** Answers a question that failed. */
export const failedAnswer = z.strictObject({ failure: z.custom<Failure>(isObject) })
type FailedAnswer = z.infer<typeof failedAnswer>

/** @param code of what is no OxbowError */
export function failedAnswerTo(error: unknown, code: ErrorCode, otherHint = 'Try again.'): FailedAnswer {
  const { code: found, message, hint } = toFailure(error, code, otherHint)
  return { failure: { code: found, message, hint } }
}

/**
 * Asks the runner of this guest.
 * @param about what the runner would answer, for people
 * @param toldBy what its failures are taken for; absent: it is believed
 * @throws OxbowError as the runner says, or `sandbox_failed`; what `signal` was aborted with
 */
export async function askRunner<Answer extends object>(
  path: string,
  question: object,
  answers: { parse(value: unknown): Answer },
  about: string,
  { toldBy = toError, ...options }: Parameters<typeof askLine>[2] & { readonly toldBy?: (failure: Failure) => OxbowError },
): Promise<Exclude<Answer, FailedAnswer>> {
  try {
    const answer = answers.parse(await askLine(path, question, options))
    if (!('failure' in answer)) return answer as Exclude<Answer, FailedAnswer>
    throw toldBy(answer.failure as Failure)
  } catch (cause) {
    options.signal?.throwIfAborted()
    if (cause instanceof OxbowError) throw cause
    throw noAnswer(about, cause)
  }
}

export function noAnswer(about: string, cause: unknown): OxbowError {
  return new OxbowError('sandbox_failed', `The runner does not answer for ${about}.`, { hint: 'Start Oxbow again.', cause })
}
