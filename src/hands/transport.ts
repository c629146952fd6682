/**
 * The ways to the kernel: standard input and output, a unix socket from either side, a virtio-serial port or another device that
 * can be waited on. Each serves one kernel once; when its end is gone, so is the reason to live.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readSync } from 'node:fs'
import type { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { systemCode } from './failure.ts'
import { hostPollMs, readBlockBytes } from './limits.ts'

export type TransportChoice = { readonly kind: 'stdio' } | { readonly kind: 'listen' | 'connect' | 'device'; readonly name: string }

interface Transport {
  readonly input: Readable
  readonly output: Writable
}

/** Resolves when the kernel is there. @throws Error when the way cannot be opened. */
export async function openTransport(transport: TransportChoice, opened: () => void): Promise<Transport> {
  const socket = transport.kind === 'stdio' ? null : await openSocket(transport.kind, transport.name, opened)
  if (socket !== null) return { input: socket, output: socket }
  opened()
  return { input: process.stdin, output: process.stdout }
}

/** @param opened called when no right is needed any more that a plain user has not: from then on commands could be run */
async function openSocket(kind: 'listen' | 'connect' | 'device', name: string, opened: () => void): Promise<Socket> {
  if (kind === 'device') return openDevice(name, opened)
  const socket = await (kind === 'listen' ? acceptOne(name, opened) : connectTo(name))
  opened()
  return socket
}

/** The folder of the socket is its lock: whoever can walk there first is the kernel. The name goes when one has come. */
function acceptOne(path: string, opened: () => void): Promise<Socket> {
  const server = process.getBuiltinModule('node:net').createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('connection', (socket) => {
      server.close()
      resolve(socket)
    })
    // The kernel may be another user than hands.
    server.listen({ path, backlog: 1, readableAll: true, writableAll: true }, opened)
  })
}

function connectTo(path: string): Promise<Socket> {
  const socket = process.getBuiltinModule('node:net').connect(path)
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}

/**
 * A device, as a stream of the event loop. Reading it like a file would block one of four threads for good, and hands could not
 * even exit: Node joins its threads. There is no public way to such a handle: `net.Socket` takes descriptors of pipes and sockets
 * only, and passes others on as files.
 */
export async function openDevice(name: string, opened: () => void = () => undefined): Promise<Socket> {
  const descriptor = openSync(name.startsWith('/') ? name : findPort(name), constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY)
  opened()
  const first = await hostThere(descriptor)
  const { Pipe, constants: kinds } = (process as unknown as WithBinding).binding('pipe_wrap')
  const handle = new Pipe(kinds.SOCKET)
  const failed = handle.open(descriptor)
  if (failed !== undefined && failed !== 0) throw new Error(`the device cannot be waited on (${failed})`)
  const { Socket: NetSocket } = process.getBuiltinModule('node:net')
  const socket = new NetSocket({ handle, readable: true, writable: true } as object)
  if (first.length > 0) socket.unshift(first)
  return socket
}

interface WithBinding {
  binding(name: 'pipe_wrap'): {
    Pipe: new (kind: number) => { open(descriptor: number): number | undefined }
    constants: { SOCKET: number }
  }
}

/** A port that nobody holds on the other side reads as ended. @returns what was read while that was found out */
async function hostThere(descriptor: number): Promise<Buffer> {
  const first = Buffer.allocUnsafe(readBlockBytes)
  for (;;) {
    try {
      const bytes = readSync(descriptor, first, 0, first.length, null)
      if (bytes > 0) return first.subarray(0, bytes)
    } catch (error) {
      if (systemCode(error) === 'EAGAIN') return first.subarray(0, 0)
      throw error
    }
    await delay(hostPollMs)
  }
}

/** @returns the device of the virtio-serial port of this name. */
function findPort(name: string): string {
  const folder = '/sys/class/virtio-ports'
  const port = readdirSync(folder).find((each) => readFileSync(`${folder}/${each}/name`, 'utf8').trim() === name)
  if (port === undefined) throw new Error(`no virtio-serial port is named ${name}`)
  return `/dev/${port}`
}

// Closes what hands inherited by accident. Whoever started the kernel may have left descriptors open (a terminal, a log, a
// folder), Node hands them on, and through one a command could reach out of the sandbox. What Node opens for itself is marked
// to be closed at exec; what came through an exec cannot be.

/** O_CLOEXEC as `/proc/<pid>/fdinfo` shows it: proc(5), octal, the same number on x86_64 and aarch64. */
const closeOnExec = 0o2000000

/** Leaves standard input, output and error. */
export function closeInherited(): void {
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name)
    if (descriptor <= 2 || isOurs(descriptor)) continue
    try {
      closeSync(descriptor)
    } catch {
      // The descriptor by which the folder was read is gone already.
    }
  }
}

function isOurs(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, 'latin1'))?.[1] ?? '0'
    return (Number.parseInt(flags, 8) & closeOnExec) !== 0
  } catch {
    return true
  }
}
