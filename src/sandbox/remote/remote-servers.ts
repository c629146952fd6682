/**
 * Programs of others for an isolated guest, which cannot start any itself: its runner starts them in their sandboxes and carries their streams
 * over a socket, unread. A connection is one program. The guest sends a line of JSON, then the bytes of standard input; the runner sends
 * frames: a kind, a length of four bytes, bytes. It ends the program when the connection ends.
 *
 * The runner does not trust the guest with the files of the host: a program folder must be one that `oxbow servers install` has made.
 */
import type { Socket } from 'node:net'
import { readFile, realpath } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { PassThrough, type Readable } from 'node:stream'
import { isObject, type Json, type JsonObject, OxbowError, toError, toFailure } from '../../base/index.ts'
import type { Sandbox, ServerProcess, ServerProgram } from '../../protocol/index.ts'
import { maxServedPrograms, maxServerHeaderBytes, maxServerFrameBytes } from '../limits.ts'

type Serve = NonNullable<Sandbox['serve']>
interface ProgramHeader {
  readonly program: ServerProgram
  /** A program of Oxbow's own, or one with a folder of its own. */
  readonly isOwn: boolean
}

type Header = ProgramHeader | { readonly lock: string }
type Request = Pick<ProgramHeader, 'program'> | { readonly lock: string }

const kinds = { reply: 0, output: 1, errors: 2 } as const
const socketName = 'servers.sock'

