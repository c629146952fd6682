/**
 * How changed files below a folder are recognized: by their stamp (inode, size, mode, and times, including the time of change, which no
 * command can set), and where a stamp can miss a change, also by their content.
 *
 * A program that has mapped a file into its memory changes it without a new time until the file system has written the page back, which
 * takes half a minute; where files are in memory only (tmpfs), and over protocols such as gVisor's, there is never a new time. So the
 * content counts of each file that has changed not long ago, and of all files outside of file systems that are known to keep the time.
 */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readlinkSync, readSync, type Stats, statfsSync } from 'node:fs'
import type { Place, Root } from '../files/workspace-path.ts'
import { maxFingerprintEntries, maxHashedBytes, readAtOnceBytes, readBlockBytes, surveyAtOnce } from '../limits.ts'

/** Stamps by virtual path. */
export type Stamps = ReadonlyMap<string, string>

export interface Survey {
  readonly stamps: Stamps
  /** Files whose content should count, but would be too much to read. */
  readonly unread: number
}

interface SurveyOptions {
  /** Milliseconds of the epoch: the content counts of files that have changed since; 0: of all files. */
  readonly recentSince: number
  /** Files that are left out. */
  readonly except: ReadonlySet<string>
  /** How much is read, the smallest files first: what a command runs is small. */
  readonly maxBytes: number
}

interface DoubtfulFile extends Place {
  readonly stats: Stats
}

/** Yields between pieces of work of some milliseconds. @returns null for too many files */
export function* surveyFiles(roots: readonly Root[], { recentSince, except, maxBytes }: SurveyOptions): Generator<void, Survey | null> {
  const stamps = new Map<string, string>()
  const doubtful: DoubtfulFile[] = []
  const keepsTime = timeKeepers()
  const folders: Place[] = [...roots]
  let pauseAt = surveyAtOnce
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    stamps.set(`${folder.virtual}/`, 'folder')
    for (const entry of entriesIn(folder.real)) {
      const place = { real: `${folder.real}/${entry.name}`, virtual: `${folder.virtual}/${entry.name}` }
      if (entry.isDirectory()) folders.push(place)
      if (entry.isDirectory() || except.has(place.virtual)) continue
      const stats = lookAt(place.real)
      if (stats === null) continue
      stamps.set(place.virtual, stampOf(stats) + linkIn(place.real, stats))
      if (stats.isFile() && (stats.ctimeMs >= recentSince || !keepsTime(place.real, stats))) doubtful.push({ ...place, stats })
    }
    if (stamps.size > maxFingerprintEntries) return null
    if (stamps.size < pauseAt) continue
    pauseAt = stamps.size + surveyAtOnce
    yield
  }
  return { stamps, unread: yield* addContents(stamps, doubtful, maxBytes) }
}

/** @returns how many were too much to read */
function* addContents(stamps: Map<string, string>, files: DoubtfulFile[], maxBytes: number): Generator<void, number> {
  files.sort((a, b) => a.stats.size - b.stats.size || (a.virtual < b.virtual ? -1 : 1))
  const block = Buffer.allocUnsafe(readBlockBytes)
  let bytes = 0
  let sincePause = 0
  for (const [at, { virtual, real, stats }] of files.entries()) {
    bytes += stats.size
    if (bytes > maxBytes) return files.length - at
    // Opening one takes as long as reading this much.
    sincePause += readBlockBytes / 16
    const reading = readContent(real, stats.size, block)
    let step = reading.next()
    for (; step.done !== true; step = reading.next()) {
      sincePause += step.value
      if (sincePause < readAtOnceBytes) continue
      sincePause = 0
      yield
    }
    stamps.set(virtual, `${stamps.get(virtual)} ${step.value}`)
  }
  return 0
}

/** Yields the bytes of each block. @returns a digest of the content; of a file that cannot be read, no command can run the content */
function* readContent(path: string, size: number, block: Buffer): Generator<number, string> {
  const file = openRead(path)
  if (file === null) return 'unreadable'
  const { createHash, hash } = process.getBuiltinModule('node:crypto')
  try {
    const first = readSync(file, block, 0, Math.min(size, block.length), null)
    yield first
    if (first === size) return hash('sha256', block.subarray(0, first)).slice(0, 32)
    const whole = createHash('sha256').update(block.subarray(0, first))
    for (let left = size - first; left > 0;) {
      const read = readSync(file, block, 0, Math.min(left, block.length), null)
      if (read === 0) break
      whole.update(block.subarray(0, read))
      left -= read
      yield read
    }
    return whole.digest('hex').slice(0, 32)
  } catch {
    return 'unreadable'
  } finally {
    closeSync(file)
  }
}

export function stampOf({ ino, size, mode, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`
}

/** Of one file, also by its content where that is not too much to read at once. */
export function stampWithContent(path: string, stats: Stats): string {
  const content =
    stats.isFile() && stats.size <= maxHashedBytes ? atOnce(readContent(path, stats.size, Buffer.allocUnsafe(readBlockBytes))) : ''
  return `${stampOf(stats)} ${content}`
}

/** Does work that pauses without a pause. */
export function atOnce<Result>(work: Generator<unknown, Result>): Result {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
  }
}

/** Another link under the same name may have the same inode, and be made in the same step of the clock. */
function linkIn(path: string, stats: Stats): string {
  if (!stats.isSymbolicLink()) return ''
  try {
    return ` ${readlinkSync(path)}`
  } catch {
    return ' gone'
  }
}

/** By the number that `statfs` has for them: ext4, XFS, Btrfs, F2FS. */
const timeKeepingTypes: readonly number[] = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010]

/** @returns whether a file is on a file system on which a mapped file gets a new time, at the latest once its pages were written back */
function timeKeepers(): (path: string, stats: Stats) => boolean {
  const byDevice = new Map<number, boolean>()
  return (path, { dev }) => {
    const known = byDevice.get(dev)
    if (known !== undefined) return known
    const file = openRead(path)
    if (file === null) return false
    try {
      // Another file may have come to its place.
      if (fstatSync(file).dev !== dev) return false
      const keeps = timeKeepingTypes.includes(statfsSync(`/proc/self/fd/${file}`).type)
      byDevice.set(dev, keeps)
      return keeps
    } catch {
      return false
    } finally {
      closeSync(file)
    }
  }
}

/** Neither follows a link nor waits for a pipe. */
function openRead(path: string): number | null {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch {
    return null
  }
}

function entriesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch {
    return []
  }
}

function lookAt(path: string): Stats | null {
  try {
    return lstatSync(path)
  } catch {
    return null
  }
}
