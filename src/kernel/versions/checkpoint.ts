/**
 * Checkpoints: takes what hands report of the workspace and the documents of the state into the tree, and commits it if it differs. The
 * files of the workspace are under `shared/`, the documents under `state/`.
 */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { HandsOps, SnapshotEntry } from '../../types/index.ts'
import { objectId } from './pack-file.ts'
import type { NewCommit, Repository } from './repository.ts'
import { createWorkTree, type FileMode, folderMode, readStamps, type WorkTree } from './work-tree.ts'

type Collected = HandsOps['collect']['output']['files'][number]

/** A document of the state as it is committed. */
export interface StateText {
  /** `category/name`. */
  readonly document: string
  readonly version: number
  readonly text: string
}

export interface Committed {
  /** The newest commit: a new one, or the last one when nothing has changed. Null in an empty repository. */
  readonly commit: string | null
  readonly changed: boolean
  /** Files written or removed by this commit. */
  readonly files: number
  /** Documents that this commit changed; version 0: deleted. */
  readonly state: readonly { readonly document: string; readonly version: number }[]
}

export interface Checkpoints {
  /** Begins a checkpoint; one that was not committed is dropped. @param whole what is not listed is gone */
  begin(whole: boolean): Promise<void>
  /** Forgets what is kept beside the repository. */
  forget(): void
  /** @returns the files whose content is needed */
  match(entries: readonly SnapshotEntry[]): readonly string[]
  /** Takes in contents, which follow each other in `content`. */
  put(paths: readonly string[], files: readonly Collected[], content: Buffer): void
  /** @param state all documents; null: they have not changed */
  commit(facts: Omit<NewCommit, 'tree' | 'parents'>, state: readonly StateText[] | null): Promise<Committed>
}

const modes: Readonly<Record<Collected['kind'], FileMode>> = { file: '100644', program: '100755', link: '120000' }
export const files = 'shared'
const documents = 'state'

/** @param branch of files, whose first commit follows the newest one of the workspace; '': the workspace */
export async function createCheckpoints(folder: string, repository: Repository, branch: string = ''): Promise<Checkpoints> {
  const stamps = join(folder, branch === '' ? 'oxbow-stamps.json' : `oxbow-stamps-${branch}.json`)
  let work = await open()
  /** Files that a whole listing has not named yet; null when only changes are listed. */
  let unseen: Set<string> | null = null
  let changes = 0
  let isOpen = false

  async function open(): Promise<WorkTree> {
    const head = repository.head(branch) ?? repository.head()
    if (head === null) return createWorkTree()
    const { tree } = await repository.commitFacts(head)
    return readStamps(stamps, tree) ?? fromTree(repository, tree)
  }
  const remove = (path: string): void => {
    if (work.leaf(path) === undefined) return
    work.remove(path)
    changes += 1
  }
  return {
    async begin(whole) {
      if (isOpen) {
        repository.drop()
        work = await open()
      }
      isOpen = true
      changes = 0
      unseen = whole ? new Set(work.paths(files)) : null
    },
    forget: () => rmSync(stamps, { force: true }),
    match(entries) {
      const wanted: string[] = []
      for (const { path, kind, stamp } of entries) {
        const at = `${files}/${path}`
        if (kind === 'gone' || kind === 'large') {
          remove(at)
          continue
        }
        unseen?.delete(at)
        if (stamp === '' || work.leaf(at)?.stamp !== stamp) wanted.push(path)
      }
      return wanted
    },
    put(paths, collected, content) {
      let offset = 0
      for (const [at, { kind, bytes, stamp }] of collected.entries()) {
        const path = `${files}/${paths[at]}`
        if (bytes < 0) remove(path)
        else if (setFile(work, repository, path, { mode: modes[kind], stamp, content: content.subarray(offset, offset + bytes) }))
          changes += 1
        offset += Math.max(0, bytes)
      }
    },
    async commit(facts, state) {
      for (const path of unseen ?? []) remove(path)
      const changedDocuments = state === null ? [] : setDocuments(work, repository, state)
      const tree = work.write((content) => repository.add('tree', content))
      const head = repository.head(branch)
      const above = head ?? repository.head()
      const isSame = head !== null && (await repository.commitFacts(head)).tree === tree
      if (isSame) repository.drop()
      const commit = isSame ? head : repository.commit({ ...facts, tree, parents: above === null ? [] : [above] }, branch)
      isOpen = false
      // A kill before this costs a second look at each file, and nothing else.
      setImmediate(() => work.save(stamps, tree))
      return { commit, changed: !isSame, files: changes, state: changedDocuments }
    },
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
