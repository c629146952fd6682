/**
 * A machine for each program of others: a server, the host of a plugin, a script of a skill. Its disk has a copy of what the program sees and
 * nothing else; the program's streams come over a port. Folders of the workspace and the program's own data are kept in step with the host,
 * as in the machine of the agent: what the program has changed is on the host every two seconds, and when it has ended. Of what it
 * sees read-only nothing is ever taken, whatever it does to its copy.
 *
 * If Oxbow is killed, what a program wrote in its last two seconds is lost; the machine dies with it.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Duplex, PassThrough, type Readable, type Writable } from 'node:stream'
import { carryStreams, streamWindow, toFailure } from '../../base/index.ts'
import type { HandsOps, OwnProgram, ServerProcess, ServerProgram } from '../../protocol/index.ts'
import type { BubblewrapPlan } from '../bubblewrap/bubblewrap-plan.ts'
import { findHandsEntry, loadHandsProgram } from '../bubblewrap/hands-program.ts'
import { noNetwork, serverCommand, serverFolders, serverSearchPath } from '../bubblewrap/server-start.ts'
import { keepFile, ownName, removeOrphans } from '../kept-files.ts'
import { carriedTalkMs, maxProgramMs } from '../limits.ts'
import type { FolderMount, TierOptions } from '../tier-plan.ts'
import { giveFolders } from '../workspace-entrance.ts'
import { insideCopies, mountsFile, mountsFolder } from './guest-init.ts'
import { hostFolders } from './host-folders.ts'
import { keepInStep } from './keep-in-step.ts'
import { makeDisk, sandboxUser } from './launched-program.ts'
import { agreedTree, openSides, type Sides, together } from './machine-workspace.ts'
import type { Machine } from './machine.ts'
import { readTree } from './merge-tree.ts'

interface ProgramMachineOptions extends Pick<TierOptions, 'folders' | 'limits' | 'egressSocket' | 'cacheFolder' | 'logger'> {
  readonly launcher: BubblewrapPlan
  readonly mke2fs: string
  readonly diskMb: number
}

/** What a program sees, with a number on its disk. */
interface Seen extends FolderMount {
  /** Whether it is brought in step with the host. */
  readonly inStep: boolean
}

const insideOwnPrograms = `${insideCopies}/own`

/** @param start starts a machine with the disk in a folder @returns `TierPlan.serve` */
export function openProgramMachines(
  options: ProgramMachineOptions,
  start: (diskFolder: string) => Promise<Machine>,
): (server: ServerProgram) => Promise<ServerProcess> {
  const { cacheFolder, egressSocket } = options
  const state = join(cacheFolder, 'micro-vm')
  return async (server) => {
    if (server.pass !== null && egressSocket === undefined) throw noNetwork()
    const seen = await seenBy(server, options, state)
    await mkdir(state, { recursive: true, mode: 0o700 })
    await removeOrphans(state)
    const place = await mkdtemp(`${ownName(join(state, 'program'))}-`)
    const remove = (): Promise<void> => rm(place, { recursive: true, force: true })
    let machine: Machine | undefined
    try {
      const sides = await sidesOf(seen, place, options)
      machine = await start(await makeProgramDisk(seen, place, options))
      if (server.pass !== null) machine.egress!.open(await egressSocket!('online'))
      return runIn(machine, server, { ...options, sides, remove })
    } catch (error) {
      await machine?.kill()
      await remove()
      throw error
    }
  }
}

/** @throws OxbowError `bad_config` */
async function seenBy(server: ServerProgram, options: ProgramMachineOptions, state: string): Promise<readonly Seen[]> {
  const { folders } = options
  const { shared, own, mounted } = await serverFolders(server, options)
  const all = shared === undefined ? [] : [{ host: folders.shared, inside: '/shared', writable: shared.writable }]
  const works = [...all, ...mounted(folders.mounts ?? [])].map((mount) => ({ ...mount, inStep: true }))
  const program = server.own === undefined ? [] : [await ownFolder(server.own, join(state, 'own'))]
  return [...works, ...[...own, ...program].map((mount) => ({ ...mount, inStep: mount.writable }))]
}

async function ownFolder(name: OwnProgram, kept: string): Promise<FolderMount> {
  const folder = join(kept, name)
  keepFile(join(folder, `${name}.cjs`), await loadHandsProgram(findHandsEntry(name)))
  return { host: folder, inside: insideOwnPrograms, writable: false }
}

/** @returns folder of the disk */
async function makeProgramDisk(seen: readonly Seen[], place: string, { launcher, mke2fs, diskMb }: ProgramMachineOptions): Promise<string> {
  const [diskFolder, list] = [join(place, 'disk'), join(place, mountsFolder)]
  await mkdir(list, { mode: 0o755 })
  const lines = seen.map(({ inside, writable }, i) => `${i} ${writable ? 'rw' : 'ro'} ${inside}\n`)
  await writeFile(join(list, mountsFile), lines.join(''), { mode: 0o644 })
  const copies = seen.map(({ host, inside }, i) => ({ host, name: String(i), shownAs: inside }))
  await makeDisk({ launcher, mke2fs, diskMb, diskFolder, folders: [...copies, { host: list, name: mountsFolder }] })
  return diskFolder
}

