/**
 * The versions of the workspace and of the saved documents. Hands list and read the files; a thread keeps the repository. Checkpoints run
 * one after another, each in a few milliseconds when little has changed.
 */
import type { Worker } from 'node:worker_threads'
import type { Documents } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import type { FilesPlace, Store } from '../../store/index.ts'
import { createIdleThread, type IdleThread, OxbowError, untilAborted } from '../../base/index.ts'
import type { BranchChange, FarBranch, Sandbox } from '../../protocol/index.ts'
import type { VersionsConfig } from './config.ts'
import type { StateText } from './thread/checkpoint.ts'
import type { MergedTree, MergeRequest } from './thread/merge-trees.ts'
import { type Restore, restoreFiles } from './restore-files.ts'
import { inFolders, leftOutBy } from './thread/left-out.ts'
import { takeAll, takeNamed, takeOverlay } from './take-files.ts'
import type { Ask, CommitBy, VersionAnswers, VersionQuestion } from './thread/version-questions.ts'
import type { UndoneTurn, UndoRequest } from './thread/undo-turn.ts'
import type { VerifyStep } from './thread/verify-versions.ts'
import { saveStampsMs, versionsIdleMs } from './limits.ts'
import type { Committed, Conflict } from './version-schemas.ts'

/** A branch of files and its sandbox. */
interface VersionedBranch {
  readonly name: string
  readonly sandbox: Sandbox
  /** The version that its overlay lies over; empty: it is a copy. */
  readonly over?: string
  /** What it has changed over that; absent: the sandbox of the workspace knows. See `SandboxBranches.changes`. */
  readonly changes?: FarBranch['changes']
}

/** Which files a commit takes: by name, from /shared; absent: all, except the ones in `except`. */
export interface Taken {
  readonly named?: readonly string[]
  readonly except?: () => readonly string[]
  /** Folders whose repositories are taken too. */
  readonly also?: readonly string[]
  /** No file can have changed. */
  readonly only?: 'state'
  /** In a cluster it goes to the store with a commit that follows: nobody was told of it. */
  readonly rides?: boolean
  /** A commit even if nothing has changed. */
  readonly always?: boolean
  /** Is called when that is committed, before anything else is. */
  readonly onCommitted?: () => void
}

/** What of the versions calls use: the questions about the past, and the changes. */
export interface Versions extends Pick<
  VersionAnswers,
  'tag' | 'resolve' | 'head' | 'log' | 'compare' | 'show' | 'forget' | 'turns' | 'unversioned' | 'has' | 'nearest'
> {
  /** Checks everything that is kept; a second caller waits for the same check. @throws the reason of the signal */
  verify(signal: AbortSignal): Promise<VerifyStep>
  /** Commits what has changed. @param by is called when its turn has come @throws OxbowError as hands and the thread do */
  commit(by: () => Promise<CommitBy>, signal: AbortSignal, taken?: Taken): Promise<Committed>
  /** Begins a branch of files with a version. */
  pointBranch(name: string, commit: string): Promise<void>
  /** Commits what has changed in a branch of files. */
  commitBranch(branch: VersionedBranch, by: CommitBy, signal: AbortSignal): Promise<Committed>
  /** Writes the commit in which the changes of a branch of files are merged; the workspace is as before. */
  merge(ask: MergeRequest): Promise<MergedTree>
  /** Writes the commit in which a turn is undone; the workspace is as before. */
  undo(ask: Omit<UndoRequest, 'covered'>): Promise<UndoneTurn>
  /** Brings files to their state in another commit, as `restoreFiles`. @param sandbox of a branch; absent: of the workspace */
  restoreFiles(restore: Restore, sandbox?: Sandbox): Promise<readonly Conflict[]>
  close(): Promise<void>
}

interface VersionsDeps {
  /** Of the repository. */
  readonly folder: string
  readonly sandbox: Sandbox
  readonly store: Pick<Store, 'documentCategories' | 'files'>
  readonly documents: Pick<Documents, 'all'>
  readonly config: VersionsConfig
  /** Folders of the person, by their names in /shared: a file cannot be renamed from one to another. They change while a guest runs. */
  readonly mounts: () => readonly string[]
  /** Those that versions cover, as `KernelOptions` has them. */
  readonly coveredFolders: () => readonly string[]
  /** Whether documents may have changed since they were committed. */
  readonly documentsChanged: { since: boolean }
  readonly pause: Runs['pause']
}

