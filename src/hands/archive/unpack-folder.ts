/** Unpacks an archive into a folder, in chunks: to a staging folder next to it first, and merged into it once the whole archive is valid. */
import { chmodSync, mkdirSync } from 'node:fs'
import { lstat, mkdir, readdir, readFile, rename, rm, utimes } from 'node:fs/promises'
import { posix } from 'node:path'
import { setImmediate as breath } from 'node:timers/promises'
import { createTarReader, type TarReader } from '../../tar/index.ts'
import type { ArchiveOps, HandsOps, HandlersOf } from '../../protocol/index.ts'
import { failed, fromSystemError, isFailureError, throwIfCancelled } from '../failure.ts'
import { createPathLocks, type PathLocks } from '../files/path-locks.ts'
import { type ExpectedHash, replaceExpected } from '../files/expected-file.ts'
import { lookAt } from '../files/file-state.ts'
import { type Place, refuseGuarded, type Root, toPlace, toRealPlace } from '../files/workspace-path.ts'
import { makeFolderFor, renameToFree, syncFolder, temporaryBeside } from '../files/write-file.ts'
import { maxTransfers, mergedAtOnce, stagedAtOnce, transferIdleMs } from '../limits.ts'
import { checkPiece } from '../transfer/put-file.ts'
import { createTransfers, noteUpload, type Transfer } from '../transfer/transfers.ts'
import { createPacker } from './pack-folder.ts'
import { createStage, type Stage } from './stage-entries.ts'

type Input = HandsOps['unpack']['input']

interface Unpacking extends Transfer {
  readonly target: Place
  /** The staging folder. */
  readonly staged: string
  readonly reader: TarReader
  readonly stage: Stage
  /** What each file may replace, by its path below the folder; null: see `overwrite`. */
  readonly replaces: Map<string, ExpectedHash> | null
  bytes: number
}

interface Unpacker {
  unpack(input: Input, signal: AbortSignal): Promise<HandsOps['unpack']['output']>
  /** Drops everything unfinished. Never throws. */
  close(): Promise<void>
}

export function createUnpacker(roots: readonly Root[], locks: PathLocks = createPathLocks(), idleMs: number = transferIdleMs): Unpacker {
  const unpackings = createTransfers<Unpacking>(maxTransfers, idleMs)
  return {
    async unpack(input, signal) {
      checkPiece(input.content)
      throwIfCancelled(signal)
      return unpackings.step(
        { name: input.transfer, offset: input.offset },
        () => begin(roots, input),
        async (unpacking) => {
          try {
            const kept = await takePiece(unpacking, input, locks, signal)
            const { bytes, stage } = unpacking
            return { movedBytes: input.content.length, last: input.last, output: { bytes, ...stage.counts, kept } }
          } catch (error) {
            throw fromSystemError(error, unpacking.target.virtual)
          }
        },
      )
    },
    close: () => unpackings.close(),
  }
}

async function begin(roots: readonly Root[], { path, replaces, ownFiles }: Input): Promise<Unpacking> {
  const target = await makeTarget(roots, path)
  // Hands cannot write next to a root, and what is next to a mount point is in another file system.
  const isApart = roots.some(({ real }) => real === target.real) || (await isMountPoint(target.real))
  const staged = temporaryBeside(isApart ? `${target.real}/x` : target.real)
  const note = await noteUpload(roots, staged)
  try {
    await mkdir(staged, 0o700)
  } catch (error) {
    throw fromSystemError(error, target.virtual)
  }
  const refuse = (below: string): void => refuseGuarded(roots, { virtual: `${target.virtual}/${below}`, real: `${target.real}/${below}` })
  const stage = createStage(staged, ownFiles === true ? () => {} : refuse, replaces !== undefined)
  const close = async (): Promise<void> => {
    stage.close()
    await rm(staged, { recursive: true, force: true })
    await note.remove()
  }
  return { target, staged, reader: createTarReader(noArchive), stage, replaces: replaces === undefined ? null : new Map(), bytes: 0, close }
}

/** @param why as `createTarReader` gives it */
export function noArchive(why: string): Error {
  return failed('bad_input', `This is not a tar archive that can be unpacked: ${why}.`, 'Pack it again, as plain tar without compression.')
}

