/**
 * Checkpoints: takes what hands report of the workspace and the documents of the state into the tree, and commits it if it differs. The
 * files of the workspace are under `shared/`, the documents under `state/`.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { HandsOps, SnapshotEntry } from '../../../protocol/index.ts'
import {
  unversioned,
  objectId,
  type NewCommit,
  type Repository,
  createWorkTree,
  type FileMode,
  folderMode,
  readStamps,
  type WorkTree,
} from '../../../repository/index.ts'
import type { Committed } from '../version-schemas.ts'

type Collected = HandsOps['collect']['output']['files'][number]

/** A document of the state as it is committed. */
export interface StateText {
  /** `category/name`. */
  readonly document: string
  readonly version: number
  readonly text: string
}

export interface Checkpoints {
  /** Begins a checkpoint; one that was not committed is dropped. @param whole what is not listed is gone, but for `except` */
  begin(whole: boolean, except: readonly string[]): Promise<void>
  /** Forgets what is kept next to the repository. */
  forget(): void
  /** Saves that, if a commit has changed it. */
  keep(): void
  /** @returns the files whose content is needed, and of these the large ones */
  match(entries: readonly SnapshotEntry[]): Wanted
  /** Files that versions have although the configuration leaves their names out, because a call has named them. */
  extras(isLeftOut: (path: string) => boolean): readonly string[]
  /** Takes in contents, which follow each other in `content`. */
  put(paths: readonly string[], files: readonly Collected[], content: Buffer): void
  /** Takes in what stands for a large file; null: there is no version of it. */
  putPointer(path: string, pointer: Buffer | null, facts: { readonly stamp: string; readonly executable: boolean }): void
  /** @param state all documents; null: they have not changed @param always a commit even if nothing has changed */
  commit(facts: Omit<NewCommit, 'tree' | 'parents'>, state: readonly StateText[] | null, always?: boolean): Promise<Committed>
}

/** Files whose contents a checkpoint needs: into the repository, or next to it. */
export interface Wanted {
  readonly small: readonly string[]
  readonly large: readonly { readonly path: string; readonly stamp: string }[]
}

/** Git refuses the name of its own folder in a tree. */
export function treeName(path: string): string {
  return path.replace(/(^|\/)(%*(?:\.git|git~1))(?=\/|$)/gi, '$1%$2')
}

/** The reverse of `treeName`. */
export function fileName(inTree: string): string {
  return inTree.replace(/(^|\/)%(%*(?:\.git|git~1))(?=\/|$)/gi, '$1$2')
}

const modes = { file: '100644', program: '100755', link: '120000' } as const satisfies Partial<Record<Collected['kind'], FileMode>>
export const files = 'shared'
const documents = 'state'

/** A checkpoint that is being made. */
interface Draft {
  work: WorkTree
  /** Files that a whole listing has not named yet; null when only changes are listed. */
  unseen: Set<string> | null
  changes: number
}

/** @returns the path of the stamps next to the repository */
export function stampsOf(folder: string, branch: string = ''): string {
  return join(folder, branch === '' ? 'oxbow-stamps.json' : `oxbow-stamps-${branch}.json`)
}

/** @param branch of files, whose first commit follows the newest one of the workspace; '': the workspace */
export async function createCheckpoints(folder: string, repository: Repository, branch: string = ''): Promise<Checkpoints> {
  const stamps = stampsOf(folder, branch)
  const open = async (): Promise<WorkTree> => {
    const head = repository.head(branch) ?? repository.head()
    if (head === null) return createWorkTree()
    const { tree } = await repository.commitFacts(head)
    return readStamps(stamps, tree) ?? fromTree(repository, tree)
  }
  const draft: Draft = { work: await open(), unseen: null, changes: 0 }
  let isOpen = false
  let unsaved: string | null = null
  const keep = (): void => {
    if (unsaved !== null && !isOpen) draft.work.save(stamps, unsaved)
    unsaved = null
  }
  return {
    async begin(whole, except) {
      if (isOpen) {
        repository.drop()
        draft.work = await open()
      }
      isOpen = true
      draft.changes = 0
      draft.unseen = whole ? new Set(draft.work.paths(files)) : null
      for (const path of except) draft.unseen?.delete(`${files}/${treeName(path)}`)
    },
    forget() {
      unsaved = null
      rmSync(stamps, { force: true })
    },
    keep,
    extras: (isLeftOut) => [...draft.work.paths(files)].map((path) => fileName(path.slice(files.length + 1))).filter(isLeftOut),
    ...takeInto(draft, repository),
    async commit(facts, state, always = false) {
      const { work, unseen } = draft
      for (const path of unseen ?? []) remove(draft, path)
      const changedDocuments = state === null ? [] : setDocuments(work, repository, state)
      const tree = work.write((content) => repository.add('tree', content))
      const head = repository.head(branch)
      const above = head ?? repository.head()
      const isSame = !always && head !== null && (await repository.commitFacts(head)).tree === tree
      if (isSame) repository.drop()
      const commit = isSame ? head : repository.commit({ ...facts, tree, parents: above === null ? [] : [above] }, branch)
      isOpen = false
      unsaved = tree
      return { commit, changed: !isSame, files: draft.changes, state: changedDocuments }
    },
  }
}