/** @param place in a cluster, where versions are kept */
export function createThread(folder: string, place?: FilesPlace): IdleThread<VersionQuestion, never> {
  return createIdleThread<VersionQuestion, never>({
    idleMs: versionsIdleMs,
    start: () => startWorker(folder, place),
    lost(why, cause) {
      const hint = 'It is started again with the next version; no commit is lost.'
      return new OxbowError('tool_failed', `The thread of the versions ended: ${why}.`, { hint, cause })
    },
    closed: () => new OxbowError('cancelled', 'The guest is stopping.', { hint: 'Start the guest again.' }),
  })
}

/** Starts nothing before the first request. */
export function createVersions(deps: VersionsDeps): Versions {
  const thread = createThread(deps.folder, deps.store.files)
  let isUsed = false
  let commits = 0
  const ask: Ask = (name, question) => {
    isUsed = true
    if (name === 'commit') void keepLater().catch(() => {})
    return thread.ask({ name, ...question } as VersionQuestion)
  }
  /** A kill before this costs a second look at each file, and nothing else. */
  const keepLater = async (): Promise<void> => {
    const mine = (commits += 1)
    await deps.pause(saveStampsMs)
    if (mine === commits) await ask('keep', { last: false })
  }
  let verifying: Promise<VerifyStep> | null = null
  /** Others' questions are answered between its steps. */
  const verifyAll = async (): Promise<VerifyStep> => {
    for (let begin = true; ; begin = false) {
      const step = await ask('verify', { begin })
      if (step.done) return step
    }
  }
  return {
    ...createCommits(deps, ask),
    verify(signal) {
      verifying ??= verifyAll().finally(() => (verifying = null))
      return untilAborted(verifying, signal)
    },
    turns: (question) => ask('turns', question),
    unversioned: (question) => ask('unversioned', question),
    async restoreFiles(restore, into = deps.sandbox) {
      const hands = await into.hands('work')
      return restoreFiles({ ask, hands, mounts: into === deps.sandbox ? deps.mounts() : [] }, restore)
    },
    tag: (question) => ask('tag', question),
    resolve: (question) => ask('resolve', question),
    head: (question) => ask('head', question),
    log: (question) => ask('log', question),
    compare: (question) => ask('compare', question),
    nearest: (question) => ask('nearest', question),
    has: (question) => ask('has', question),
    show: (question) => ask('show', question),
    async close() {
      // Without the stamps every file would be read once more at the next start.
      if (isUsed) await ask('keep', { last: true }).catch(() => {})
      await thread.close()
    },
  }
}

/** One commit after the other. */
function createCommits(
  deps: VersionsDeps,
  ask: Ask,
): Pick<Versions, 'commit' | 'commitBranch' | 'pointBranch' | 'merge' | 'undo' | 'forget'> {
  const { sandbox, documentsChanged } = deps
  const read = readerOf(deps)
  const { take, takeOver, takeNamed: takeByName, drop } = createTaker(deps, ask)
  /** Null: all of it has to be looked at. */
  const changesOf = async ({ name, over, changes }: VersionedBranch, signal: AbortSignal): Promise<readonly BranchChange[] | null> => {
    const { ignore } = deps.config
    if (changes !== undefined) return changes(ignore, signal)
    return over ? ((await sandbox.branches?.changes(name, ignore, signal)) ?? []) : null
  }
  let newest: Promise<unknown> = Promise.resolve()
  const inTurn = <Value>(run: () => Promise<Value>): Promise<Value> => {
    const mine = newest.then(run, run)
    newest = mine
    return mine
  }
  const checkpoint = async (by: CommitBy, signal: AbortSignal, taken: Taken): Promise<Committed> => {
    const withState = documentsChanged.since && taken.named === undefined
    documentsChanged.since &&= !withState
    try {
      const state = withState ? await read() : null
      let hold = (): void => {}
      if (taken.named !== undefined) await takeByName(taken.named, signal)
      else if (taken.only === 'state') await ask('begin', { branch: '', whole: false, except: [] })
      else hold = await take({ name: '', sandbox }, signal, taken)
      const committed = await ask('commit', {
        branch: '',
        facts: inFolders(by, deps.coveredFolders()),
        state,
        always: taken.always === true,
        // What only a document has changed is in the store with the document.
        isKept: taken.rides !== true && (taken.only === undefined || taken.always === true),
      })
      hold()
      return committed
    } catch (error) {
      documentsChanged.since ||= withState
      // The checkpoint is dropped, and with it what was listed for it.
      drop('')
      throw error
    }
  }
  return {
    commit: (by, signal, taken = {}) =>
      inTurn(async () => {
        const committed = await checkpoint(await by(), signal, taken)
        taken.onCommitted?.()
        return committed
      }),
    pointBranch: (name, commit) => inTurn(() => ask('point', { branch: name, commit })),
    commitBranch: (branch, by, signal) =>
      inTurn(async () => {
        const changes = await changesOf(branch, signal)
        const hold = branch.over && changes !== null ? await takeOver(branch, branch.over, changes, signal) : await take(branch, signal, {})
        const committed = await ask('commit', { branch: branch.name, facts: by, state: null, always: false, isKept: true })
        hold()
        return committed
      }),
    merge: (question) => inTurn(() => ask('merge', question)),
    undo: (question) => inTurn(() => ask('undo', { ...question, covered: deps.coveredFolders() })),
    forget: ({ branch }) =>
      inTurn(async () => {
        drop(branch)
        await ask('forget', { branch })
      }),
  }
}

