/** An isolated guest's end of the sandbox that its runner serves: the same hands, over a socket. */
import { OxbowError } from '../../types/index.ts'
import type { Profile, Sandbox, SandboxStatus } from '../../types/index.ts'
import { attachHands } from '../hands/hands-process.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { keepHands } from '../keep-hands.ts'
import { handsSocket } from './serve-sandbox.ts'

/** @param status what the runner said of its sandbox when it started the guest */
export function connectSandbox(folder: string, status: SandboxStatus): Sandbox {
  const plan = { start: (profile: Profile) => connectProfile(handsSocket(folder, profile)), close: () => Promise.resolve() }
  return keepHands(status, plan, () => undefined)
}

async function connectProfile(path: string): Promise<HandsProcess> {
  const socket = process.getBuiltinModule('node:net').connect(path)
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  socket.on('error', () => undefined)
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', (cause) =>
      reject(new OxbowError('sandbox_failed', 'The runner does not answer for the sandbox.', { hint: 'Start Oxbow again.', cause })),
    )
  })
  return attachHands({
    input: socket,
    output: socket,
    diagnostics: () => 'the runner did not greet',
    exited: closed,
    gone: closed,
    kill: () => void socket.destroy(),
  })
}
