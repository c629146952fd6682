/** Runs one shell command, and ends all of its processes with it. */
import type { ChildProcessByStdio } from 'node:child_process'
import { type Stats, statSync } from 'node:fs'
import { lstat, realpath } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import type { CommandOps, HandsOps, HandlersOf } from '../../protocol/index.ts'
import { withoutSequences } from '../../base/index.ts'
import { failed } from '../failure.ts'
import { openRegularFile, resolveNew, type Root, toPlace, toRealPlace } from '../files/workspace-path.ts'
import { drainMs, maxCommandBytes, maxHashedBytes, maxTailBytes, terminateGraceMs } from '../limits.ts'
import type { CarriedStreams, TakeStreams } from './carried-streams.ts'
import { stampOf, stampWithContent } from './file-stamps.ts'
import { folderStamp } from './fingerprint.ts'
import { keepsMemory } from './kept-memory.ts'
import { createOutputRing } from '../sessions/session-output.ts'
import type { OwnerUsage } from './process-tree.ts'
import { commandEnvironment, findProgram, findShell, type LiveCommands, startProcess } from './start-process.ts'

type Input = HandsOps['exec']['input']
type Output = HandsOps['exec']['output']
type Child = ChildProcessByStdio<Writable | null, Readable, Readable>

export interface CommandRunner {
  run(input: Input, signal: AbortSignal): Promise<Output>
  /** @returns the tail of the running command's output; empty if no command of this name runs */
  tail(watch: string): string
  usage(): readonly OwnerUsage[]
}

export interface CommandOptions {
  readonly roots: readonly Root[]
  readonly live: LiveCommands
  /** Maximum private memory of one process, where the sandbox as a whole has no limit; null for none. */
  readonly dataLimitKib: number | null
}

/** @param takeStreams absent: no program is carried */
export function createCommandRunner(options: CommandOptions, takeStreams: TakeStreams | null = null): CommandRunner {
  const { roots, live } = options
  const watched = new Map<string, ReturnType<typeof createOutputRing>>()
  return {
    usage: live.usage,
    tail: (watch) => {
      const ring = watched.get(watch)
      return ring === undefined ? '' : toText(ring.slice(ring.start(), maxTailBytes))
    },
    async run(input, signal) {
      const streams = input.carried === true ? await streamsFor(takeStreams) : null
      const argv = argvOf(input)
      const cwd = streams === null ? (await toRealPlace(roots, input.cwd)).real : input.cwd
      const mark = live.newMark()
      const own = streams === null ? { ...commandEnvironment, ...input.program?.env, ...input.env } : input.program?.env
      const proxy = streams !== null && input.pass === undefined ? {} : live.environment(input.pass ?? '')
      const child = await start(argv, input, options, cwd, { ...own, ...proxy, [mark.name]: mark.value })
      streams?.connect(child)
      const command = { pid: child.pid!, mark: `${mark.name}=${mark.value}`, owner: input.watch ?? '' }
      live.add(command)
      const ended = follow(child, input, signal, (graceMs) => live.end(command, graceMs), streams)
      const { watch } = input
      if (watch === undefined) return ended
      const ring = createOutputRing(maxTailBytes)
      watched.set(watch, ring)
      child.stdout.on('data', ring.push)
      child.stderr.on('data', ring.push)
      return ended.finally(() => void watched.delete(watch))
    },
  }
}

/** @param commands absent without a sandbox */
export function commandOperations(
  commands: CommandRunner | undefined,
  roots: readonly Root[],
): HandlersOf<Omit<CommandOps, 'fingerprint'>> {
  return {
    async exec(input, signal) {
      if (commands === undefined) throw failed('sandbox_missing', 'Commands are off without a sandbox.', 'Install bubblewrap.')
      return commands.run(input, signal)
    },
    execInputs: async ({ program, paths, targets = false }, signal) =>
      targets ? { program: '', files: await targetsOf(roots, paths, signal) } : inputsOf(roots, program, paths),
    usage: async () => ({ owners: [...(commands?.usage() ?? [])], keepsMemory: commands !== undefined && keepsMemory() }),
    execOutput: async ({ watch }) => ({ tail: commands?.tail(watch) ?? '' }),
  }
}

async function inputsOf(roots: readonly Root[], name: string, paths: readonly string[]): Promise<HandsOps['execInputs']['output']> {
  const files: { path: string; hash: string }[] = []
  for (const path of paths) {
    const opened = await openRegularFile(roots, path).catch(() => null)
    if (opened === null) continue
    const { file, stats } = opened
    try {
      const hash = stats.size > maxHashedBytes ? stampOf(stats) : sha256(await file.readFile())
      files.push({ path, hash })
    } finally {
      await file.close()
    }
  }
  return { program: name === '' ? '' : describeProgram(name), files }
}

/** Where each path leads, and what is there: of a folder, everything below it. */
async function targetsOf(
  roots: readonly Root[],
  paths: readonly string[],
  signal: AbortSignal,
): Promise<HandsOps['execInputs']['output']['files']> {
  const found = paths.map(async (path) => {
    const place = toPlace(roots, path)
    const real = await realpath(place.real).catch(() => resolveNew(roots, place))
    const stats = await lstat(real).catch(() => null)
    return { path, hash: sha256(Buffer.from(`${real}\0${stats === null ? 'nothing' : await targetStamp(roots, real, stats, signal)}`)) }
  })
  return (await Promise.allSettled(found)).flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}