/** In a cluster a version is all that another node gets: repositories are in it, too. */
export const allFolders: readonly string[] = ['']

interface Taker {
  /** Takes all that has changed. @returns is called once it is committed */
  take(branch: VersionedBranch, signal: AbortSignal, taken: Taken): Promise<() => void>
  /** Takes what an overlay has changed. @returns as `take` */
  takeOver(branch: VersionedBranch, commit: string, changes: readonly BranchChange[], signal: AbortSignal): Promise<() => void>
  /** Takes files of the workspace by name. */
  takeNamed(paths: readonly string[], signal: AbortSignal): Promise<void>
  /** Forgets what is committed of a branch: all its files are listed again. */
  drop(branch: string): void
}

function createTaker({ config, sandbox, store }: VersionsDeps, ask: Ask): Taker {
  /** The last snapshot whose files are committed, of the workspace ('') and each branch; absent: unknown. */
  const snapshots = new Map<string, string>()
  /** Named by the configuration as without versions, and versioned since a call has named them; null: to be asked. */
  let extras: readonly string[] | null = null
  const isLeftOut = leftOutBy(config.ignore)
  return {
    async take({ name, sandbox: from, changes }, signal, taken) {
      const isFar = changes !== undefined
      const since = snapshots.get(name) ?? ''
      snapshots.delete(name)
      const hands = await from.hands('work')
      if (name === '') extras ??= await ask('extras', { ignore: config.ignore })
      const also = [
        ...(taken.also ?? []),
        ...(name === '' ? (extras ?? []) : []),
        ...(store.files === undefined || isFar ? [] : allFolders),
      ]
      const held = await takeAll({ ask, branch: name, hands, config, signal, since, also, except: taken.except?.() ?? [], isFar })
      if (taken.also !== undefined) extras = null
      return () => void snapshots.set(name, held)
    },
    async takeOver({ name, sandbox: from }, commit, changes, signal) {
      await takeOverlay({ ask, branch: name, hands: await from.hands('work'), config, signal }, commit, changes)
      return () => {}
    },
    async takeNamed(paths, signal) {
      if (paths.some(isLeftOut)) extras = null
      await takeNamed({ ask, branch: '', hands: await sandbox.hands('work'), config, signal }, paths)
    },
    drop: (branch) => void snapshots.delete(branch),
  }
}

/** Documents of people and agents; documents of subsystems are not versioned. */
const statePrefix = 'state/'

function readerOf({ store, documents }: VersionsDeps): () => Promise<readonly StateText[]> {
  return async () => {
    const found: StateText[] = []
    for (const category of await store.documentCategories()) {
      if (!category.startsWith(statePrefix)) continue
      for (const { name, value, seq } of await documents.all(category)) {
        const document = `${category.slice(statePrefix.length)}/${name}`
        found.push({ document, version: seq, text: `${JSON.stringify(value, null, 2)}\n` })
      }
    }
    return found
  }
}

function startWorker(folder: string, place?: FilesPlace): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // In the sources it is in `thread/`, in the bundle next to this code.
  const file = import.meta.url.endsWith('.ts') ? './thread/versions-worker.ts' : './versions-worker.js'
  return new Worker(new URL(file, import.meta.url), { workerData: { folder, place }, name: 'oxbow-versions', execArgv: [] })
}
