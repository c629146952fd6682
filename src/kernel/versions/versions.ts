/**
 * The versions of the workspace and of the saved documents. Hands list and read the files; a thread keeps the repository. Checkpoints run
 * one after another, each in a few milliseconds when little has changed, and never on the path of a turn.
 */
import type { Worker } from 'node:worker_threads'
import type { Store } from '../../store/index.ts'
import {
  type CallId,
  type Config,
  createIdleThread,
  type IdleThread,
  type Hands,
  type HandsOps,
  maxSnapshotEntries,
  OxbowError,
  type Sandbox,
  type SnapshotEntry,
} from '../../types/index.ts'
import { maxCollectedBytes, snapshotTimeoutMs, versionsIdleMs } from '../limits.ts'
import type { Documents } from '../state/documents.ts'
import type { Committed, StateText } from './checkpoint.ts'
import type { ArchivePiece, Comparison, Difference, FileChange, LoggedCommit, ShownFile } from './history.ts'
import type { MergedTree, MergeRequest } from './merge-trees.ts'
import type { NewCommit } from './repository.ts'

type CommitBy = Omit<NewCommit, 'tree' | 'parents'>

/** What the thread answers, by the name of the question. */
export interface VersionAnswers {
  // `branch`: of files; '': the workspace.
  begin(ask: { readonly branch: string; readonly whole: boolean }): Promise<void>
  match(ask: { readonly branch: string; readonly entries: readonly SnapshotEntry[] }): Promise<readonly string[]>
  put(ask: { readonly branch: string; readonly paths: readonly string[] } & HandsOps['collect']['output']): Promise<void>
  commit(ask: { readonly branch: string; readonly facts: CommitBy; readonly state: readonly StateText[] | null }): Promise<Committed>
  merge(ask: MergeRequest): Promise<MergedTree>
  forget(ask: { readonly branch: string }): Promise<void>
  tag(ask: {
    readonly tag: string
    readonly at: string
    readonly message: string
    readonly author: string
    readonly time: number
  }): Promise<{ commit: string }>
  resolve(ask: { readonly at: string }): Promise<string>
  log(ask: { readonly from: string; readonly path: string; readonly limit: number }): Promise<readonly LoggedCommit[]>
  /** @param ask `from` '': the commit before `to` */
  compare(ask: Omit<Comparison, 'from'> & { readonly from: string }): Promise<Difference>
  show(ask: { readonly at: string; readonly path: string }): Promise<ShownFile & { readonly commit: string }>
  archive(ask: {
    readonly commit: string
    readonly base: string
    readonly paths: readonly string[]
    readonly maxBytes: number
  }): Promise<ArchivePiece>
}

export type VersionQuestion = {
  [Name in keyof VersionAnswers]: { readonly name: Name } & Parameters<VersionAnswers[Name]>[0]
}[keyof VersionAnswers]

/** A branch of files and its sandbox. */
interface VersionedBranch {
  readonly name: string
  readonly sandbox: Sandbox
}

/** What of the versions calls use: the questions about the past, and the changes. */
export interface Versions extends Pick<VersionAnswers, 'tag' | 'resolve' | 'log' | 'compare' | 'show' | 'forget'> {
  /** Commits what has changed. @param only `state`: no file can have changed @throws OxbowError as hands and the thread do */
  commit(by: CommitBy, signal: AbortSignal, only?: 'state'): Promise<Committed>
  /** Commits what has changed in a branch of files. */
  commitBranch(branch: VersionedBranch, by: CommitBy, signal: AbortSignal): Promise<Committed>
  /** Writes the commit in which the changes of a branch of files are merged; the workspace is as before. */
  merge(ask: MergeRequest): Promise<MergedTree>
  /**
   * Brings files to their state in another commit.
   * @param commit where they come from @param changes from the newest commit to that one @param sandbox of a branch; absent: of the workspace
   */
  restoreFiles(commit: string, changes: readonly FileChange[], call: CallId, signal: AbortSignal, sandbox?: Sandbox): Promise<void>
  close(): Promise<void>
}

