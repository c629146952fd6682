/**
 * An undo between its commit in the store and its last file. What it put back of notes, documents and the like is committed together with
 * a document that says which files are to follow; it goes when they have. A guest that was killed in between leaves it, and the next one
 * changes the files that are left, before anything else: so an undo is whole, or as if it had not begun.
 */
import { z } from 'zod'
import type { Core, DocumentChange } from '../../../kernel/index.ts'
import type { CallId } from '../../../base/index.ts'
import { checkpointTimeoutMs, pendingUndos } from '../limits.ts'
import { fileName } from '../thread/checkpoint.ts'
import type { CommitBy } from '../thread/version-questions.ts'
import type { Versioning } from '../versioning.ts'
import { undoCallName } from './listed-turns.ts'

const pending = z.strictObject({
  /** The version that files are brought to, and the one they come from. */
  target: z.string(),
  before: z.string(),
  branch: z.string(),
  since: z.number().nullable().describe('Folders that are empty then go, unless they are older.'),
  by: z.strictObject({ author: z.string(), at: z.number(), subject: z.string(), trailers: z.record(z.string(), z.string()) }),
})

export type PendingUndo = z.infer<typeof pending>

export function pendingChange(undo: string, value: PendingUndo | null): DocumentChange {
  return { category: pendingUndos, name: undo, value }
}

type Deps = Pick<Core, 'documents' | 'sandbox' | 'newId'> & { readonly versioning: Pick<Versioning, 'versions'> }

/** Ends the undos that a killed guest has left. @throws OxbowError where their files cannot be changed now: they stay pending */
export async function finishUndos(deps: Deps): Promise<void> {
  for (const { name, value } of await deps.documents.all(pendingUndos)) {
    const { data } = pending.safeParse(value)
    if (data !== undefined) await finish(deps, data)
    const caller = { actor: 'kernel', session: '', turn: '' } as const
    await deps.documents.put({ caller, call: deps.newId() as CallId, name: undoCallName }, [pendingChange(name, null)])
  }
}

async function finish({ versioning, newId }: Deps, { target, before, branch, since, by }: PendingUndo): Promise<void> {
  const versions = await versioning.versions()
  if (versions === null) return
  const { changes } = await versions.compare({ from: before, to: target, path: '', text: false, limit: Infinity })
  const files = changes.filter(({ path }) => path.startsWith('shared/'))
  const signal = AbortSignal.timeout(checkpointTimeoutMs)
  const restore = { commit: target, call: newId() as CallId, signal, madeSinceMs: since ?? undefined }
  const first = await versions.restoreFiles({ ...restore, before, changes: files })
  // Those that are changed already are not as before; what somebody has written since the kill is neither.
  const open = new Set(first.map(({ path }) => path))
  const again = files.filter(({ path, change }) => open.has(path) && change !== 'deleted')
  const done = new Set(again.map(({ path }) => path))
  for (const { path } of await versions.restoreFiles({ ...restore, before: target, changes: again })) done.delete(path)
  const named = files.flatMap(({ path }) => (open.has(path) && !done.has(path) ? [] : [fileName(path.slice('shared/'.length))]))
  const commitBy = async (): Promise<CommitBy> => by
  await versions.commit(commitBy, signal, { named })
  await versions.commit(commitBy, signal, { only: 'state' })
  await versions.forget({ branch })
}
