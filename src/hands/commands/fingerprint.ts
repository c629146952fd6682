/**
 * Whether anything in the workspace has changed between a question and the command that was allowed: every file that commands can see,
 * ignored ones, repositories and packages too, since any of them can be what the command runs. A file is known by its stamp: inode, size,
 * mode, and times, of which no command can set the time of change.
 *
 * What changes while the command runs is not seen: other programs of the workspace run on.
 */
import { lstatSync, readdirSync, type Stats } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { FilesState, HandsOps } from '../../types/index.ts'
import { failed, throwIfCancelled } from '../failure.ts'
import type { Root } from '../files/workspace-path.ts'
import { freshMs, keptFingerprints, maxFingerprintEntries, maxNamedChanges, surveyAtOnce } from '../limits.ts'

type Input = HandsOps['fingerprint']['input']
type Output = HandsOps['fingerprint']['output']

export interface Fingerprints {
  take(input: Input, signal: AbortSignal): Promise<Output>
  /**
   * Compares at once, without a pause in which another request could change something.
   * @param state of `take`, of these hands or of earlier ones
   * @throws the failure `tool_failed` when something has changed
   */
  assertUnchanged(state: FilesState | undefined): void
}

/** Stamps by virtual path. */
type Stamps = ReadonlyMap<string, string>

/** @param running programs that commands have left running */
export function openFingerprints(roots: readonly Root[], running: () => number): Fingerprints {
  const held = new Map<string, Stamps>()
  return {
    async take({ since, except }, signal) {
      const stamps = await lookAtAll(roots, signal)
      if (stamps === null) return { digest: '', files: 0, changed: [], running: running() }
      const left = new Set(except)
      const digest = digestOf(stamps, left)
      const before = held.get(since)
      held.delete(digest)
      held.set(digest, stamps)
      for (const old of [...held.keys()].slice(0, -keptFingerprints)) held.delete(old)
      return { digest, files: stamps.size, changed: before === undefined ? [] : changesIn(before, stamps, left), running: running() }
    },
    assertUnchanged(state) {
      if (state === undefined) return
      const walk = startWalk(roots)
      while (walk.next(surveyAtOnce));
      const except = new Set(state.except)
      // Hands that did not take it cannot name what has changed.
      const before = held.get(state.digest)
      const changed = before === undefined ? [] : changesIn(before, walk.stamps, except)
      if (before === undefined ? digestOf(walk.stamps, except) === state.digest : changed.length === 0) return
      throw failed(
        'tool_failed',
        `${changed.length === 0 ? 'A file' : changed.join(', ')} changed after this was allowed. Nothing was run.`,
        'Repeat the call; the person is asked again.',
      )
    },
  }
}

/** @returns a text that differs once a file below the folder has changed; for too many files, always the same one */
export async function folderStamp(folder: Root, signal: AbortSignal): Promise<string> {
  const stamps = await lookAtAll([folder], signal)
  return stamps === null ? 'folder' : digestOf(stamps, new Set())
}

/** @returns null for a workspace with too many files */
async function lookAtAll(roots: readonly Root[], signal: AbortSignal): Promise<Stamps | null> {
  const walk = startWalk(roots)
  while (walk.next(surveyAtOnce)) {
    if (walk.stamps.size > maxFingerprintEntries) return null
    await delay(0)
    throwIfCancelled(signal)
  }
  // File systems count time in steps: a second change within one would not show. What is still changing then differs from everything.
  if (walk.fresh.length > 0) await delay(freshMs)
  for (const { real, virtual } of walk.fresh) {
    const stats = lookAt(real)
    walk.stamps.set(virtual, stats === null ? '' : isFresh(stats) ? `changing ${process.hrtime.bigint()}` : stampOf(stats))
  }
  return walk.stamps
}

interface Place {
  readonly real: string
  readonly virtual: string
}

interface FilesWalk {
  readonly stamps: Map<string, string>
  /** Files that changed a moment ago. */
  readonly fresh: readonly Place[]
  /** Looks at some more. @returns whether any are left */
  next(entries: number): boolean
}

function startWalk(roots: readonly Root[]): FilesWalk {
  const stamps = new Map<string, string>()
  const fresh: Place[] = []
  const folders: Place[] = roots.map(({ real, virtual }) => ({ real, virtual }))
  return {
    stamps,
    fresh,
    next(entries) {
      const until = stamps.size + entries
      for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
        stamps.set(`${folder.virtual}/`, 'folder')
        for (const entry of entriesIn(folder.real)) {
          const place = { real: `${folder.real}/${entry.name}`, virtual: `${folder.virtual}/${entry.name}` }
          if (entry.isDirectory()) {
            folders.push(place)
            continue
          }
          const stats = lookAt(place.real)
          if (stats === null) continue
          stamps.set(place.virtual, stampOf(stats))
          if (isFresh(stats)) fresh.push(place)
        }
        if (stamps.size >= until) return folders.length > 0
      }
      return false
    },
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

export function stampOf({ ino, size, mode, mtimeMs, ctimeMs }: Stats): string {
  return `${ino} ${size} ${mode} ${mtimeMs} ${ctimeMs}`
}

function isFresh({ ctimeMs }: Stats): boolean {
  return Math.abs(Date.now() - ctimeMs) < freshMs
}

function digestOf(stamps: Stamps, except: ReadonlySet<string>): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  for (const path of [...stamps.keys()].sort()) if (!except.has(path)) hash.update(`${path}\0${stamps.get(path)}\0`)
  return hash.digest('hex').slice(0, 32)
}

/** @returns paths, as many as are named */
function changesIn(before: Stamps, now: Stamps, except: ReadonlySet<string>): string[] {
  const changed: string[] = []
  const note = (path: string): boolean => !except.has(path) && changed.push(path) >= maxNamedChanges
  for (const [path, stamp] of now) if (before.get(path) !== stamp && note(path)) return changed
  for (const path of before.keys()) if (!now.has(path) && note(path)) return changed
  return changed
}