interface VersionsDeps {
  /** Of the repository. */
  readonly folder: string
  readonly sandbox: Sandbox
  readonly store: Pick<Store, 'documentCategories'>
  readonly documents: Pick<Documents, 'all'>
  readonly config: Config['versions']
  /** Folders of the person, by their names in /shared: a file cannot be renamed from one to another. They change while a guest runs. */
  readonly mounts: () => readonly string[]
  /** Whether documents may have changed since they were committed. */
  readonly documentsChanged: { since: boolean }
}

type Ask = <Name extends keyof VersionAnswers>(
  name: Name,
  question: Parameters<VersionAnswers[Name]>[0],
) => Promise<Awaited<ReturnType<VersionAnswers[Name]>>>

function createThread(folder: string): IdleThread<VersionQuestion, never> {
  return createIdleThread<VersionQuestion, never>({
    idleMs: versionsIdleMs,
    start: () => startWorker(folder),
    lost(why, cause) {
      const hint = 'It is started again with the next version; no commit is lost.'
      return new OxbowError('tool_failed', `The thread of the versions ended: ${why}.`, { hint, cause })
    },
    closed: () => new OxbowError('cancelled', 'The guest is stopping.', { hint: 'Start the guest again.' }),
  })
}

/** Starts nothing before the first request. */
export function createVersions(deps: VersionsDeps): Versions {
  const { folder, sandbox, config, documentsChanged } = deps
  const thread = createThread(folder)
  const ask: Ask = (name, question) => thread.ask({ name, ...question } as VersionQuestion)
  const read = readerOf(deps)
  /** The last snapshot whose files are committed, of the workspace ('') and each branch; absent: unknown. */
  const snapshots = new Map<string, string>()
  let newest: Promise<unknown> = Promise.resolve()
  const inTurn = <Value>(run: () => Promise<Value>): Promise<Value> => {
    const mine = newest.then(run, run)
    newest = mine
    return mine
  }
  const takeFrom = async ({ name, sandbox: from }: VersionedBranch, signal: AbortSignal): Promise<string> => {
    const since = snapshots.get(name) ?? ''
    snapshots.delete(name)
    return takeFiles(ask, { branch: name, hands: await from.hands('work'), config, since }, signal)
  }
  const main: VersionedBranch = { name: '', sandbox }

  const checkpoint = async (by: CommitBy, signal: AbortSignal, only?: 'state'): Promise<Committed> => {
    const withState = documentsChanged.since
    documentsChanged.since = false
    try {
      const taken = only === 'state' ? snapshots.get('') : await takeFrom(main, signal)
      snapshots.delete('')
      if (only === 'state') await ask('begin', { branch: '', whole: false })
      const committed = await ask('commit', { branch: '', facts: by, state: withState ? await read() : null })
      if (taken !== undefined) snapshots.set('', taken)
      return committed
    } catch (error) {
      documentsChanged.since ||= withState
      throw error
    }
  }
  return {
    commit: (by, signal, only) => inTurn(() => checkpoint(by, signal, only)),
    commitBranch: (branch, by, signal) =>
      inTurn(async () => {
        const taken = await takeFrom(branch, signal)
        const committed = await ask('commit', { branch: branch.name, facts: by, state: null })
        snapshots.set(branch.name, taken)
        return committed
      }),
    merge: (question) => inTurn(() => ask('merge', question)),
    forget: ({ branch }) =>
      inTurn(async () => {
        snapshots.delete(branch)
        await ask('forget', { branch })
      }),
    async restoreFiles(commit, changes, call, signal, into = sandbox) {
      const hands = await into.hands('work')
      const mounts = into === sandbox ? deps.mounts() : []
      await restoreFiles({ ask, hands, mounts, commit, changes, call, signal })
    },
    tag: (question) => ask('tag', question),
    resolve: (question) => ask('resolve', question),
    log: (question) => ask('log', question),
    compare: (question) => ask('compare', question),
    show: (question) => ask('show', question),
    close: () => thread.close(),
  }
}

/** Documents of people and agents; those of subsystems are not versioned. */
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

