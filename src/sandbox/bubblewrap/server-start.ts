/**
 * Starts a server program in a sandbox of its own, on the streams of the launcher. Before the program, a shell prints the table of mounts and
 * waits for a line: nothing of the program runs until the folders that it sees are checked.
 */
import type { ChildProcess } from 'node:child_process'
import { mkdir, realpath } from 'node:fs/promises'
import type { Readable, Writable } from 'node:stream'
import { OxbowError } from '../../base/index.ts'
import type { ServerProcess, ServerProgram } from '../../protocol/index.ts'
import { collectDiagnostics, type HandsCommand, spawnWithStreams } from '../hands/hands-process.ts'
import { endTimeoutMs, maxHostHeapMb, maxMountTableBytes, minDataMb, startTimeoutMs } from '../limits.ts'
import {
  type FolderMount,
  insideEgressSocket,
  insideNode,
  insideOwn,
  insideProgram,
  insideServer,
  insideState,
  nodeFlags,
  type TierOptions,
} from '../tier-plan.ts'
import type { WorkspaceEntrance } from '../workspace-entrance.ts'
import type { LaunchPlan } from './launch-command.ts'

/** What it writes to standard error is the log of a plugin, which a person reads: warnings about the loader do not belong there. */
const ownFlags: readonly string[] = [`--max-old-space-size=${maxHostHeapMb}`, '--disable-warning=ExperimentalWarning']
/** Prints the mounts and an empty line, and becomes the program when it has read a line; `read` takes no byte behind it. */
export const waitingShell: readonly string[] = ['/bin/sh', '-c', 'cat /proc/self/mountinfo; echo; read -r _ && exec "$@"', 'sh']
export const serverSearchPath = '/usr/local/bin:/usr/bin:/bin'

type ServerView = Pick<
  LaunchPlan,
  'entryArgs' | 'dataMb' | 'memoryMb' | 'processes' | 'maxFileMb' | 'egressSocket' | 'program' | 'env' | 'cwd'
>

/** Limits, environment and command line of a server. */
export async function serverView(
  server: ServerProgram,
  { limits, egressSocket }: TierOptions,
  entry?: string,
): Promise<ServerView & { files: [] }> {
  const { env, pass } = server
  if (pass !== null && egressSocket === undefined) throw noNetwork()
  const base = { PATH: serverSearchPath, HOME: '/tmp', ...env }
  return {
    entryArgs: [],
    files: [],
    ...(server.own !== undefined && { dataMb: Math.max(minDataMb, limits.memory_mb) }),
    memoryMb: limits.memory_mb,
    processes: limits.max_processes,
    maxFileMb: Math.min(limits.max_file_mb, server.maxFileMb ?? Infinity),
    cwd: server.cwd ?? '/tmp',
    program: [...waitingShell, ...serverCommand(server, entry)],
    env: pass === null ? base : { ...base, OXBOW_PASS: pass },
    ...(pass !== null && { egressSocket: await egressSocket!('online') }),
  }
}

/**
 * @param entry the file that Node starts for a program of Oxbow's own
 * @returns what the shell becomes: the program, behind a relay to the egress proxy if it has a pass
 */
export function serverCommand({ command, args, pass, own }: ServerProgram, entry?: string): readonly string[] {
  const program =
    own === undefined
      ? [command === 'node' ? insideNode : command, ...args]
      : [insideNode, ...nodeFlags, ...ownFlags, entry ?? insideOwn(own), ...args]
  return pass === null ? program : [insideNode, ...nodeFlags, insideProgram, '--relay', insideEgressSocket, '--run', ...program]
}

export function noNetwork(): OxbowError {
  return new OxbowError('sandbox_missing', 'A server in this sandbox has no way to the network.', {
    hint: 'Remove `allow` from its settings, or use a tier with the egress proxy; oxbow status shows what this one has.',
  })
}

/** A launched server that waits for its line. */
export interface WaitingServer extends ServerProcess {
  readonly mountTable: string
}

/** What a server sees: folders of the workspace and of the person, and its own. */
export interface ServerFolders {
  /** `/shared` itself; undefined: it does not see it. */
  readonly shared: ServerProgram['folders'][number] | undefined
  /** The person's. */
  readonly others: ServerProgram['folders']
  readonly own: readonly FolderMount[]
  /** @returns the mounts that it sees */
  mounted(mounts: readonly FolderMount[]): readonly FolderMount[]
}

/** @throws OxbowError `bad_config` */
export async function serverFolders(server: ServerProgram, { folders }: Pick<TierOptions, 'folders'>): Promise<ServerFolders> {
  const own = [...(await programMount(server)), ...(await stateMount(server))]
  const shared = server.folders.find(({ path }) => path === '/shared')
  const others = server.folders.filter((folder) => folder !== shared)
  const missing = others.find(({ path }) => folders.mounts?.some(({ inside }) => inside === path) !== true)
  if (missing !== undefined) throw noFolder(missing.path)
  return {
    shared,
    others,
    own,
    mounted: (mounts) =>
      others.flatMap(({ path, writable }) =>
        mounts.filter(({ inside }) => inside === path).map((mount) => (writable ? mount : { ...mount, writable: false, guarded: [] })),
      ),
  }
}