/** Looks at the folders as they are before their copies are made. */
async function sidesOf(seen: readonly Seen[], place: string, options: ProgramMachineOptions): Promise<readonly Sides[]> {
  const uid = process.getuid?.() === 0 ? sandboxUser() : null
  const sides: Sides[] = []
  for (const [i, { host, inside, writable, inStep }] of seen.entries()) {
    if (!inStep) continue
    const isOurs = inside === '/shared' || !inside.startsWith('/shared/')
    if (uid !== null && isOurs) await giveFolders([host], uid)
    const folders = hostFolders(host, [], `${insideCopies}/${i}`)
    const known = inside === '/shared' ? await agreedTree(options) : new Map()
    const agreement = { tree: await readTree(folders, known), mounts: [], stamps: null }
    const side = openSides(
      { ...options, state: place, agreed: join(place, `agreed-${i}.json`), uid, isTaken: writable },
      folders,
      agreement,
    )
    sides.push(side)
  }
  return sides
}

interface Running extends Pick<ProgramMachineOptions, 'limits' | 'logger'> {
  readonly sides: readonly Sides[]
  /** Removes what the machine leaves on the host. */
  remove(): Promise<void>
}

function runIn(started: Machine, server: ServerProgram, { limits, logger, sides, remove }: Running): ServerProcess {
  const machine = sides.length === 0 ? started : keepInStep(started, { logger, ...together(sides), ended: () => Promise.resolve() })
  const [main, errors] = [carriedEnd(), carriedEnd()]
  const carrier = carryStreams(started.streams!, {
    maxStreams: 2,
    onBroken(problem) {
      logger(`The micro VM of a program was ended: ${problem} on the port of its streams.`)
      void started.kill()
    },
  })
  for (const { near } of [main, errors]) carrier.open(near)
  const stop = new AbortController()
  let exitCode: number | null = null
  const run = async (): Promise<void> => {
    try {
      const answer = await machine.hands.ask('exec', requestOf(server, limits.max_file_mb), {
        signal: stop.signal,
        timeoutMs: maxProgramMs,
      })
      exitCode = answer.exitCode
      // Both come over ports of their own, in any order.
      await within(carriedTalkMs, Promise.all([main.ended, errors.ended]))
    } catch (error) {
      if (!stop.signal.aborted) errors.end(`${toFailure(error, 'sandbox_failed', '').message}\n`)
    }
    await machine.kill()
    for (const each of [main, errors]) each.end()
    await remove()
  }
  const exited = run().catch((error: unknown) => logger(toFailure(error, 'sandbox_failed', '').message))
  const kill = async (): Promise<void> => {
    stop.abort()
    await exited
  }
  return { input: main.input, output: main.output.pause(), errors: errors.output, exited, isSlow: true, exitCode: () => exitCode, kill }
}

function requestOf(server: ServerProgram, limitMb: number): HandsOps['exec']['input'] {
  const { own, pass, env, cwd = '/tmp', maxFileMb = limitMb } = server
  const command = serverCommand({ ...server, pass: null }, own === undefined ? undefined : `${insideOwnPrograms}/${own}.cjs`)
  // The shell of busybox counts files in blocks of 512 bytes.
  const argv = maxFileMb >= limitMb ? command : ['/bin/sh', '-c', `ulimit -f ${maxFileMb * 2048}; exec "$@"`, 'sh', ...command]
  // Programs of Node use the proxy only when they are told to.
  const all = { PATH: serverSearchPath, HOME: '/tmp', ...env, ...(pass !== null && { NODE_USE_ENV_PROXY: '1' }) }
  const streams = { stdin: '', maxOutputBytes: 2, carried: true as const }
  return { command: '', program: { argv: [...argv], env: all }, cwd, timeoutMs: maxProgramMs, ...streams, ...(pass !== null && { pass }) }
}

interface CarriedEnd {
  /** For the carrier. */
  readonly near: Duplex
  readonly input: Writable
  readonly output: Readable
  /** Resolves when no more output will come. */
  readonly ended: Promise<void>
  /** Ends the output, with a last text. What has come stays readable. */
  end(text?: string): void
}

/** A stream of a program at the host. The output has room for all that its sender may send unread, so that none is lost when the machine ends. */
function carriedEnd(): CarriedEnd {
  const output = new PassThrough({ highWaterMark: 2 * streamWindow })
  const input = new PassThrough()
  const end = (text?: string): void => {
    if (!output.writableEnded) output.end(text)
  }
  const near = new Duplex({
    read: () => void input.resume(),
    write: (chunk, _, done) => void output.write(chunk, done),
    final(done) {
      end()
      done()
    },
    // What has come stays readable.
    destroy(error, done) {
      end()
      done(error)
    },
  })
  input.on('data', (chunk) => near.push(chunk) || input.pause()).on('end', () => near.push(null))
  for (const stream of [input, output, near]) stream.on('error', () => undefined)
  return { near, input, output, ended: new Promise((resolve) => output.once('finish', resolve)), end }
}

async function within(ms: number, settled: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  await Promise.race([settled, new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))])
  clearTimeout(timer)
}
