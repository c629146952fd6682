/** Passes what hands report of the workspace to the thread of the versions: all that has changed, or files by name. */
import { OxbowError } from '../../base/index.ts'
import { type BranchChange, type Hands, isRepositoryName, maxSnapshotEntries } from '../../protocol/index.ts'
import type { VersionsConfig } from './config.ts'
import type { Ask } from './thread/version-questions.ts'
import { maxCollectedBytes, maxFarEntries, maxLargeFileBytes, snapshotTimeoutMs } from './limits.ts'

export interface FilesToTake {
  /** Of files; '': the workspace. */
  readonly branch: string
  readonly ask: Ask
  readonly hands: Hands
  readonly config: VersionsConfig
  readonly signal: AbortSignal
}

interface WholeTake extends FilesToTake {
  /** The last snapshot; '': all files are listed. */
  readonly since: string
  /** Files and folders, from /shared, that are listed whatever the configuration leaves out. */
  readonly also: readonly string[]
  /** Files that somebody else takes. */
  readonly except: readonly string[]
  /** Another node has the hands: they name no more files than there can be, and none in a repository. */
  readonly isFar?: boolean
}

/** Takes all that has changed since a snapshot. @returns the new one */
export async function takeAll(take: WholeTake): Promise<string> {
  const { ask, branch, hands, config, since, also, signal, isFar = false } = take
  const input = { path: '/shared', since, maxEntries: maxSnapshotEntries, ...sizeAndNames(config), also: [...also] }
  const except = new Set(take.except)
  for (let offset = 0; ;) {
    const page = await hands.ask('snapshot', { ...input, offset }, { signal, timeoutMs: snapshotTimeoutMs })
    if (isFar && (offset > maxFarEntries || page.entries.some(({ path }) => path.split('/').some(isRepositoryName)))) throw wrongFiles()
    if (offset === 0) await ask('begin', { branch, whole: page.whole, except: take.except })
    const entries = page.entries.filter(({ path }) => !except.has(path))
    const { small, large } = await ask('match', { branch, entries })
    await collect(take, small)
    for (const one of large) await takeLarge(take, one)
    offset += page.entries.length
    if (page.done) return page.snapshot
  }
}

function wrongFiles(): OxbowError {
  return new OxbowError('sandbox_failed', 'The node with the hands of this branch names files that no branch has.', {
    hint: 'See the output of that node. Nothing of it was taken.',
  })
}

/** Takes files by name, as they are now: also those that the configuration leaves out. @param paths real ones, from /shared */
export async function takeNamed(take: FilesToTake, paths: readonly string[]): Promise<void> {
  await take.ask('begin', { branch: take.branch, whole: false, except: [] })
  await collect(take, paths)
}

/** Takes what an overlay has changed over a version. */
export async function takeOverlay(take: FilesToTake, commit: string, changes: readonly BranchChange[]): Promise<void> {
  await take.ask('begin', { branch: take.branch, whole: false, except: [], over: { commit, changes } })
  const paths = changes.flatMap(({ path, state }) => (state === 'file' ? [path] : []))
  for (let at = 0; at < paths.length; at += maxSnapshotEntries) await collect(take, paths.slice(at, at + maxSnapshotEntries))
}

function sizeAndNames({ max_file_mb: megabytes, ignore }: VersionsConfig): {
  readonly maxFileBytes: number
  readonly ignore: string[]
} {
  return { maxFileBytes: Math.floor(megabytes * 1024 * 1024), ignore }
}

async function collect(take: FilesToTake, paths: readonly string[]): Promise<void> {
  const { ask, branch, hands, config, signal } = take
  const { maxFileBytes } = sizeAndNames(config)
  let put: Promise<void> = Promise.resolve()
  const grown: { path: string; stamp: string }[] = []
  for (let wanted = paths; wanted.length > 0;) {
    const request = { path: '/shared', files: [...wanted], maxBytes: maxCollectedBytes, maxFileBytes }
    const collected = await hands.ask('collect', request, { signal, timeoutMs: snapshotTimeoutMs })
    const taken = wanted.slice(0, collected.files.length)
    if (taken.length === 0) throw new OxbowError('sandbox_failed', 'Hands returned no file that was asked for.', { hint: 'Try again.' })
    for (const [at, { kind, stamp }] of collected.files.entries()) if (kind === 'large') grown.push({ path: taken[at]!, stamp })
    wanted = wanted.slice(taken.length)
    // The thread compresses while hands read on; one reply waits at most.
    await put
    put = ask('put', { branch, paths: taken, ...collected })
    put.catch(() => {})
  }
  await put
  for (const one of grown) await takeLarge(take, one)
}

/** In pieces, so that no process holds it. One above the limit, or that nobody may read, has no version, and the tree says so. */
async function takeLarge(
  { ask, branch, hands, signal }: FilesToTake,
  { path, stamp }: { readonly path: string; readonly stamp: string },
): Promise<void> {
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const name = `/shared/${path}`
  const { kind, bytes, executable } = await hands.ask('stat', { path: name }, options)
  if (kind !== 'file') return
  const facts = { branch, path, stamp, executable }
  const none = { ...facts, offset: 0, content: new Uint8Array(), end: 'none' } as const
  if (bytes > maxLargeFileBytes) return ask('large', none)
  try {
    // It may have grown since, and whoever has the hands may say that it does so for ever.
    for (let offset = 0; offset <= maxLargeFileBytes;) {
      const piece = await hands.ask('bytes', { path: name, offset, maxBytes: maxCollectedBytes }, options)
      const isLast = offset + piece.content.length >= piece.totalBytes || piece.content.length === 0
      await ask('large', { ...facts, offset, content: piece.content, end: isLast ? 'last' : 'more' })
      if (isLast) return
      offset += piece.content.length
    }
    await ask('large', none)
  } catch (error) {
    if (!(error instanceof OxbowError) || !['denied', 'not_found', 'path_refused', 'tool_failed'].includes(error.code)) throw error
    if (error.code !== 'not_found') await ask('large', none)
  }
}