/** A folder of the same file system that is mounted in another one has the device of its parent, but nothing can be renamed into it. */
async function isMountPoint(folder: string): Promise<boolean> {
  const [own, above] = await Promise.all([lstat(folder), lstat(posix.dirname(folder))])
  if (own.dev !== above.dev) return true
  const table = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '')
  const named = folder.replaceAll(/[ \t\n\\]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`)
  return table.split('\n').some((line) => line.split(' ', 5)[4] === named)
}

/** @returns the folder with every link followed; created if missing. */
async function makeTarget(roots: readonly Root[], path: string): Promise<Place> {
  const place = toPlace(roots, path)
  if (!place.isRoot) {
    try {
      const { real } = await makeFolderFor(roots, { virtual: place.virtual, real: posix.join(place.real, 'x') })
      return { virtual: place.virtual, real: posix.dirname(real) }
    } catch (error) {
      throw fromSystemError(error, place.virtual)
    }
  }
  return toRealPlace(roots, path)
}

type Kept = HandsOps['unpack']['output']['kept']

/** @returns files that were left, after the last piece */
async function takePiece(unpacking: Unpacking, input: Input, locks: PathLocks, signal: AbortSignal): Promise<Kept> {
  const { reader, stage, staged, target, replaces } = unpacking
  for (const { path, hash } of input.replaces ?? []) replaces?.set(path, hash)
  const { content } = input
  let taken = 0
  for (const event of reader.push(Buffer.from(content.buffer, content.byteOffset, content.byteLength))) {
    if ((taken += 1) % stagedAtOnce === 0) await breath()
    stage.take(event)
    throwIfCancelled(signal)
  }
  unpacking.bytes += content.length
  // A recent time shows that the upload is active.
  const now = new Date()
  await utimes(staged, now, now)
  if (!input.last) return []
  reader.finish()
  return locks.run(
    () => Promise.resolve([target.real]),
    signal,
    () => (replaces === null ? mergeFolder(staged, target, input.overwrite) : mergeExpected(staged, target, replaces)),
  )
}

// Merges the staging folder into the target. First everything is checked: any conflict refuses the whole. Then each file is renamed; only a
// concurrent change by another program can leave a partial result.

interface Step {
  /** Path below both folders. */
  readonly path: string
  readonly kind: 'folder' | 'file' | 'link'
  readonly taken: boolean
}

/** @param target a folder that exists. @throws the failure `tool_failed` or `path_refused`; then nothing was moved */
async function mergeFolder(staged: string, target: Place, overwrite: boolean): Promise<[]> {
  const steps = await planSteps(staged, target, overwrite, '')
  for (const { path, kind, taken } of steps) {
    const to = `${target.real}/${path}`
    if (kind === 'folder') {
      if (!taken) await mkdir(to)
    } else if (taken || kind === 'link') await rename(`${staged}/${path}`, to)
    else renameToFree(`${staged}/${path}`, to)
  }
  await syncFolder(target.real)
  return []
}

/**
 * File by file: each replaces only the expected content, and a failed write stops no other. A file is two dozen short calls of the system,
 * as in expected-file.ts.
 * @returns files that were not written
 */
async function mergeExpected(staged: string, target: Place, replaces: ReadonlyMap<string, ExpectedHash>): Promise<Kept> {
  const kept: Kept = []
  let merged = 0
  for (const [path, hash] of replaces) {
    if ((merged += 1) % mergedAtOnce === 0) await breath()
    try {
      const [from, to] = [`${staged}/${path}`, `${target.real}/${path}`]
      const isThere = madeFolder(target.real, posix.dirname(path)) && keepsMode(from, to)
      if (!isThere || !(await replaceExpected(from, to, hash))) kept.push({ path, why: 'changed' })
    } catch (error) {
      kept.push({ path, why: whyNot(fromSystemError(error, path)) })
    }
  }
  await syncFolder(target.real)
  return kept.sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** What replaces a file can be read and written by whom that could: a version knows only whether it is a program. @returns whether there is a file */
function keepsMode(from: string, to: string): boolean {
  const [next, there] = [lookAt(from), lookAt(to)]
  if (next?.isFile() === true && there?.isFile() === true) {
    const shared = there.mode & 0o666
    // Who may read a program may run it.
    const mode = (next.mode & 0o111) === 0 ? shared : shared | ((shared & 0o444) >> 2)
    if (mode !== (next.mode & 0o7777)) chmodSync(from, mode)
  }
  return next !== null
}

function whyNot(error: Error): Kept[number]['why'] {
  const code = isFailureError(error) ? error.failure.code : ''
  return code === 'path_refused' ? 'refused' : code === 'limit_reached' ? 'full' : 'failed'
}

/** Never through a link. @returns false if something else has the name of a folder above */
function madeFolder(top: string, below: string): boolean {
  let folder = top
  for (const name of below === '.' ? [] : below.split('/')) {
    folder = `${folder}/${name}`
    const there = lookAt(folder)
    if (there === null) mkdirSync(folder, { recursive: true })
    else if (!there.isDirectory()) return false
  }
  return true
}

async function planSteps(staged: string, target: Place, overwrite: boolean, below: string): Promise<Step[]> {
  const steps: Step[] = []
  for (const entry of await readdir(`${staged}/${below}`, { withFileTypes: true })) {
    const path = below === '' ? entry.name : `${below}/${entry.name}`
    const kind = entry.isDirectory() ? 'folder' : entry.isSymbolicLink() ? 'link' : 'file'
    const there = await lstat(`${target.real}/${path}`).catch(() => null)
    const shown = `${target.virtual}/${path}`
    if (there !== null && there.isDirectory() !== (kind === 'folder')) {
      throw failed('path_refused', `${shown} is in the way: only one of the two is a folder. Nothing was unpacked.`, 'Unpack elsewhere.')
    }
    if (there !== null && kind !== 'folder' && !overwrite) {
      throw failed('tool_failed', `${shown} already exists. Nothing was unpacked.`, 'Unpack elsewhere, or pass overwrite to replace files.')
    }
    steps.push({ path, kind, taken: there !== null })
    if (kind === 'folder') steps.push(...(await planSteps(staged, target, overwrite, path)))
  }
  return steps
}

/** The archive operations. */
interface Archives {
  readonly ops: HandlersOf<ArchiveOps>
  /** Never throws. */
  close(): Promise<void>
}

export function openArchives(roots: readonly Root[], locks: PathLocks): Archives {
  const packer = createPacker(roots)
  const unpacker = createUnpacker(roots, locks)
  return {
    ops: { archive: (input, signal) => packer.archive(input, signal), unpack: (input, signal) => unpacker.unpack(input, signal) },
    async close() {
      await packer.close()
      await unpacker.close()
    },
  }
}
