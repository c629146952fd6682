/** Brings files and saved documents to their state in a version, as a version of its own. */
import type { CallOf, DocumentChange, Documents } from '../../kernel/index.ts'
import type { Json } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import { documentName, shownPath } from './thread/checkpoint.ts'
import type { CommitBy } from './thread/version-questions.ts'
import type { Versioning } from './versioning.ts'
import type { Versions } from './versions.ts'
import type { Committed, Conflict, FileChange } from './version-schemas.ts'

interface BringBackDeps {
  readonly versions: Versions
  readonly versioning: () => Promise<Pick<Versioning, 'changeFiles'>>
  readonly documents: Pick<Documents, 'put'>
  /** Called with the paths of files that were brought back. */
  readonly restored: (of: CallOf, paths: readonly string[]) => Promise<void>
}

interface Wanted {
  /** The version. */
  readonly target: string
  /** From the workspace to that version. */
  readonly changes: readonly FileChange[]
  readonly by: CommitBy
  /** The call that asks for it. */
  readonly serves: string
  /** Folders that it leaves empty are removed unless they are older; absent: they stay. */
  readonly madeSinceMs: number | undefined
  /** Called with what is there now; throws if that may not be replaced. */
  readonly isCurrent?: (before: Committed) => void
  /** Commits the saved documents and what belongs to them, before any file changes. Absent: they follow the files. */
  readonly first?: (documents: readonly DocumentChange[], before: Committed) => Promise<void>
  /** Called where files could not be changed; true: all is as it was before, and these files are nobody's change. */
  readonly fell?: (kept: readonly Conflict[], before: Committed) => Promise<boolean>
}

interface BroughtBack {
  readonly commit: string | null
  /** Files that are left as they are. */
  readonly kept: readonly Conflict[]
}

export async function bringBack(
  deps: BringBackDeps,
  { target, changes, by, serves, madeSinceMs, isCurrent = () => {}, first, fell }: Wanted,
  { caller, id, signal }: Pick<CallContext, 'caller' | 'id' | 'signal'>,
): Promise<BroughtBack> {
  const of = { caller, call: id, name: serves }
  const files = changes.filter(({ path }) => path.startsWith('shared/'))
  let kept: readonly Conflict[] = []
  const paths = changes.map(({ path }) => path)
  const { changeFiles } = await deps.versioning()
  const { commit } = await changeFiles(paths, by, async (before) => {
    isCurrent(before)
    const documents = await documentChanges(deps.versions, target, changes)
    await first?.(documents, before)
    const restore = { commit: target, before: before.commit!, changes: files, call: id, signal, madeSinceMs }
    kept = files.length === 0 ? [] : await deps.versions.restoreFiles(restore)
    const left = kept.map(({ path }) => path)
    if (kept.length > 0 && (await fell?.(kept, before)) === true) return paths
    const restored = files.filter(({ path, change }) => change !== 'deleted' && !left.includes(path))
    await deps.restored(
      of,
      restored.map(({ path }) => shownPath(path)),
    )
    if (first === undefined && documents.length > 0) await deps.documents.put(of, documents)
    return left
  })
  return { commit, kept }
}

async function documentChanges(versions: Versions, target: string, changes: readonly FileChange[]): Promise<readonly DocumentChange[]> {
  const found: DocumentChange[] = []
  for (const { path: inTree, change } of changes) {
    if (!inTree.startsWith('state/')) continue
    const [name = '', ...category] = documentName(inTree.slice('state/'.length)).split('/').toReversed()
    const value = change === 'deleted' ? null : (JSON.parse((await versions.show({ at: target, path: inTree })).text) as Json)
    found.push({ category: ['state', ...category.toReversed()].join('/'), name, value })
  }
  return found
}
