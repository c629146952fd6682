/**
 * Keeps the documents of the folders in `memory.folders` in memory: ingests each folder once, and again whenever hands report a
 * change. Unchanged files are skipped by their hash, so the whole folder is ingested each time. A folder that cannot be watched is
 * tried again after a pause.
 */
import type { CallOutcome, HandsOps, Sandbox } from '../../protocol/index.ts'
import { maxWatchedChanges, maxWatchedFolders, watchGraceMs, watchRestMs, watchWaitMs } from '../limits.ts'

export interface FolderWatchDeps {
  readonly folders: readonly string[]
  readonly sandbox: Pick<Sandbox, 'hands'>
  /** Calls `memory.ingest`. */
  readonly ingest: (path: string) => Promise<CallOutcome>
  readonly restMs?: number
}

type WatchInput = HandsOps['watch']['input']
type WatchOutput = HandsOps['watch']['output']

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
  while (!signal.aborted) {
    const attempt = new AbortController()
    try {
      await keepFolder(deps, { path, watch, recursive: true, maxChanges: maxWatchedChanges }, AbortSignal.any([signal, attempt.signal]))
    } catch {
      attempt.abort()
      await rest(deps, signal)
    }
  }
}

/** Watches until something fails: changes may have been missed from then on. */
async function keepFolder(deps: FolderWatchDeps, request: Omit<WatchInput, 'waitMs'>, signal: AbortSignal): Promise<never> {
  const hands = await deps.sandbox.hands('work')
  const ask = (waitMs: number): Promise<WatchOutput> =>
    hands.ask('watch', { ...request, waitMs }, { signal, timeoutMs: waitMs + watchGraceMs })
  const change = async (): Promise<void> => {
    for (;;) {
      const { changes, overflow } = await ask(watchWaitMs)
      if (changes.length > 0 || overflow) return
    }
  }
  await ask(0)
  for (;;) {
    // The watch is polled while the folder is read, which may take minutes: hands end a watch that is not polled, and lose its changes.
    const next = change()
    next.catch(() => undefined)
    if ((await deps.ingest(request.path)).status !== 'ok') throw new Error('not ingested')
    await next
  }
}

function rest({ restMs = watchRestMs }: FolderWatchDeps, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, restMs)
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
  })
}
