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
import { type Listening, listenAt, readLine } from './local-socket.ts'

interface ProgramHeader {
  readonly program: ServerProgram
  /** A program of Oxbow's own, or one with a folder of its own. */
  readonly isOwn: boolean
  /** Name of the branch of files that it sees; empty: the workspace. */
  readonly branch: string
}

type Header = ProgramHeader | { readonly lock: string }
type Request = Pick<ProgramHeader, 'program' | 'branch'> | { readonly lock: string }

/** `end` has the exit code as JSON; null: a signal ended the program. */
const kinds = { reply: 0, output: 1, errors: 2, end: 3 } as const
const socketName = 'servers.sock'

/**
 * @param sandboxOf the sandbox that starts a program: of the workspace, or of a branch of files
 * @param own what is started for a program of Oxbow's own; the guest says only for whom it is; throws `denied`
 * @param programs folders of the host, below which program folders must be
 * @throws a system error when the socket cannot be made
 */
export function servePrograms(
  sandboxOf: (branch: string) => Promise<Pick<Sandbox, 'serve'>>,
  own: (asked: ServerProgram) => Promise<ServerProgram>,
  folder: string,
  programs: readonly string[],
): Promise<Listening> {
  const onSocket = (socket: Socket): void => {
    readLine(socket, maxServerHeaderBytes)
      .catch(() => Promise.reject(badHeader()))
      .then((line) => parseHeader(line) ?? Promise.reject(badHeader()))
      .then((header) =>
        'lock' in header ? answerLock(socket, header.lock, programs) : runProgram(socket, header, sandboxOf, own, programs),
      )
      .catch((error: unknown) => {
        const { code, message, hint } = toFailure(error, 'sandbox_failed', 'Start Oxbow again.')
        answerAndEnd(socket, { failure: { code, message, hint } })
      })
  }
  return listenAt(join(folder, socketName), maxServedPrograms, onSocket, true)
}

function badHeader(): OxbowError {
  return new OxbowError('sandbox_failed', 'This is no request for a program.', { hint: 'Start Oxbow again.' })
}

function parseHeader(text: string): Header | null {
  try {
    const parsed = JSON.parse(text) as Json
    if (!isObject(parsed)) return null
    const { lock, program, branch } = parsed
    if (typeof lock === 'string') return { lock }
    if (!isObject(program) || typeof branch !== 'string') return null
    const { command, args, env, programFolder, folders, pass, state, programAt, cwd } = program
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
    // Nothing else of what the guest sends counts. A `state` names a plugin, and no folder.
    const known = {
      command,
      args,
      env,
      programFolder,
      folders,
      pass,
      ...(typeof state === 'string' && { state }),
      ...(typeof programAt === 'string' && /^\/skills\/[^/\0]+$/.test(programAt) && { programAt }),
      ...(typeof cwd === 'string' && /^\/(?:shared|tmp)$/.test(cwd) && { cwd }),
    } as unknown as ServerProgram
    return { program: known, isOwn: 'own' in program || 'state' in program, branch }
  } catch {
    return null
  }
}

const isTexts = (value: Json | undefined): boolean => Array.isArray(value) && value.every((each) => typeof each === 'string')

/** @throws OxbowError `denied` */
async function assertInstalled(folder: string, programs: readonly string[]): Promise<void> {
  if (folder === '') return
  const [real = '', ...roots] = await Promise.all([folder, ...programs].map((path) => realpath(path).catch(() => '')))
  if (real !== '' && roots.some((root) => root !== '' && real.startsWith(`${root}${sep}`))) return
  throw new OxbowError('denied', `An isolated guest may not start a program of ${folder}.`, {
    hint: 'Install it with `oxbow servers install`; other folders need sandbox.isolate_guest = false.',
  })
}

async function answerLock(socket: Socket, folder: string, programs: readonly string[]): Promise<void> {
  await assertInstalled(folder, programs)
  const lock = await readFile(join(folder, 'package-lock.json'), 'utf8').catch(() => '')
  answerAndEnd(socket, { lock })
}

/** Ends both ways: the guest may go on writing. */
function answerAndEnd(socket: Socket, reply: JsonObject): void {
  socket.end(frame(kinds.reply, Buffer.from(JSON.stringify(reply))), () => socket.destroy())
}

async function runProgram(
  socket: Socket,
  { program, isOwn, branch }: ProgramHeader,
  sandboxOf: Parameters<typeof servePrograms>[0],
  own: Parameters<typeof servePrograms>[1],
  programs: readonly string[],
): Promise<void> {
  if (!isOwn) await assertInstalled(program.programFolder, programs)
  const server = await (await sandboxOf(branch)).serve!(isOwn ? await own(program) : program)
  if (socket.destroyed) return void server.kill()
  socket.once('close', () => void server.kill())
  socket.write(frame(kinds.reply, Buffer.from('{}')))
  carry(server.output, kinds.output, socket)
  carry(server.errors, kinds.errors, socket)
  socket.pipe(server.input)
  const ended = [server.output, server.errors].map((stream) => new Promise((resolve) => stream.once('close', resolve)))
  await server.exited
  await Promise.all(ended)
  socket.end(frame(kinds.end, Buffer.from(JSON.stringify(server.exitCode?.() ?? null))))
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

/** The guest's end. @param branch of files that the programs see; empty: the workspace */
export function connectPrograms(folder: string, branch = ''): Required<Pick<Sandbox, 'serve' | 'lockOf'>> {
  return {
    async serve(program) {
      const { socket, frames } = await ask(folder, { program, branch })
      const output = new PassThrough()
      const errors = new PassThrough()
      const exited = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      let exitCode: number | null = null
      frames((kind, bytes) => {
        if (kind === kinds.end) {
          const code: unknown = JSON.parse(bytes.toString())
          exitCode = typeof code === 'number' ? code : null
          return
        }
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
      return { input: socket, output: output.pause(), errors, exited, exitCode: () => exitCode, kill } satisfies ServerProcess
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
          hint: 'sandbox.tier = "process", "container" or "micro_vm" can. Servers with a url work in every tier.',
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
