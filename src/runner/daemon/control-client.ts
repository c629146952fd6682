/** Asks the daemon of this machine. */
import { connect, type Socket } from 'node:net'
import { isErrorCode, OxbowError } from '../../base/index.ts'
import { type ControlInput, type ControlOperation, controlOperations, type ControlOutput, controlReply } from '../../protocol/index.ts'
import { controlFrame, createControlReader } from './control-frames.ts'
import { controlAnswerMs, controlConnectMs } from './limits.ts'

/**
 * One request on a connection of its own.
 * @returns null where no daemon listens @throws OxbowError as the daemon refused it, or `timeout`
 */
export async function askDaemon<Op extends ControlOperation>(
  path: string,
  op: Op,
  input: ControlInput<Op>,
  answerMs: number = controlAnswerMs,
): Promise<ControlOutput<Op> | null> {
  const socket = await opened(path)
  if (socket === null) return null
  try {
    const output = await answerOf(socket, { id: '1', op, input }, answerMs)
    return controlOperations[op].output.parse(output) as ControlOutput<Op>
  } finally {
    socket.destroy()
  }
}

/** @returns null where nothing listens: also a stale socket, or one that is another person's */
function opened(path: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const timer = setTimeout(() => settle(null), controlConnectMs)
    const settle = (found: Socket | null): void => {
      clearTimeout(timer)
      if (found === null) socket.destroy()
      resolve(found)
    }
    socket.once('connect', () => settle(socket))
    socket.once('error', () => settle(null))
  })
}

function answerOf(socket: Socket, request: object, answerMs: number): Promise<unknown> {
  const answer = Promise.withResolvers<unknown>()
  const lost = (why: string): void =>
    answer.reject(new OxbowError('guest_unreachable', `the daemon ${why}`, { hint: '`oxbow service status` says how it is.' }))
  const reader = createControlReader((message) => {
    const { data } = controlReply.safeParse(message)
    if (data === undefined) return lost('answered with something else than a reply')
    if (data.ok) return answer.resolve(data.output)
    const { code, message: text, hint } = data.failure
    answer.reject(new OxbowError(isErrorCode(code) ? code : 'internal_failure', text, { hint }))
  })
  const timer = setTimeout(
    () => answer.reject(new OxbowError('timeout', `the daemon has not answered within ${answerMs / 1_000} s`, { hint: 'Try again.' })),
    answerMs,
  )
  socket.on('error', () => lost('has closed the connection'))
  socket.on('close', () => lost('has closed the connection'))
  socket.on('data', (bytes: Buffer) => {
    const wrong = reader.push(bytes)
    if (wrong !== null) lost(`answered with ${wrong}`)
  })
  socket.write(controlFrame(request))
  return answer.promise.finally(() => clearTimeout(timer))
}
