/** Programs under measurement as child processes: started, heard, weighed and ended. */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

export interface Child extends AsyncDisposable {
  readonly pid: number
  /** The first line of standard output that needs no answer, and milliseconds from the start of the process to it. */
  readonly firstLine: string
  readonly readyMs: number
  readonly exited: Promise<void>
  signal(name: NodeJS.Signals): void
}

export interface ChildOptions {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Written to standard input, which then stays open. */
  readonly input?: string
  /** Sees each line of standard output. @returns a line for standard input; null: this line waits for no answer */
  readonly answer?: (line: string) => string | null
}

/** A program that says nothing for this long is broken. */
const patienceMs = 30_000
/** After being asked to end. */
const graceMs = 5_000

/** Starts `node` with these arguments. @throws when the program ends, or says nothing, before its first line. */
export async function startChild({ args, env = {}, input, answer }: ChildOptions): Promise<Child> {
  const began = performance.now()
  const child = spawn(process.execPath, args, { env: bareEnvironment(env), stdio: ['pipe', 'pipe', 'inherit'] })
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.stdin.on('error', () => {})
  if (input !== undefined) child.stdin.write(input)
  const lines = createInterface({ input: child.stdout })
  const spoken = Promise.withResolvers<string>()
  lines.on('line', (line) => {
    const reply = answer?.(line) ?? null
    if (reply === null) spoken.resolve(line)
    else child.stdin.write(`${reply}\n`)
  })
  void exited.then(() => spoken.reject(new Error(`node ${args.join(' ')} ended before it was ready`)))
  const patience = setTimeout(() => spoken.reject(new Error(`node ${args.join(' ')} is not ready after ${patienceMs} ms`)), patienceMs)
  const end = async (): Promise<void> => {
    clearTimeout(patience)
    if (child.exitCode !== null || child.signalCode !== null) return
    child.stdin.end()
    child.kill('SIGTERM')
    const force = setTimeout(() => child.kill('SIGKILL'), graceMs)
    await exited
    clearTimeout(force)
  }
  try {
    const firstLine = await spoken.promise
    const readyMs = performance.now() - began
    clearTimeout(patience)
    return {
      pid: child.pid ?? 0,
      firstLine,
      readyMs,
      exited,
      signal: (name) => void child.kill(name),
      [Symbol.asyncDispose]: end,
    }
  } catch (error) {
    await end()
    throw error
  }
}

/** @returns milliseconds from the start of a process to its end. @throws when it fails. */
export async function runToEnd(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> {
  const began = performance.now()
  const child = spawn(process.execPath, args, { env: bareEnvironment(env), stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`node ${args.join(' ')} ended with ${code}`)
  return performance.now() - began
}

/** What a runner leaves of the host's environment, so that both sides of a ratio start alike. */
function bareEnvironment(added: Readonly<Record<string, string>>): Record<string, string> {
  const { PATH = '', HOME = '' } = process.env
  return { PATH, HOME, ...added }
}

/** Bytes of resident memory, from /proc; NaN where that is missing. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS')
}

/** The most bytes of resident memory that a process has had since its start. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM')
}

function statusBytes(pid: number, field: string): number {
  return fieldBytes(readProc(pid, 'status'), field)
}

function fieldBytes(text: string, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)
  return Number(found?.[1] ?? Number.NaN) * 1024
}

/** Processor time that a process and its threads have used so far, user and system, in milliseconds; NaN where there is no /proc. */
export function processorMs(pid: number): number {
  const [user = Number.NaN, system = Number.NaN] = statFields(pid).slice(ticksFrom, ticksFrom + 2)
  return (user + system) * tickMs
}

// proc(5): from field 14 on clock ticks, 100 a second on Linux: of the process, and of the children that it has waited for.
const ticksFrom = 11
const tickMs = 10

/** The numbers behind the name, which may contain spaces. The first is the state, which is not a number. */
function statFields(pid: number): readonly number[] {
  return readProc(pid, 'stat')
    .replace(/^.*\) /s, '')
    .split(' ')
    .map(Number)
}

/** Processor time of a process and all that it started, including what has ended since. */
export function treeProcessorMs(root: number): number {
  const ticks = treeOf(root).flatMap((pid) => statFields(pid).slice(ticksFrom, ticksFrom + 4))
  return ticks.reduce((sum, each) => sum + each, 0) * tickMs
}

export interface TreeMemory {
  /** What `ps` shows of each process, summed: pages that several share are counted for each. */
  readonly resident: number
  /** Shared pages are divided among those who share them. */
  readonly proportional: number
}

export function treeMemory(root: number): TreeMemory {
  const pids = treeOf(root)
  const sum = (of: (pid: number) => number): number => pids.reduce((total, pid) => total + of(pid), 0)
  return { resident: sum(residentBytes), proportional: sum((pid) => fieldBytes(readProc(pid, 'smaps_rollup'), 'Pss')) }
}

/** A process and all that it started and that is alive. */
function treeOf(root: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const pid of readdirSync('/proc').map(Number).filter(Number.isInteger)) {
    const parent = statFields(pid)[1] ?? 0
    children.set(parent, [...(children.get(parent) ?? []), pid])
  }
  const tree = [root]
  for (const pid of tree) tree.push(...(children.get(pid) ?? []))
  return tree
}

const stillMs = 300
const lookMs = 50
const mostSettleMs = 10_000

/** Resolves when a process and all that it started have done next to nothing for a while: what follows a turn is over. */
export async function settleTree(root: number): Promise<void> {
  const until = performance.now() + mostSettleMs
  let [used, since] = [treeProcessorMs(root), performance.now()]
  while (performance.now() - since < stillMs && performance.now() < until) {
    await pause(lookMs)
    const now = treeProcessorMs(root)
    if (now - used > tickMs) [used, since] = [now, performance.now()]
  }
}

function readProc(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8')
  } catch {
    return ''
  }
}

/** A file of this repository by its path from the root. */
export function repositoryPath(path: string): string {
  return fileURLToPath(new URL(`../../${path}`, import.meta.url))
}
