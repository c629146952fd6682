/** One micro VM from start to end. */
import { openSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { encodeMessage, greetingId, OxbowError } from '../../types/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-tier.ts'
import { attachHands } from '../hands/hands-process.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { machineOverheadMb, maxControlBytes, restoreTimeoutMs } from '../limits.ts'
import { goingWord, goWord } from './image/guest-init.ts'
import { launchProgram } from './launched-program.ts'
import type { LaunchedProgram } from './launched-program.ts'
import { insideDisk, insideImage, qemuCommand } from './qemu-command.ts'
import type { MachineShape } from './qemu-command.ts'

export interface MachineParts {
  readonly launcher: BubblewrapPlan
  /** Absolute paths. */
  readonly qemu: string
  readonly image: string
  readonly shape: MachineShape
  /** Folder with the disk; it belongs to the user of the launcher. */
  readonly diskFolder: string
  readonly diskMb: number
}

/** @param with a snapshot to begin with, or a monitor to make one */
export function launchMachine(parts: MachineParts, begin: { snapshot: string } | 'with monitor'): LaunchedProgram {
  const { shape } = parts
  return launchProgram({
    launcher: parts.launcher,
    program: (first) =>
      qemuCommand(parts.qemu, shape, {
        control: first,
        ...(begin === 'with monitor' ? { monitor: first + 1 } : { incoming: first + 1 }),
      }),
    descriptors: ['socket', begin === 'with monitor' ? 'socket' : openSync(begin.snapshot, 'r')],
    folders: [
      { host: parts.image, inside: insideImage, writable: false },
      { host: parts.diskFolder, inside: insideDisk, writable: true },
    ],
    devices: shape.accel === 'kvm' ? ['/dev/kvm'] : [],
    memoryMb: shape.memoryMb + machineOverheadMb,
    maxFileMb: parts.diskMb,
  })
}

/**
 * Wakes a machine from its snapshot and gives it the time, randomness and its disk.
 * @throws OxbowError `sandbox_failed` when it does not answer in time
 */
export async function startMachine(parts: MachineParts, snapshot: string): Promise<HandsProcess> {
  const machine = launchMachine(parts, { snapshot })
  const { child, sockets, exited, gone, diagnostics } = machine
  const control = sockets[0]!
  control.write(goWord(Math.round(Date.now() / 1000), randomBytes(32)))
  try {
    await heard(machine, goingWord, restoreTimeoutMs)
  } catch (error) {
    child.kill('SIGKILL')
    await gone
    throw error
  }
  // Hands greeted before they were frozen.
  child.stdout!.unshift(Buffer.concat([...encodeMessage(greetingId, '{}')]))
  return attachHands({
    input: child.stdin!,
    output: child.stdout!,
    diagnostics,
    exited: exited.then(() => undefined),
    gone,
    kill: () => void child.kill('SIGKILL'),
  })
}

/** Resolves when the guest has said this word on its control port. @throws OxbowError `sandbox_failed` */
export function heard({ sockets, exited, diagnostics }: LaunchedProgram, word: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string): void =>
      reject(
        new OxbowError('sandbox_failed', `The micro VM did not start: ${why}${diagnostics() === '' ? '' : ` (${diagnostics()})`}`, {
          hint: 'Try again; build the image anew with `oxbow image build --vm` when it repeats.',
        }),
      )
    const limit = setTimeout(() => fail(`no "${word}" from it in ${timeoutMs / 1000} s.`), timeoutMs)
    void exited.then((code) => {
      clearTimeout(limit)
      fail(`QEMU ended${code === null ? '' : ` with code ${code}`}.`)
    })
    sockets[0]!.on('data', (bytes: Buffer) => {
      if (text.length > maxControlBytes) return
      text += bytes.toString('latin1')
      if (!text.split('\n').includes(word)) return
      clearTimeout(limit)
      resolve()
    })
  })
}