async function targetStamp(roots: readonly Root[], real: string, stats: Stats, signal: AbortSignal): Promise<string> {
  if (!stats.isDirectory()) return stampWithContent(real, stats)
  const isOurs = roots.some((root) => real === root.real || real.startsWith(`${root.real}/`))
  return isOurs ? folderStamp({ real, virtual: '' }, signal) : 'folder'
}

function sha256(content: Uint8Array): string {
  return process.getBuiltinModule('node:crypto').hash('sha256', content)
}

function describeProgram(name: string): string {
  try {
    const path = findProgram(name)
    const { size, mtimeMs } = statSync(path)
    return `${path} ${size} ${mtimeMs}`
  } catch {
    return ''
  }
}

/** @throws the failure `bad_input` or `not_found` */
function argvOf({ command, program, carried }: Input): readonly [string, ...string[]] {
  const texts = program === undefined ? [command] : [...program.argv, ...Object.entries(program.env).flat()]
  if (texts.some((text) => text.includes('\0') || Buffer.byteLength(text) > maxCommandBytes))
    throw failed('bad_input', 'The command is too long, or holds a NUL character.', 'Write a script file and run that.')
  if (program === undefined) return [findShell(), '-c', command]
  const [name = '', ...rest] = program.argv
  return [carried === true ? name : findProgram(name), ...rest]
}

/** @throws the failure `bad_input` */
async function streamsFor(take: TakeStreams | null): Promise<CarriedStreams> {
  if (take === null) throw failed('bad_input', 'This sandbox carries no streams of programs.', 'Run it as a command.')
  return take()
}

async function start(
  argv: readonly [string, ...string[]],
  input: Input,
  { dataLimitKib, live }: CommandOptions,
  cwd: string,
  env: Record<string, string>,
): Promise<Child> {
  const stdin = input.stdin === '' && input.carried !== true ? 'ignore' : 'pipe'
  const stdio = [stdin, 'pipe', 'pipe'] as const
  const child = await startProcess({ argv, cwd, env, stdio, dataLimitKib, hidden: live.hidden })
  return child as Child
}

/** Feeds and drains the command until it ends, times out or is cancelled. @throws the failure `cancelled` */
async function follow(
  child: Child,
  input: Input,
  signal: AbortSignal,
  end: (graceMs: number) => Promise<void>,
  streams: CarriedStreams | null,
): Promise<Output> {
  const begin = performance.now()
  const stdout = createClip(input.maxOutputBytes)
  const stderr = createClip(input.maxOutputBytes)
  child.stdout.on('data', stdout.push)
  child.stderr.on('data', stderr.push)
  // A command may close its input without reading it.
  child.stdin?.on('error', () => undefined)
  if (streams === null) child.stdin?.end(input.stdin)

  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) => {
    child.once('exit', (code, by) => resolve({ code, signal: by }))
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const why = await firstOf(exited, input.timeoutMs, signal)
  // After a normal exit, background processes are killed at once; a command that is stopped may clean up first.
  await end(why === 'exited' ? 0 : terminateGraceMs)
  const { code, signal: by } = await exited
  const durationMs = Math.round(performance.now() - begin)
  await (streams?.sent() ?? Promise.race([closed, new Promise((resolve) => setTimeout(resolve, drainMs).unref())]))
  // What is carried may still be read.
  for (const stream of streams === null ? [child.stdout, child.stderr] : []) stream.destroy()
  if (why === 'cancelled')
    throw failed('cancelled', 'The command was cancelled and all its processes ended.', 'Run it again if it is still needed.')
  return {
    exitCode: code,
    signal: by,
    timedOut: why === 'timeout',
    stdout: stdout.text(),
    stderr: stderr.text(),
    stdoutBytes: stdout.bytes(),
    stderrBytes: stderr.bytes(),
    durationMs,
  }
}

function firstOf(exited: Promise<unknown>, timeoutMs: number, signal: AbortSignal): Promise<'exited' | 'timeout' | 'cancelled'> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('timeout'), timeoutMs)
    const cancel = (): void => resolve('cancelled')
    if (signal.aborted) cancel()
    signal.addEventListener('abort', cancel, { once: true })
    void exited.then(() => {
      clearTimeout(timer)
      signal.removeEventListener('abort', cancel)
      resolve('exited')
    })
  })
}

// Keeps the beginning and the end of an output and counts all of it, so that a flood costs no memory.

interface Clip {
  readonly push: (chunk: Buffer) => void
  /** Total bytes received. */
  readonly bytes: () => number
  readonly text: () => string
}

/** @param maxBytes limit of what is kept, half of it from each end */
export function createClip(maxBytes: number): Clip {
  const half = Math.floor(maxBytes / 2)
  const head = createOutputRing(half)
  const tail = createOutputRing(half)
  return {
    push(chunk) {
      const room = Math.min(chunk.length, half - head.total())
      if (room > 0) head.push(chunk.subarray(0, room))
      if (room < chunk.length) tail.push(chunk.subarray(room))
    },
    bytes: () => head.total() + tail.total(),
    text() {
      const left = tail.start()
      const [first, last] = [head.slice(0, half), tail.slice(left, half)]
      return left === 0 ? toText(Buffer.concat([first, last])) : `${toText(first)}\n[… ${left} bytes omitted …]\n${toText(last)}`
    },
  }
}

/** Removes escape sequences, and replaces other control characters by U+FFFD. */
function toText(bytes: Buffer): string {
  // oxlint-disable-next-line no-control-regex -- control characters are the point
  return withoutSequences(bytes.toString()).replace(/[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F]/g, '\uFFFD')
}
