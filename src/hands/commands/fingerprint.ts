/**
 * Whether anything in the workspace has changed between a question and the command that was allowed: every file that commands can see,
 * ignored ones, repositories and packages too, since any of them can be what the command runs.
 *
 * What changes while the command runs is not seen: other programs of the workspace run on.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { FilesState, HandsOps } from '../../protocol/index.ts'
import { failed, throwIfCancelled } from '../failure.ts'
import type { Root } from '../files/workspace-path.ts'
import { keptFingerprints, maxFingerprintBytes, maxNamedChanges, maxTargetBytes, recentMs } from '../limits.ts'
import { atOnce, type Stamps, surveyFiles } from './file-stamps.ts'

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

/** @param running programs that commands have left running */
export function openFingerprints(roots: readonly Root[], running: () => number): Fingerprints {
  const held = new Map<string, Stamps>()
  const start = (digest: string, except: ReadonlySet<string>) => {
    const recentSince = recentSinceOf(digest) ?? Date.now() - recentMs
    return { recentSince, work: surveyFiles(roots, { recentSince, except, maxBytes: maxFingerprintBytes }) }
  }
  return {
    async take({ since, except }, signal) {
      const left = new Set(except)
      const { recentSince, work } = start(since, left)
      const survey = await inPieces(work, signal)
      if (survey === null) return { digest: '', files: 0, unread: 0, changed: [], running: running() }
      const { stamps, unread } = survey
      const digest = digestOf(stamps, left, recentSince)
      const before = held.get(since)
      held.delete(digest)
      held.set(digest, stamps)
      for (const old of [...held.keys()].slice(0, -keptFingerprints)) held.delete(old)
      const changed = before === undefined ? [] : changesIn(before, stamps, left)
      return { digest, files: stamps.size, unread, changed, running: running() }
    },
    assertUnchanged(state) {
      if (state === undefined) return
      const except = new Set(state.except)
      const { recentSince, work } = start(state.digest, except)
      const survey = atOnce(work)
      if (survey !== null && digestOf(survey.stamps, except, recentSince) === state.digest) return
      // Hands that did not take it cannot name what has changed.
      const before = held.get(state.digest)
      const changed = survey === null || before === undefined ? [] : changesIn(before, survey.stamps, except)
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
  const except = new Set<string>()
  const survey = await inPieces(surveyFiles([folder], { recentSince: 0, except, maxBytes: maxTargetBytes }), signal)
  return survey === null ? 'folder' : digestOf(survey.stamps, except, 0)
}

/** Lets other requests run in between. @throws the failure `cancelled` */
async function inPieces<Result>(work: Generator<void, Result>, signal: AbortSignal): Promise<Result> {
  for (;;) {
    const step = work.next()
    if (step.done === true) return step.value
    await delay(0)
    throwIfCancelled(signal)
  }
}

/** It ends with the time since which contents count: later states are comparable only where they take the same. */
function digestOf(stamps: Stamps, except: ReadonlySet<string>, recentSince: number): string {
  const hash = process.getBuiltinModule('node:crypto').createHash('sha256')
  for (const path of [...stamps.keys()].sort()) if (!except.has(path)) hash.update(`${path}\0${stamps.get(path)}\0`)
  return `${hash.digest('hex').slice(0, 32)}-${recentSince.toString(36)}`
}

/** @returns null where the text is no digest */
function recentSinceOf(digest: string): number | null {
  const [, since] = /^[0-9a-f]{32}-([0-9a-z]{1,12})$/.exec(digest) ?? []
  return since === undefined ? null : Number.parseInt(since, 36)
}

/** @returns paths, as many as are named */
function changesIn(before: Stamps, now: Stamps, except: ReadonlySet<string>): string[] {
  const changed: string[] = []
  const note = (path: string): boolean => !except.has(path) && changed.push(path) >= maxNamedChanges
  for (const [path, stamp] of now) if (before.get(path) !== stamp && note(path)) return changed
  for (const path of before.keys()) if (!now.has(path) && note(path)) return changed
  return changed
}
