/** One micro VM from start to end: its launch, its hands, and the port by which its programs reach the egress proxy. */
import { randomBytes } from 'node:crypto'
import { openSync } from 'node:fs'
import type { Duplex } from 'node:stream'
import { carryStreams, OxbowError } from '../../base/index.ts'
import { encodeMessage, greetingId, type Hands } from '../../protocol/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { attachHands, type HandsProcess } from '../hands/hands-process.ts'
import { machineOverheadMb, maxControlBytes, maxProxyConnections, restoreTimeoutMs } from '../limits.ts'
import { controlPort, egressPort, goingWord, goWord, onlinePort, portsOf, streamsPort } from './guest-init.ts'
import { type LaunchedProgram, launchProgram } from './launched-program.ts'
import { insideDisk, insideImage, type MachineShape, qemuCommand } from './qemu-command.ts'

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

/** A running machine, with our ends of its ports. */
export interface LaunchedMachine extends LaunchedProgram {
  /** By name; see `portsOf`. */
  readonly ports: ReadonlyMap<string, Duplex>
  /** Null unless requested. */
  readonly monitor: Duplex | null
}

/** Hands in a machine. When hands of either kind end, the whole machine ends. */
export interface Machine extends HandsProcess {
  /** Hands with network access. Null, as the others, unless the settings have them. */
  readonly online: Hands | null
  readonly egress: EgressPort | null
  /** The port for streams of a program. */
  readonly streams: Duplex | null
}

/** @param begin with a snapshot, or with a monitor to make one */
export function launchMachine(parts: MachineParts, begin: { snapshot: string } | 'with monitor'): LaunchedMachine {
  const { shape } = parts
  const names = portsOf(shape.settings)
  const launched = launchProgram({
    launcher: parts.launcher,
    program: (first) => {
      const last = first + names.length
      return qemuCommand(parts.qemu, shape, { ports: first, ...(begin === 'with monitor' ? { monitor: last } : { incoming: last }) })
    },
    descriptors: [...names.map(() => 'socket' as const), begin === 'with monitor' ? 'socket' : openSync(begin.snapshot, 'r')],
    folders: [
      { host: parts.image, inside: insideImage, writable: false },
      { host: parts.diskFolder, inside: insideDisk, writable: true },
    ],
    devices: shape.accel === 'kvm' ? ['/dev/kvm'] : [],
    memoryMb: shape.memoryMb + machineOverheadMb,
    maxFileMb: parts.diskMb,
  })
  const monitor = begin === 'with monitor' ? launched.sockets.at(-1)! : null
  return { ...launched, monitor, ports: new Map(names.map((name, i) => [name, launched.sockets[i]!])) }
}

/** Waits until both kinds of hands have greeted. @throws OxbowError `sandbox_failed` when they do not in time */
export async function attachMachine(
  { child, ports, exited, gone, diagnostics }: LaunchedMachine,
  startTimeoutMs: number,
  logger: (message: string) => void,
): Promise<Machine> {
  const kill = (): void => void child.kill('SIGKILL')
  const attach = (input: NodeJS.WritableStream, output: NodeJS.ReadableStream): Promise<HandsProcess> =>
    attachHands({
      input: input as Duplex,
      output: output as Duplex,
      diagnostics,
      exited: exited.then(() => undefined),
      gone,
      kill,
      startTimeoutMs,
    })
  const online = ports.get(onlinePort)
  const [work, other] = await Promise.all([attach(child.stdin!, child.stdout!), online === undefined ? null : attach(online, online)])
  const egress = ports.get(egressPort)
  return {
    hands: work.hands,
    isOpen: () => work.isOpen() && other?.isOpen() !== false,
    kill: () => work.kill(),
    online: other?.hands ?? null,
    egress: egress === undefined ? null : openEgressPort(egress, { kill, logger }),
    streams: ports.get(streamsPort) ?? null,
  }
}

/**
 * Restores a machine from its snapshot and gives it the time, randomness and its disk.
 * @throws OxbowError `sandbox_failed` when it does not respond in time
 */
export async function startMachine(parts: MachineParts, snapshot: string, logger: (message: string) => void): Promise<Machine> {
  const machine = launchMachine(parts, { snapshot })
  const { child, ports, gone } = machine
  ports.get(controlPort)!.write(goWord(Math.round(Date.now() / 1000), randomBytes(32)))
  try {
    await waitForWord(machine, goingWord, restoreTimeoutMs)
  } catch (error) {
    child.kill('SIGKILL')
    await gone
    throw error
  }
  // Hands greeted before they were frozen.
  for (const output of [child.stdout!, ports.get(onlinePort)]) output?.unshift(Buffer.concat([...encodeMessage(greetingId, '{}')]))
  return attachMachine(machine, restoreTimeoutMs, logger)
}

/** Resolves when the guest has written this word on its control port. @throws OxbowError `sandbox_failed` */
export function waitForWord({ ports, exited, diagnostics }: LaunchedMachine, word: string, timeoutMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    const fail = (why: string): void =>
      reject(
        new OxbowError('sandbox_failed', `The micro VM did not start: ${why}${diagnostics() === '' ? '' : ` (${diagnostics()})`}`, {
          hint: 'Try again; if it fails again, rebuild the image with `oxbow image build --vm`.',
        }),
      )
    const limit = setTimeout(() => fail(`it did not send "${word}" within ${timeoutMs / 1000} s.`), timeoutMs)
    void exited.then((code) => {
      clearTimeout(limit)
      fail(`QEMU exited${code === null ? '' : ` with code ${code}`}.`)
    })
    ports.get(controlPort)!.on('data', (bytes: Buffer) => {
      if (text.length > maxControlBytes) return
      text += bytes.toString('latin1')
      if (!text.split('\n').includes(word)) return
      clearTimeout(limit)
      resolve()
    })
  })
}

// A machine has no network. A port carries the connections of its hands with network access; each becomes a connection to the socket of the
// egress proxy, which decides. Bytes from that port may come from any program inside.

interface EgressPort {
  /** Accepts connections from now on; earlier ones are closed. @param socket of the proxy, on the host */
  open(socket: string): void
}

/** @param kill ends the machine after a protocol violation */
export function openEgressPort(port: Duplex, { kill, logger }: { kill(): void; logger(message: string): void }): EgressPort {
  const { connect } = process.getBuiltinModule('node:net')
  let path: string | null = null
  carryStreams(port, {
    maxStreams: maxProxyConnections,
    accept: () => (path === null ? null : connect({ path, allowHalfOpen: true })),
    onBroken(problem) {
      logger(`The micro VM was ended: ${problem} on its egress port.`)
      kill()
    },
  })
  return {
    open(socket) {
      path = socket
    },
  }
}
