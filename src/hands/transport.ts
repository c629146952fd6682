/**
 * Transports to the kernel: standard input and output, a unix socket from either side, a virtio-serial port or another pollable device.
 * Each serves one kernel once; when the kernel closes it, hands exit.
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

/** Resolves when the kernel is connected. @throws Error when the transport cannot be opened. */
export async function openTransport(transport: TransportChoice, opened: () => void): Promise<Transport> {
  const socket = transport.kind === 'stdio' ? null : await openSocket(transport.kind, transport.name, opened)
  if (socket !== null) return { input: socket, output: socket }
  opened()
  return { input: process.stdin, output: process.stdout }
}

/** @param opened called once no privilege is needed any more: before commands can run */
async function openSocket(kind: 'listen' | 'connect' | 'device', name: string, opened: () => void): Promise<Socket> {
  if (kind === 'device') return openDevice(name, opened)
  const socket = await (kind === 'listen' ? acceptOne(name, opened) : connectTo(name))
  opened()
  return socket
}

/** Permissions of the socket's folder restrict access: the first to connect is the kernel. The socket is removed then. */
function acceptOne(path: string, opened: () => void): Promise<Socket> {
  const server = process.getBuiltinModule('node:net').createServer()
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.once('connection', (socket) => {
      server.close()
      resolve(socket)
    })
    // The kernel may run as another user than hands.
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
 * A device as a stream of the event loop. Reading it like a file would block one of four threads for good, and hands could not even exit:
 * Node joins its threads. There is no public API for such a handle: `net.Socket` takes descriptors of pipes and sockets only, and treats
 * others as files.
 */
export async function openDevice(name: string, opened: () => void = () => undefined): Promise<Socket> {
  const descriptor = openSync(name.startsWith('/') ? name : findPort(name), constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY)
  opened()
  const first = await untilHostOpens(descriptor)
  const { Pipe, constants: kinds } = (process as unknown as WithBinding).binding('pipe_wrap')
  const handle = new Pipe(kinds.SOCKET)
  const errorCode = handle.open(descriptor)
  if (errorCode !== undefined && errorCode !== 0) throw new Error(`the device cannot be polled (${errorCode})`)
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

/** A port that the host has not opened reads as ended. @returns what was read meanwhile */
async function untilHostOpens(descriptor: number): Promise<Buffer> {
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

// Closes inherited descriptors. The process that started the kernel may have left some open (a terminal, a log, a folder), Node passes them
// on, and through one a command could reach outside the sandbox. What Node opens itself is marked close-on-exec; what came through an exec
// cannot be.

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
      // The descriptor of the listing itself is already closed.
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
