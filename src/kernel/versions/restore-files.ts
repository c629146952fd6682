/** Brings files of the workspace to their state in a commit. */
import { type CallId, type Hands, OxbowError } from '../../types/index.ts'
import { maxCollectedBytes, snapshotTimeoutMs } from '../limits.ts'
import { fileName } from './checkpoint.ts'
import type { FileChange } from './history.ts'
import type { Ask } from './version-questions.ts'

export interface Restore {
  readonly ask: Ask
  readonly hands: Hands
  /** Folders of the person, by their names in /shared: a file cannot be renamed from one to another. */
  readonly mounts: readonly string[]
  readonly commit: string
  readonly changes: readonly FileChange[]
  readonly call: CallId
  readonly signal: AbortSignal
}

/**
 * Removes first: a file may be where a folder was. What is to be added never replaces a file that has no version.
 * @throws OxbowError `not_found` before anything has changed, if the commit has no content of a file
 */
export async function restoreFiles(restore: Restore): Promise<void> {
  const { ask, hands, mounts, commit, changes, call, signal } = restore
  const options = { signal, timeoutMs: snapshotTimeoutMs }
  const kept = changes.filter(({ change }) => change !== 'deleted').map(({ path }) => path)
  const large = await ask('largeIn', { commit, paths: kept })
  const removed = changes.filter(({ change }) => change === 'deleted')
  for (const { path } of removed) {
    await hands.ask('delete', { path: `/${fileName(path)}`, recursive: false }, options).catch((error: unknown) => {
      // Somebody else was faster.
      if (!(error instanceof OxbowError) || error.code !== 'not_found') throw error
    })
  }
  for (const { path } of changes.filter((one) => one.change === 'added' && removed.some((gone) => gone.path.startsWith(`${one.path}/`)))) {
    await hands.ask('delete', { path: `/${fileName(path)}`, recursive: false }, options)
  }
  const inPieces = new Set(large.map(({ path }) => path))
  for (const change of ['added', 'changed'] as const) {
    const paths = changes.filter((one) => one.change === change && !inPieces.has(one.path)).map(({ path }) => path)
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
  for (const [at, { path, sha256, bytes }] of large.entries()) {
    const overwrite = changes.some((one) => one.path === path && one.change === 'changed')
    for (let offset = 0; ;) {
      const content = await ask('largePiece', { sha256, offset, maxBytes: maxCollectedBytes })
      const last = offset + content.length >= bytes || content.length === 0
      await hands.ask('put', { path: `/${fileName(path)}`, upload: `${call} ${at}`, offset, content, last, overwrite }, options)
      if (last) break
      offset += content.length
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