interface FilesToTake {
  readonly branch: string
  readonly hands: Hands
  readonly config: Config['versions']
  /** The last snapshot; '': all files are listed. */
  readonly since: string
}

/** Passes the files that have changed to the thread. @returns the snapshot */
async function takeFiles(ask: Ask, { branch, hands, config, since }: FilesToTake, signal: AbortSignal): Promise<string> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const maxFileBytes = config.max_file_mb * 1024 * 1024
  const input = { path: '/shared', since, maxEntries: maxSnapshotEntries, maxFileBytes, ignore: config.ignore }
  let put: Promise<void> = Promise.resolve()
  for (let offset = 0; ;) {
    const page = await hands.ask('snapshot', { ...input, offset }, options)
    if (offset === 0) await ask('begin', { branch, whole: page.whole })
    let wanted = await ask('match', { branch, entries: page.entries })
    while (wanted.length > 0) {
      const request = { path: '/shared', files: [...wanted], maxBytes: maxCollectedBytes, maxFileBytes }
      const collected = await hands.ask('collect', request, options)
      const paths = wanted.slice(0, collected.files.length)
      if (paths.length === 0) throw new OxbowError('sandbox_failed', 'Hands returned no file that was asked for.', { hint: 'Try again.' })
      wanted = wanted.slice(paths.length)
      // The thread compresses while hands read on; one reply waits at most.
      await put
      put = ask('put', { branch, paths, ...collected })
      put.catch(() => {})
    }
    offset += page.entries.length
    if (page.done) return put.then(() => page.snapshot)
  }
}

interface Restore {
  readonly ask: Ask
  readonly hands: Hands
  readonly mounts: readonly string[]
  readonly commit: string
  readonly changes: readonly FileChange[]
  readonly call: CallId
  readonly signal: AbortSignal
}

/** Removes first: a file may be where a folder was. What is to be added never replaces a file that has no version. */
async function restoreFiles({ ask, hands, mounts, commit, changes, call, signal }: Restore): Promise<void> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const removed = changes.filter(({ change }) => change === 'deleted')
  for (const { path } of removed) {
    await hands.ask('delete', { path: `/${path}`, recursive: false }, options).catch((error: unknown) => {
      // Somebody else was faster.
      if (!(error instanceof OxbowError) || error.code !== 'not_found') throw error
    })
  }
  for (const { path } of changes.filter((one) => one.change === 'added' && removed.some((gone) => gone.path.startsWith(`${one.path}/`)))) {
    await hands.ask('delete', { path: `/${path}`, recursive: false }, options)
  }
  for (const change of ['added', 'changed'] as const) {
    const paths = changes.filter((one) => one.change === change).map(({ path }) => path)
    for (const [base, inBase] of Map.groupBy(paths, (path) => baseOf(path, mounts))) {
      let offset = 0
      let left = inBase
      while (left.length > 0) {
        const piece = await ask('archive', { commit, base, paths: left, maxBytes: maxCollectedBytes })
        left = left.slice(piece.files)
        const content = left.length > 0 ? piece.content : Buffer.concat([piece.content, Buffer.alloc(archiveEndBytes)])
        const transfer = `${call} ${change} ${base}`.slice(-maxTransferName)
        await hands.ask(
          'unpack',
          { path: `/${base}`, transfer, offset, content, last: left.length === 0, overwrite: change === 'changed' },
          options,
        )
        offset += content.length
      }
    }
  }
}

/** Two empty blocks end an archive. */
const archiveEndBytes = 1_024
const maxTransferName = 100

/** The folder in which a file can be put into place by a rename. */
function baseOf(path: string, mounts: readonly string[]): string {
  const [top, name = ''] = path.split('/')
  return mounts.includes(name) ? `${top}/${name}` : top!
}

function startWorker(folder: string): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // Beside this file there is versions-worker.ts in the sources and versions-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './versions-worker.ts' : './versions-worker.js'
  return new Worker(new URL(file, import.meta.url), { workerData: { folder }, name: 'oxbow-versions', execArgv: [] })
}