/** @param launch starts it over these folders; `leave` must be called when all its processes have ended */
export async function startServer(
  server: ServerProgram,
  { guard, duringMounts, enter, enterState }: Pick<WorkspaceEntrance, 'guard' | 'duringMounts' | 'enter' | 'enterState'>,
  { folders }: Pick<TierOptions, 'folders'>,
  launch: (seen: readonly FolderMount[], leave: () => void) => Promise<WaitingServer>,
): Promise<ServerProcess> {
  const { shared, others, own, mounted } = await serverFolders(server, { folders })
  // Ownership of the files is changed only for servers that see some.
  const leaveWork = server.folders.length === 0 ? () => {} : await enter('work')
  const leaveState = server.state === undefined ? () => {} : await enterState(own.at(-1)!.host)
  const leave = (): void => {
    leaveWork()
    leaveState()
  }
  const start = (sharedMounts: readonly FolderMount[]): Promise<WaitingServer> =>
    others.length === 0
      ? launch([...sharedMounts, ...own], leave)
      : duringMounts((mounts) => launch([...sharedMounts, ...mounted(mounts), ...own], leave))
  try {
    const all = { host: folders.shared, inside: '/shared' }
    const started = await (shared?.writable === true
      ? guard.during((guarded) => start([{ ...all, writable: true, guarded }]))
      : start(shared === undefined ? [] : [{ ...all, writable: false }]))
    started.input.write('\n')
    return started
  } catch (error) {
    leave()
    throw error
  }
}

/** @throws OxbowError `bad_config` */
async function programMount({ programFolder, programAt = insideServer }: ServerProgram): Promise<readonly FolderMount[]> {
  if (programFolder === '') return []
  const host = await realpath(programFolder).catch((cause: unknown) => {
    throw new OxbowError('bad_config', `The program folder ${programFolder} cannot be read.`, {
      hint: 'Put it back, or install the program there again.',
      cause,
    })
  })
  return [{ host, inside: programAt, writable: false }]
}

/** @throws OxbowError `bad_config` */
async function stateMount({ state }: ServerProgram): Promise<readonly FolderMount[]> {
  if (state === undefined) return []
  const host = await mkdir(state, { recursive: true, mode: 0o700 })
    .then(() => realpath(state))
    .catch((cause: unknown) => {
      throw new OxbowError('bad_config', `The folder ${state} cannot be made.`, { hint: 'Check that the disk has space.', cause })
    })
  return [{ host, inside: insideState, writable: true }]
}

function noFolder(path: string): OxbowError {
  return new OxbowError(
    'bad_config',
    `${path} cannot be shown to a server or plugin: it is neither /shared nor a folder that you added to it.`,
    {
      hint: 'Add the folder with `oxbow folder add`, or name /shared.',
    },
  )
}

/** @throws as `waitingServer` */
export async function spawnServer(command: HandsCommand, afterExit: () => Promise<void>): Promise<WaitingServer> {
  const child = spawnWithStreams(command.file, command.args, {
    cwd: command.cwd,
    env: {},
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', ...command.data.map(() => 'pipe' as const)],
  })
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  const gone = exited.then(afterExit)
  for (const [i, data] of command.data.entries()) {
    const pipe = child.stdio[3 + i] as Writable
    // A launcher that fails early closes its pipes; its message says why.
    pipe.on('error', () => undefined)
    pipe.end(data)
  }
  return waitingServer(child, exited, gone)
}

/**
 * @param gone resolves when all its processes have ended
 * @returns the server that waits for its line @throws OxbowError `sandbox_failed` with what the launcher wrote
 */
export async function waitingServer(child: ChildProcess, exited: Promise<void>, gone: Promise<void>): Promise<WaitingServer> {
  const server = streamsOf(child)
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    let timer: NodeJS.Timeout | undefined
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, endTimeoutMs)))
    await Promise.race([gone, limit])
    clearTimeout(timer)
  }
  const diagnostics = collectDiagnostics(server.errors)
  try {
    return { ...server, exited, exitCode: () => child.exitCode, kill, mountTable: await readTable(server.output, exited) }
  } catch (cause) {
    await kill()
    throw new OxbowError('sandbox_failed', `The sandbox of the server did not start: ${diagnostics() || 'no message'}`, {
      hint: 'Check that its program exists; docs/security-model.md has what a sandbox needs.',
      cause,
    })
  }
}

function streamsOf({ stdin, stdout, stderr }: ChildProcess): Pick<ServerProcess, 'input' | 'output' | 'errors'> {
  // A server that has ended does not read.
  stdin!.on('error', () => undefined)
  return { input: stdin!, output: stdout!, errors: stderr! }
}

/** Reads up to the empty line, and no byte of the program, which has not begun. */
async function readTable(output: Readable, exited: Promise<void>): Promise<string> {
  const read = Promise.withResolvers<string>()
  let text = ''
  const take = (bytes: Buffer): void => {
    text += bytes.toString()
    if (text.endsWith('\n\n')) read.resolve(text)
    else if (text.length > maxMountTableBytes) read.reject(new Error('the table of mounts is too long'))
  }
  output.on('data', take)
  const timer = setTimeout(() => read.reject(new Error('it did not start in time')), startTimeoutMs)
  void exited.then(() => read.reject(new Error('it ended')))
  try {
    return await read.promise
  } finally {
    clearTimeout(timer)
    output.off('data', take)
    output.pause()
  }
}