/** @param programs folder of the host, below which program folders must be @throws a system error when the socket cannot be made */
export async function servePrograms(serve: Serve, folder: string, programs: string): Promise<{ close(): Promise<void> }> {
  const { createServer } = process.getBuiltinModule('node:net')
  const { rmSync, chmodSync } = process.getBuiltinModule('node:fs')
  const path = join(folder, socketName)
  // Left by a runner that was killed.
  rmSync(path, { force: true })
  const sockets = new Set<Socket>()
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    readHeader(socket)
      .then((header) => ('lock' in header ? answerLock(socket, header.lock, programs) : runProgram(socket, header, serve, programs)))
      .catch((error: unknown) => {
        const { code, message, hint } = toFailure(error, 'sandbox_failed', 'Start Oxbow again.')
        answerAndEnd(socket, { failure: { code, message, hint } })
      })
  })
  listener.maxConnections = maxServedPrograms
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject)
    listener.listen(path, resolve)
  })
  chmodSync(path, 0o600)
  return {
    async close() {
      const closed = new Promise((resolve) => listener.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}

/** Reads the line, and leaves what follows it in the socket. @throws OxbowError */
function readHeader(socket: Socket): Promise<Header> {
  return new Promise((resolve, reject) => {
    let read = Buffer.alloc(0)
    const done = (settle: () => void): void => {
      socket.pause()
      socket.off('data', take).off('close', lost)
      settle()
    }
    const lost = (): void => done(() => reject(badHeader()))
    const take = (bytes: Buffer): void => {
      read = Buffer.concat([read, bytes])
      const end = read.indexOf(10)
      if (end < 0 && read.length <= maxServerHeaderBytes) return
      const header = end < 0 ? null : parseHeader(read.subarray(0, end).toString())
      done(() => (header === null ? reject(badHeader()) : resolve(header)))
      if (end >= 0 && end + 1 < read.length) socket.unshift(read.subarray(end + 1))
    }
    socket.on('data', take).once('close', lost)
  })
}

function badHeader(): OxbowError {
  return new OxbowError('sandbox_failed', 'This is no request for a program.', { hint: 'Start Oxbow again.' })
}

function parseHeader(text: string): Header | null {
  try {
    const parsed = JSON.parse(text) as Json
    if (!isObject(parsed)) return null
    const { lock, program } = parsed
    if (typeof lock === 'string') return { lock }
    if (!isObject(program)) return null
    const { command, args, env, programFolder, folders, pass } = program
    const isProgram =
      typeof command === 'string' &&
      isTexts(args) &&
      isObject(env) &&
      isTexts(Object.values(env)) &&
      typeof programFolder === 'string' &&
      Array.isArray(folders) &&
      folders.every((each) => isObject(each) && typeof each['path'] === 'string' && typeof each['writable'] === 'boolean') &&
      (pass === null || typeof pass === 'string')
    if (!isProgram) return null
    // Nothing else of what the guest sends counts: a `state` would be a folder of the host that it names.
    const known = { command, args, env, programFolder, folders, pass } as unknown as ServerProgram
    return { program: known, isOwn: 'own' in program || 'state' in program }
  } catch {
    return null
  }
}

const isTexts = (value: Json | undefined): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string')

/** @throws OxbowError `denied` */
async function assertInstalled(folder: string, programs: string): Promise<void> {
  if (folder === '') return
  const [real, root] = await Promise.all([folder, programs].map((path) => realpath(path).catch(() => '')))
  if (real !== '' && root !== '' && real!.startsWith(`${root}${sep}`)) return
  throw new OxbowError('denied', `An isolated guest may not start a program of ${folder}.`, {
    hint: 'Install it with `oxbow servers install`; other folders need sandbox.isolate_guest = false.',
  })
}

function noPlugins(): OxbowError {
  return new OxbowError('denied', 'An isolated guest may not start hosts of plugins.', {
    hint: 'Plugins need sandbox.isolate_guest = false; `oxbow plugin disable` turns one off.',
  })
}

async function answerLock(socket: Socket, folder: string, programs: string): Promise<void> {
  await assertInstalled(folder, programs)
  const lock = await readFile(join(folder, 'package-lock.json'), 'utf8').catch(() => '')
  answerAndEnd(socket, { lock })
}

/** Ends both ways: the guest may go on writing. */
function answerAndEnd(socket: Socket, reply: JsonObject): void {
  socket.end(frame(kinds.reply, Buffer.from(JSON.stringify(reply))), () => socket.destroy())
}

async function runProgram(socket: Socket, { program, isOwn }: ProgramHeader, serve: Serve, programs: string): Promise<void> {
  if (isOwn) throw noPlugins()
  await assertInstalled(program.programFolder, programs)
  const server = await serve(program)
  if (socket.destroyed) return void server.kill()
  socket.once('close', () => void server.kill())
  socket.write(frame(kinds.reply, Buffer.from('{}')))
  carry(server.output, kinds.output, socket)
  carry(server.errors, kinds.errors, socket)
  socket.pipe(server.input)
  const ended = [server.output, server.errors].map((stream) => new Promise((resolve) => stream.once('close', resolve)))
  await server.exited
  await Promise.all(ended)
  socket.end()
}

/** A reader that is too slow makes the program wait. */
function carry(from: Readable, kind: number, socket: Socket): void {
  from.on('data', (bytes: Buffer) => {
    if (socket.write(frame(kind, bytes))) return
    from.pause()
    socket.once('drain', () => from.resume())
  })
  from.on('error', () => undefined)
  // It is paused until somebody reads it.
  from.resume()
}

function frame(kind: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(kind, 0)
  head.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([head, bytes])
}

/** The guest's end. */
export function connectPrograms(folder: string): Required<Pick<Sandbox, 'serve' | 'lockOf'>> {
  return {
    async serve(program) {
      const { socket, frames } = await ask(folder, { program })
      const output = new PassThrough()
      const errors = new PassThrough()
      const exited = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      frames((kind, bytes) => {
        const isFull = !(kind === kinds.output ? output : errors).write(bytes)
        if (!isFull) return
        socket.pause()
        ;(kind === kinds.output ? output : errors).once('drain', () => socket.resume())
      })
      void exited.then(() => {
        output.end()
        errors.end()
      })
      const kill = async (): Promise<void> => {
        socket.destroy()
        await exited
      }
      return { input: socket, output: output.pause(), errors, exited, kill } satisfies ServerProcess
    },
    async lockOf(programFolder) {
      const { socket, reply } = await ask(folder, { lock: programFolder })
      socket.destroy()
      return typeof reply['lock'] === 'string' ? reply['lock'] : ''
    },
  }
}

type OnFrame = (kind: number, bytes: Buffer) => void

interface Asked {
  readonly socket: Socket
  readonly reply: { readonly lock?: unknown }
  /** Passes on the frames behind the reply. */
  readonly frames: (listener: OnFrame) => void
}

/** @throws OxbowError as the runner says, or `sandbox_missing` */
function ask(folder: string, header: Request): Promise<Asked> {
  const socket = process.getBuiltinModule('node:net').connect({ path: join(folder, socketName), allowHalfOpen: true })
  return new Promise((resolve, reject) => {
    let listener: OnFrame | null = null
    const early: [number, Buffer][] = []
    const lost = (cause?: unknown): void =>
      reject(
        new OxbowError('sandbox_missing', 'The runner of this guest starts no programs.', {
          hint: 'sandbox.tier = "process" or "container" can. Servers with a url work in every tier.',
          cause,
        }),
      )
    const push = createFrameReader((kind, bytes) => {
      if (kind !== kinds.reply) return void (listener === null ? early.push([kind, bytes]) : listener(kind, bytes))
      const reply = JSON.parse(bytes.toString()) as { failure?: Parameters<typeof toError>[0]; lock?: unknown }
      if (reply.failure !== undefined) {
        socket.destroy()
        return reject(toError(reply.failure))
      }
      const frames = (next: OnFrame): void => {
        listener = next
        for (const each of early.splice(0)) next(...each)
      }
      resolve({ socket, reply, frames })
    })
    socket.on('error', lost).once('close', () => lost())
    // The runner ends when the program has ended.
    socket.on('end', () => socket.destroy())
    socket.on('data', (bytes) => {
      if (!push(bytes)) socket.destroy()
    })
    socket.write(`${JSON.stringify(header)}\n`)
  })
}

/** @returns a function that takes bytes; false: a frame is too long */
function createFrameReader(onFrame: OnFrame): (bytes: Buffer) => boolean {
  let held: Buffer = Buffer.alloc(0)
  return (bytes) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    while (held.length >= 5) {
      const length = held.readUInt32BE(1)
      if (length > maxServerFrameBytes) return false
      if (held.length < 5 + length) return true
      onFrame(held.readUInt8(0), held.subarray(5, 5 + length))
      held = held.subarray(5 + length)
    }
    return true
  }
}
