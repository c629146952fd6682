/**
 * Folders whose documents are kept in memory (`memory.folders`): taken in once, and again whenever hands say that something changed.
 * What is the same is passed over by its hash, so that a whole folder is asked for each time. A folder that cannot be watched now is
 * tried again after a while.
 */
import type { CallOutcome, HandsOps, Sandbox } from '../../types/index.ts'
import { maxWatchedChanges, maxWatchedFolders, watchGraceMs, watchRestMs, watchWaitMs } from './memory-limits.ts'

export interface FolderWatchDeps {
  readonly folders: readonly string[]
  readonly sandbox: Pick<Sandbox, 'hands'>
  /** Makes the call `memory.ingest`. */
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

/** Goes on until something fails: then nobody knows what has changed. */
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
    // Asked while the folder is read, which may take minutes: hands end a watch that nobody asks for, and with it what it has seen.
    const next = change()
    next.catch(() => undefined)
    if ((await deps.ingest(request.path)).status !== 'ok') throw new Error('not taken in')
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
