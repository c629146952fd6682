/**
 * The process of a guest, which can be begun before anything is known but its workspace: to read the configuration takes a command line as
 * long as a guest needs to start Node and load its code. A begun process waits for its envelope; until then it has opened nothing, and the
 * end of its input ends it without a word. This file imports nothing that takes time to load.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { isAlive } from '../base/index.ts'
import { stderrFile } from '../logs/index.ts'
import { type Config, engineVariables, type GuestQuestion } from '../config/index.ts'
import { readGatewayFiles } from './find-guest.ts'
import {
  hasWorkspace,
  homeRoot,
  type Home,
  type HostEnv,
  hostFiles,
  openHome,
  openWorkspace,
  parseUser,
  systemUserOf,
  type Workspace,
} from './home.ts'
import { maxGuestLogBytes } from './limits.ts'

/** Argument that identifies the process in process lists; the envelope holds the request. */
export type GuestCommand = 'serve' | GuestQuestion['command']

type GuestChild = ChildProcessByStdio<Writable, Readable, null>

/** Where the guest program is and how it is started. Tests use their own. */
export interface GuestProgram {
  readonly entry: string
}

/** The guest next to this code: a source file in development, a bundle when built. */
export function ownGuestProgram(): GuestProgram {
  const built = import.meta.url.endsWith('.js')
  return { entry: fileURLToPath(new URL(built ? './guest.js' : '../guest/main.ts', import.meta.url)) }
}

/** Host variables that a guest inherits: to find programs and container engines, for time zone and certificates. */
const keptVariables = ['PATH', 'HOME', 'USER', 'TZ', 'LANG', 'LC_ALL', 'TMPDIR', 'NODE_EXTRA_CA_CERTS', ...engineVariables] as const

/**
 * Node options of a guest. With young objects in halves of 16 MB in place of 8, 64 sessions collect half as often and take no less processor time,
 * unless other programs keep the machine busy, for some 20 MB more. One background thread for collection and compilation instead of four saves
 * 7 MB; on two processors more only wait for each other.
 */
export const guestFlags: readonly string[] = ['--max-semi-space-size=8', '--v8-pool-size=1']

/** One malloc arena for all threads: saves 20 MB in a warm guest at the same speed. */
export const guestVariables: Readonly<Record<string, string>> = { MALLOC_ARENA_MAX: '1' }

export interface GuestLaunch {
  readonly file: string
  readonly args: readonly string[]
  readonly env: NodeJS.ProcessEnv
}

export function ownLaunch({ entry }: GuestProgram, command: GuestCommand, compileCache: string, env: HostEnv): GuestLaunch {
  const kept: Record<string, string> = { ...guestVariables, NODE_COMPILE_CACHE: compileCache }
  for (const name of keptVariables) {
    const value = env[name]
    if (value !== undefined) kept[name] = value
  }
  return { file: process.execPath, args: [...guestFlags, entry, command], env: kept }
}

interface ProcessPlace {
  readonly root: string
  /** File for what it prints before it has a log. */
  readonly stderr: string
}

export function placeOf({ root, logs }: Workspace): ProcessPlace {
  return { root, stderr: join(logs, stderrFile) }
}

/** Without a pid it could not be started, and an `error` follows. @throws OxbowError where its log cannot be opened */
export function startProcess(place: ProcessPlace, { file, args, env }: GuestLaunch): GuestChild {
  const log = openStderr(place.stderr)
  const child = spawn(file, args, {
    cwd: place.root,
    env,
    stdio: ['pipe', 'pipe', log],
    // Its own process group: Ctrl+C in the terminal must reach only the terminal program.
    detached: true,
  }) as GuestChild
  closeSync(log)
  return child
}

export interface BegunGuest {
  /** @returns the process, once, if it runs this program in this workspace and has not ended; from then on `end` does nothing */
  take(workspace: Workspace, program: GuestProgram): GuestChild | undefined
  /** Ends what nobody has taken. */
  end(): void
}

/**
 * Begins a guest for a user whose workspace exists and seems to have no guest.
 * @returns null where none can be begun; whoever starts one learns why
 */
export function beginGuest(env: HostEnv, name: string, program: GuestProgram = ownGuestProgram()): BegunGuest | null {
  try {
    const user = parseUser(name)
    // A daemon starts guests itself.
    if (systemUserOf(env, homeRoot(env)) !== null || existsSync(join(homeRoot(env), 'control', 'admin.sock'))) return null
    if (!hasWorkspace({ root: homeRoot(env) }, user)) return null
    const home = openHome(env)
    const workspace = openWorkspace(home, user)
    const noted = readGatewayFiles(workspace)
    if ((noted !== null && isAlive(noted.pid)) || !existsSync(program.entry)) return null
    return held(startProcess(placeOf(workspace), ownLaunch(program, 'serve', home.compileCache, env)), workspace.root, program.entry)
  } catch {
    return null
  }
}

/**
 * Begins a guest of nobody: it has loaded all that serves any user, and becomes the guest of the first whose envelope it gets. Until then it
 * knows no user, no configuration and no secret. Not where the daemon keeps users apart by accounts of the system.
 * @param rehearsal configuration with which it serves one message of its own: without a service of models, and without a store
 * @returns null where none can be begun
 */
export function beginSpare(home: Home, env: HostEnv, rehearsal: Config, program: GuestProgram = ownGuestProgram()): BegunGuest | null {
  if (home.system !== null || !existsSync(program.entry)) return null
  try {
    const { file, args, env: kept } = ownLaunch(program, 'serve', home.compileCache, env)
    const place = { root: home.root, stderr: join(home.runner, `spare.${stderrFile}`) }
    const child = startProcess(place, { file, args: [...args, spareArgument], env: kept })
    const begun = held(child, null, program.entry)
    child.stdin.write(`${JSON.stringify(rehearsal)}\n`)
    return begun
  } catch {
    return null
  }
}

/** Tells a guest program that nobody waits for it yet. */
const spareArgument = 'spare'

/** @param root the workspace that it was begun for; null: any */
function held(child: GuestChild, root: string | null, entry: string): BegunGuest {
  let begun: GuestChild | null = child
  for (const part of [child, child.stdin]) part.on('error', () => {})
  const end = (): void => {
    begun?.stdin.end()
    begun = null
  }
  return {
    end,
    take(workspace, program) {
      const isRunning = begun?.pid !== undefined && begun.exitCode === null && begun.signalCode === null
      const taken = isRunning && (root === null || workspace.root === root) && program.entry === entry ? child : undefined
      if (taken === undefined) end()
      begun = null
      return taken
    },
  }
}

function openStderr(path: string): number {
  try {
    if (statSync(path).size > maxGuestLogBytes) renameSync(path, `${path}.1`)
  } catch {
    // Nothing was written yet.
  }
  return hostFiles(() => openSync(path, 'a', 0o600))
}
