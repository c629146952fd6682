/**
 * Folders whose documents are kept in memory (`memory.folders`): taken in once, and again whenever hands say that something changed.
 * What is the same is passed over by its hash, so that a whole folder is asked for each time. A folder that cannot be watched now is
 * tried again after a while.
 */
import type { CallOutcome, Sandbox } from '../../types/index.ts'
import { maxWatchedChanges, maxWatchedFolders, watchGraceMs, watchRestMs, watchWaitMs } from './memory-limits.ts'

export interface FolderWatchDeps {
  readonly folders: readonly string[]
  readonly sandbox: Pick<Sandbox, 'hands'>
  /** Makes the call `memory.ingest`. */
  readonly ingest: (path: string) => Promise<CallOutcome>
  readonly restMs?: number
}

export interface FolderWatch {
  close(): Promise<void>
}

export function watchFolders(deps: FolderWatchDeps): FolderWatch {
  const ending = new AbortController()
  const loops = deps.folders.slice(0, maxWatchedFolders).map((path, i) => watchFolder(deps, path, `memory-${i}`, ending.signal))
  return {
    async close() {
      ending.abort()
      await Promise.all(loops)
    },
  }
}

async function watchFolder(deps: FolderWatchDeps, path: string, watch: string, signal: AbortSignal): Promise<void> {
  const request = { path, watch, recursive: true, waitMs: watchWaitMs, maxChanges: maxWatchedChanges }
  let isCurrent = false
  while (!signal.aborted) {
    try {
      const hands = await deps.sandbox.hands('work')
      // The watch begins before the folder is read: what changes meanwhile is told by the next answer.
      const waitMs = isCurrent ? watchWaitMs : 0
      const { changes, overflow } = await hands.ask('watch', { ...request, waitMs }, { signal, timeoutMs: waitMs + watchGraceMs })
      if (isCurrent && changes.length === 0 && !overflow) continue
      isCurrent = (await deps.ingest(path)).status === 'ok'
      if (!isCurrent) await rest(deps, signal)
    } catch {
      isCurrent = false
      await rest(deps, signal)
    }
  }
}

function rest({ restMs = watchRestMs }: FolderWatchDeps, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, restMs)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