function remove(draft: Draft, path: string): void {
  if (draft.work.leaf(path) === undefined) return
  draft.work.remove(path)
  draft.changes += 1
}

/** What hands report of files. */
export function takeInto(draft: Draft, repository: Repository): Pick<Checkpoints, 'match' | 'put' | 'putPointer'> {
  const set = (path: string, file: NewFile): void => {
    if (setFile(draft.work, repository, `${files}/${treeName(path)}`, file)) draft.changes += 1
  }
  const putPointer: Checkpoints['putPointer'] = (path, pointer, { stamp, executable }) =>
    set(path, { mode: executable ? '100755' : '100644', stamp, content: pointer ?? unversioned(`${path} ${stamp}`) })
  return {
    match(entries) {
      const small: string[] = []
      const large: { path: string; stamp: string }[] = []
      for (const { path, kind, stamp } of entries) {
        const at = `${files}/${treeName(path)}`
        if (kind === 'gone') {
          remove(draft, at)
          continue
        }
        draft.unseen?.delete(at)
        if (stamp !== '' && draft.work.leaf(at)?.stamp === stamp) continue
        if (kind === 'large') large.push({ path, stamp })
        else small.push(path)
      }
      return { small, large }
    },
    put(paths, collected, content) {
      let offset = 0
      for (const [at, { kind, bytes, stamp }] of collected.entries()) {
        const path = paths[at]!
        // A large one comes in pieces.
        if (kind === 'gone') remove(draft, `${files}/${treeName(path)}`)
        else if (kind === 'closed') putPointer(path, null, { stamp, executable: false })
        else if (kind !== 'large') set(path, { mode: modes[kind], stamp, content: content.subarray(offset, offset + bytes) })
        offset += Math.max(0, bytes)
      }
    },
    putPointer,
  }
}

interface NewFile {
  readonly mode: FileMode
  readonly stamp: string
  readonly content: Buffer
}

/** @returns whether content or mode have changed */
function setFile(work: WorkTree, repository: Repository, path: string, { mode, stamp, content }: NewFile): boolean {
  const before = work.leaf(path)
  const oid = objectId('blob', content)
  const isSame = before !== undefined && before.oid === oid && before.mode === mode
  if (!isSame) repository.add('blob', content)
  work.set(path, { oid, mode, stamp })
  return !isSame
}

/** Replaces all documents. @returns those that have changed */
function setDocuments(work: WorkTree, repository: Repository, state: readonly StateText[]): Committed['state'] {
  const changed: { document: string; version: number }[] = []
  const gone = new Set(work.paths(documents))
  for (const { document, version, text } of state) {
    const path = `${documents}/${documentPath(document)}`
    gone.delete(path)
    if (setFile(work, repository, path, { mode: '100644', stamp: '', content: Buffer.from(text) })) changed.push({ document, version })
  }
  for (const path of gone) {
    work.remove(path)
    changed.push({ document: documentName(path.slice(documents.length + 1)), version: 0 })
  }
  return changed
}

/** A name that begins with a dot could be one that git refuses, such as `.git`. */
export function documentPath(document: string): string {
  const parts = document.split('/').map((part) =>
    encodeURIComponent(part)
      .replace(/^\./, '%2E')
      .replace(/^git~/i, (all) => `%${all.charCodeAt(0).toString(16)}${all.slice(1)}`),
  )
  return `${parts.join('/')}.json`
}

/** @param path below `state/` @returns `category/name` */
export function documentName(path: string): string {
  return path.slice(0, -'.json'.length).split('/').map(decodeURIComponent).join('/')
}

/** As people name it: `/shared/…`, or `/state/…` of a saved document. */
export function shownPath(inTree: string): string {
  return inTree.startsWith('state/') ? `/state/${documentName(inTree.slice('state/'.length))}` : `/${fileName(inTree)}`
}

/** The files of a tree, without stamps. */
export async function fromTree(repository: Repository, tree: string): Promise<WorkTree> {
  const work = createWorkTree()
  const fill = async (oid: string, above: string): Promise<void> => {
    for (const entry of await repository.tree(oid)) {
      const path = above === '' ? entry.name : `${above}/${entry.name}`
      if (entry.mode === folderMode) await fill(entry.oid, path)
      else work.set(path, { oid: entry.oid, mode: entry.mode as FileMode, stamp: '' })
    }
  }
  await fill(tree, '')
  return work
}
