/** Hands over a socket: the runner passes requests of an isolated guest on to hands, and their replies back, without reading either. */
import type { Socket } from 'node:net'
import { OxbowError, toFailure } from '../../base/index.ts'
import {
  createMessageReader,
  createMessageWriter,
  greetingId,
  type HandsOp,
  joinContent,
  type Profile,
  type Sandbox,
  splitContent,
} from '../../protocol/index.ts'
import { attachHands, type HandsProcess } from '../hands/hands-process.ts'
import { isHandsOp, parseRequest } from '../hands/hands-reply.ts'
import { maxPendingBytes, maxPendingRequests, maxRelayedMs, maxReplyBytes } from '../limits.ts'

/** The runner's end. */
export function relayHands(socket: Socket, sandbox: Sandbox, profile: Profile): void {
  const running = new Map<number, AbortController>()
  const writer = createMessageWriter(socket)
  const reply = (id: number, message: object, content: Uint8Array | null = null): Promise<unknown> =>
    writer.send(id, JSON.stringify(message), content)
  const answer = async (id: number, op: HandsOp, body: never, signal: AbortSignal): Promise<void> => {
    try {
      const hands = await sandbox.hands(profile)
      const { plain, content } = splitContent(await hands.ask(op, body, { signal, timeoutMs: maxRelayedMs }))
      await reply(id, { ok: plain, ...(content !== null && { bytes: content.length }) }, content)
    } catch (error) {
      const { code, message, hint } = toFailure(error, 'tool_failed', 'Try again.')
      await reply(id, { failure: { code, message, hint } })
    } finally {
      running.delete(id)
    }
  }
  const push = createMessageReader(
    { messageBytes: maxReplyBytes, pendingBytes: maxPendingBytes },
    {
      message(id, text, content) {
        const request = readRequest(text, content)
        if (request === null || running.has(id) || id === greetingId || running.size >= maxPendingRequests) {
          socket.destroy()
          return
        }
        const controller = new AbortController()
        running.set(id, controller)
        void answer(id, request.op, request.body as never, controller.signal)
      },
      cancel(id, begun) {
        if (begun) void reply(id, { failure: cancelledBeforeSent })
        else running.get(id)?.abort()
      },
    },
  )
  socket.on('data', (bytes) => {
    if (push(bytes) !== null) socket.destroy()
    // While a guest does not read replies, no more requests are read: replies would pile up here.
    else if (socket.writableNeedDrain) socket.pause()
  })
  socket.on('drain', () => socket.resume())
  socket.on('error', () => undefined)
  socket.once('close', () => {
    for (const controller of running.values()) controller.abort()
  })
  void reply(greetingId, {})
}

const cancelledBeforeSent = { code: 'cancelled', message: 'Cancelled.', hint: 'Send the request again if you still need it.' }

/** @returns null for anything but a request: the guest has another version, or was taken over */
function readRequest(text: string, content: Buffer): { readonly op: HandsOp; readonly body: unknown } | null {
  try {
    const { op, input, bytes } = JSON.parse(text) as { op?: unknown; input?: unknown; bytes?: unknown }
    const body = joinContent(input, bytes, content)
    const parsed = isHandsOp(op) ? parseRequest(op, body) : null
    return parsed === null ? null : { op: op as HandsOp, body: parsed }
  } catch {
    return null
  }
}

/** The guest's end. @param hello sent before hands are spoken to @throws OxbowError `sandbox_failed` */
export async function connectHands(path: string, hello = ''): Promise<HandsProcess> {
  const socket = process.getBuiltinModule('node:net').connect(path)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (cause) =>
      reject(
        new OxbowError('sandbox_failed', 'The runner does not answer on the socket of the sandbox.', { hint: 'Start Oxbow again.', cause }),
      ),
    )
  })
  if (hello !== '') socket.write(hello)
  return attachHands({
    input: socket,
    output: socket,
    diagnostics: () => 'the runner did not greet',
    exited: closed,
    gone: closed,
    kill: () => void socket.destroy(),
  })
}
