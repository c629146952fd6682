/**
 * What a decision about a call holds for. Of a command, the installed program, the files of the workspace that it names or that its program
 * reads on its own (`make`, `npm`), and, where a person is asked, the state of all files that it can see: what a script reads in turn, or a
 * command makes up at run time, is not known from its text. Of a call that writes files, where their paths lead. It asks again when
 * one of these has changed. A learned rule holds only for program and files. Hands look at the files.
 */
import { createHash } from 'node:crypto'
import type { CommandInputs, Sandbox, StartedProgram } from '../../protocol/index.ts'
import { fingerprintTimeoutMs } from './running-calls.ts'
import { workspacePath } from '../policy/right-limits.ts'

/** Files that a command names and that are read before it is approved, and the time for that. */
const maxNamedFiles = 40

const inputsTimeoutMs = 10_000

/** Files in which a program finds what to run. */
const scriptsOf: Readonly<Record<string, readonly string[]>> = {
  bun: ['package.json'],
  cargo: ['Cargo.toml', 'build.rs'],
  just: ['justfile', 'Justfile'],
  make: ['Makefile', 'makefile', 'GNUmakefile'],
  npm: ['package.json'],
  npx: ['package.json'],
  pnpm: ['package.json'],
  yarn: ['package.json'],
}

/** How the state of all files is compared. */
export interface Binding {
  /** Digest of an earlier state, from which changes are named; empty: none. */
  readonly since: string
  /** Files that are left out. */
  readonly except: readonly string[]
}

/** What a decision about a call is bound to. */
export interface Bound {
  readonly started?: StartedProgram | undefined
  /** Paths of files that it writes. */
  readonly targets?: readonly string[] | undefined
}

/**
 * @param binding absent: without the state of all files, which other calls than those that start a program need not have
 * @returns null where nothing can be read
 */
export async function readBound(
  sandbox: Sandbox,
  { started, targets = [] }: Bound,
  signal: AbortSignal,
  binding?: Binding,
): Promise<CommandInputs | null> {
  const inputs = started === undefined ? await readTargets(sandbox, targets, signal) : await readInputs(sandbox, started, signal)
  if (binding === undefined) return inputs
  try {
    const hands = await sandbox.hands('work')
    const { files: _, ...state } = await hands.ask(
      'fingerprint',
      { since: binding.since, except: [...binding.except] },
      { signal, timeoutMs: fingerprintTimeoutMs },
    )
    return { ...(inputs ?? { program: '', files: [] }), workspace: { ...state, except: binding.except } }
  } catch {
    return inputs
  }
}

async function readTargets(sandbox: Sandbox, targets: readonly string[], signal: AbortSignal): Promise<CommandInputs | null> {
  if (targets.length === 0) return null
  const paths = [...new Set(targets)].slice(0, maxNamedFiles)
  try {
    const hands = await sandbox.hands('work')
    const { files } = await hands.ask('execInputs', { program: '', paths, targets: true }, { signal, timeoutMs: fingerprintTimeoutMs })
    return { program: '', files }
  } catch {
    return null
  }
}

/** @returns what the program runs now; null where that cannot be read */
export async function readInputs(sandbox: Sandbox, started: StartedProgram, signal: AbortSignal): Promise<CommandInputs | null> {
  const { program, named, scripts } = namesIn(started)
  const paths = [...new Set([...scripts, ...named])].slice(0, maxNamedFiles)
  try {
    const hands = await sandbox.hands('work')
    const found = await hands.ask('execInputs', { program, paths }, { signal, timeoutMs: inputsTimeoutMs })
    const files = found.files.map(({ path, hash }) => ({ path, hash, ...(scripts.includes(path) && { script: true as const }) }))
    return { program: found.program, files: files.filter(({ path }) => paths.includes(path)).sort((a, b) => (a.path < b.path ? -1 : 1)) }
  } catch {
    return null
  }
}

/** @param scriptsOnly without files that are arguments of the command. @returns '' where nothing is known */
export function inputsDigest(inputs: CommandInputs | null | undefined, scriptsOnly = false): string {
  if (inputs === null || inputs === undefined) return ''
  const files = inputs.files.filter(({ script }) => !scriptsOnly || script === true).map(({ path, hash }) => [path, hash])
  return createHash('sha256')
    .update(JSON.stringify([inputs.program, files]))
    .digest('hex')
    .slice(0, 32)
}

/** @returns the digest of all that a decision holds for */
export function boundDigest(inputs: CommandInputs | null | undefined): string {
  const state = inputs?.workspace?.digest ?? ''
  const own = inputsDigest(inputs)
  return state === '' ? own : `${own}.${state}`
}

/** @param bound a digest of all that a decision holds for @returns its parts: of program and files, and of the state of all files */
export function partsOf(bound: string): { readonly own: string; readonly state: string } {
  const [own = '', state = ''] = bound.split('.')
  return { own, state }
}

/** @returns what differs, in words; empty when nothing does */
export function inputsChange(before: CommandInputs | null, now: CommandInputs | null): string {
  if (boundDigest(before) === boundDigest(now)) return ''
  if (inputsDigest(before) === inputsDigest(now)) return stateChange(now)
  if (before === null || now === null) return 'what it runs could not be read'
  const hashes = new Map(before.files.map(({ path, hash }) => [path, hash]))
  const present = new Set(now.files.map(({ path }) => path))
  const changed = [
    ...now.files.filter(({ path, hash }) => hashes.get(path) !== hash).map(({ path }) => path),
    ...before.files.filter(({ path }) => !present.has(path)).map(({ path }) => path),
  ]
  return changed.length === 0 ? 'the program was replaced' : `${changed.slice(0, 3).join(', ')} changed`
}

/** @returns in words, what has changed of the files that it can see */
export function stateChange(now: CommandInputs | null): string {
  const changed = now?.workspace?.changed ?? []
  if (now?.workspace === undefined || now.workspace.digest === '') return 'the files that it can see could not be compared'
  const shown = changed.slice(0, maxShownChanges).join(', ')
  return changed.length === 0 ? 'a file changed' : `${shown}${changed.length > maxShownChanges ? ' and more' : ''} changed`
}

const maxShownChanges = 5

/** @returns a name of an installed program, or ''; and paths of the workspace that may be files */
function namesIn({ shell, binary, args, cwd }: StartedProgram): {
  readonly program: string
  readonly named: readonly string[]
  readonly scripts: readonly string[]
} {
  const at = (name: string): string | null => workspacePath(name.startsWith('/') ? name : `${cwd === '' ? '/shared' : cwd}/${name}`)
  const words = shell === null ? args : wordsIn(shell)
  const programs = shell === null ? [binary] : words.map((word) => word.replace(/^.*\//, ''))
  const own = [...new Set(programs)].flatMap((name) => (Object.hasOwn(scriptsOf, name) ? scriptsOf[name]! : []))
  const pathsOf = (names: readonly string[]): readonly string[] => names.flatMap((name) => at(name) ?? [])
  const first = shell === null ? binary : (words[0] ?? '')
  return {
    program: /^[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}$/.test(first) ? first : '',
    named: pathsOf(words.flatMap((word) => (word.startsWith('-') ? word.split('=').slice(1) : [word]))),
    scripts: pathsOf(own),
  }
}

/** Words of a text for a shell, without those into which it writes. */
function wordsIn(shell: string): readonly string[] {
  return shell
    .replace(/\d?>{1,2}\s*[^\s;|&()<>`$"'{}]+/g, ' ')
    .split(/[\s;|&()<>`$"'{}]+/)
    .filter((word) => word !== '' && word.length <= 4_096)
}
