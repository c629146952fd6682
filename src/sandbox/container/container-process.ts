/**
 * One container from start to end. The engine's client carries frames to and from hands inside; the container itself is a child
 * of the engine's keeper, so that a client that is killed leaves it running. Therefore it is removed by name, by the kernel; and
 * when the kernel is killed, by a shell that waits for nothing else and sees the end of a pipe.
 */
import type { ChildProcess } from 'node:child_process'
import type { Writable } from 'node:stream'
import { attachHands, collectDiagnostics, spawnWithStreams } from '../hands/hands-process.ts'
import type { HandsProcess } from '../hands/hands-process.ts'
import { runOnHost } from '../image/host-command.ts'
import { containerTalkMs } from '../limits.ts'
import { removeArguments } from './container-command.ts'
import type { ContainerEngine } from './container-engine.ts'
import { endRemains, takeId } from './container-remains.ts'

export interface ContainerStart {
  readonly engine: ContainerEngine
  readonly name: string
  /** Where the engine writes the container's id; removed at the end. */
  readonly idFile: string
  /** Arguments of the engine that start it. */
  readonly args: readonly string[]
  /** What a person must know later: a container that could not be removed. */
  readonly logger: (message: string) => void
  /** Called once, when nothing of it lives. */
  readonly onGone: () => void
}

/** The arguments that remove the container stand before a `--`, those that start it behind. */
const script = `
engine=$1; shift; count=$1; shift
removal=
while [ "$count" -gt 0 ]; do removal="$removal $1"; shift; count=$((count - 1)); done
(read -r done <&3 || exec "$engine" $removal) </dev/null >/dev/null 2>&1 &
exec 3<&-
exec "$engine" "$@"`

/** @throws OxbowError `sandbox_failed` when hands do not greet, and its message holds what the engine said; `limit_reached` */
export async function startContainer(start: ContainerStart): Promise<HandsProcess> {
  const child = spawnClient(start)
  const watched = child.stdio[3] as Writable
  watched.on('error', () => undefined)
  const diagnostics = collectDiagnostics(child.stderr!)
  const exited = ended(child)
  const gone = exited.then(async () => {
    const removed = await remove(start)
    // The watching shell is told that its work is done; else it does it.
    if (removed) watched.end('done\n')
    else watched.destroy()
    start.onGone()
  })
  return attachHands({ input: child.stdin!, output: child.stdout!, diagnostics, exited, gone, kill: () => void child.kill('SIGKILL') })
}

function spawnClient({ engine, name, args }: ContainerStart): ChildProcess {
  const removal = removeArguments(engine.name, name)
  return spawnWithStreams('/bin/sh', ['-c', script, 'sh', engine.file, String(removal.length), ...removal, ...args], {
    cwd: '/',
    env: engine.env,
    // Its own session: Ctrl+C in the terminal cancels the turn and must not reach the sandbox by itself.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
  })
}

/** Not `close`: that waits for the watching shell's pipe too. What the client said last is given a moment to arrive. */
async function ended(child: ChildProcess): Promise<void> {
  const said = new Promise<void>((resolve) => child.stderr!.once('close', () => resolve()))
  await new Promise<void>((resolve) => {
    child.once('exit', () => resolve())
    child.once('error', () => resolve())
  })
  let timer: NodeJS.Timeout | undefined
  await Promise.race([said, new Promise<void>((resolve) => (timer = setTimeout(resolve, containerTalkMs)))])
  clearTimeout(timer)
}

/** @returns true when nothing of it lives */
async function remove({ engine, name, idFile, logger }: ContainerStart): Promise<boolean> {
  const id = takeId(idFile)
  const { exitCode, stderr } = await runOnHost(engine.file, removeArguments(engine.name, name), { env: engine.env })
  const removed = exitCode === 0 || /no such container/i.test(stderr)
  if (!removed) logger(`The container ${name} could not be removed: ${stderr}`)
  const empty = id === null || (await endRemains(id))
  if (!empty) logger(`Processes of the container ${name} live on though it was removed.`)
  return removed && empty
}
