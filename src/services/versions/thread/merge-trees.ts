/**
 * Merges the changes of a branch of files into the workspace, three ways: from the version that the branch began with, to the newest one
 * of the branch, and to the newest one of the workspace. A file that only the branch has changed is taken; one that both have changed is
 * merged line by line, where their changes do not touch; anything else is a conflict. The merge is a commit; nothing else changes here.
 */
import { diffArrays } from 'diff'
import { files, fromTree } from './checkpoint.ts'
import { compare, entryAt, isText, pairs, rootOf } from './history.ts'
import {
  type LargeFiles,
  type NewCommit,
  type Repository,
  type FileMode,
  folderMode,
  type TreeEntry,
  type WorkTree,
} from '../../../repository/index.ts'
import { maxDiffedBytes, mergeDiffMs } from '../limits.ts'
import type { Conflict, FileChange } from '../version-schemas.ts'

export interface MergeRequest {
  /** The branch of files, which then has the merge as its newest commit. */
  readonly branch: string
  /** Commits: what both began with, the workspace, the branch. */
  readonly base: string
  readonly ours: string
  readonly theirs: string
  /** What is taken of a file whose changes cannot be merged; `none`: then nothing is merged. */
  readonly conflicts: 'none' | 'workspace' | 'branch'
  readonly facts: Omit<NewCommit, 'tree' | 'parents'>
}

export interface MergedTree {
  /** Null: it was refused, or there is nothing to merge. */
  readonly commit: string | null
  /** Because of the conflicts. */
  readonly refused: boolean
  /** From the workspace to the merge. */
  readonly changes: readonly FileChange[]
  readonly conflicts: readonly Conflict[]
}

/** What becomes of a path: another entry, or none. */
export interface Write {
  readonly path: string
  readonly entry: TreeEntry | null
}

export async function mergeTrees(repository: Repository, large: LargeFiles, request: MergeRequest): Promise<MergedTree> {
  const { branch, base, ours, theirs, conflicts: rule, facts } = request
  const treeOf = async (commit: string): Promise<string> => (await repository.commitFacts(commit)).tree
  const ourTree = await treeOf(ours)
  const writes: Write[] = []
  const conflicts: Conflict[] = []
  const conflict = (path: string, why: string, theirEntry: TreeEntry | null): void => {
    conflicts.push({ path, why })
    if (rule === 'branch') writes.push({ path, entry: theirEntry })
  }
  for await (const { path, before, after } of pairs(
    repository,
    await rootOf(repository, base, files),
    await rootOf(repository, theirs, files),
    files,
  )) {
    const there = await entryAt(repository, ourTree, path)
    // A folder that the branch has replaced by a file: what is left in it blocks the file below.
    const own = before === null && there?.mode === folderMode ? null : there
    if (isSame(own, after)) continue
    if (isSame(own, before)) writes.push({ path, entry: after })
    else if (own?.mode === folderMode) conflict(path, 'the workspace has a folder there', after)
    else if (own === null) conflict(path, 'the workspace has deleted it', after)
    else if (after === null) conflict(path, 'the branch has deleted it', after)
    else {
      const merged = before === null ? null : await mergeFile(repository, large, before, own, after)
      if (merged === null) conflict(path, before === null ? 'both have added it' : 'both have changed the same part', after)
      else writes.push({ path, entry: merged })
    }
  }
  const refused = conflicts.length > 0 && rule === 'none'
  if (refused || writes.length === 0) {
    repository.drop()
    return { commit: null, changes: [], conflicts, refused }
  }
  const work = await fromTree(repository, ourTree)
  const blocked = putAll(work, writes)
  if (blocked.length > 0 && rule !== 'workspace') {
    repository.drop()
    return { commit: null, changes: [], conflicts: [...conflicts, ...blocked], refused: true }
  }
  const tree = work.write((content) => repository.add('tree', content))
  const commit = repository.commit({ ...facts, tree, parents: [ours, theirs] }, branch)
  const { changes } = await compare(repository, { from: ours, to: commit, path: files, text: false, limit: Infinity })
  return { commit, changes, conflicts: [...conflicts, ...blocked], refused: false }
}

export function isSame(a: TreeEntry | null, b: TreeEntry | null): boolean {
  return a?.oid === b?.oid && a?.mode === b?.mode
}

/** Removes first: a folder may be where a file was. @returns paths above which the workspace has a file */
export function putAll(work: WorkTree, writes: readonly Write[]): readonly Conflict[] {
  for (const { path, entry } of writes) if (entry === null) work.remove(path)
  const blocked: Conflict[] = []
  for (const { path, entry } of writes) {
    if (entry === null) continue
    const parts = path.split('/')
    const above = parts.map((_, i) => parts.slice(0, i).join('/')).filter((folder) => folder !== '')
    const file = above.find((folder) => work.leaf(folder) !== undefined)
    if (file !== undefined) blocked.push({ path, why: `the workspace has a file ${file}` })
    else if (isFolder(work, path)) blocked.push({ path, why: 'there is a folder with other files' })
    else work.set(path, { oid: entry.oid, mode: entry.mode as FileMode, stamp: '' })
  }
  return blocked
}

function isFolder(work: WorkTree, path: string): boolean {
  return work.paths(path)[Symbol.iterator]().next().done !== true
}

/** @param before what both began with @returns null if it is a conflict */
export async function mergeFile(
  repository: Repository,
  large: LargeFiles,
  before: TreeEntry,
  own: TreeEntry,
  after: TreeEntry,
): Promise<TreeEntry | null> {
  const mode = own.mode === before.mode ? after.mode : after.mode === before.mode || after.mode === own.mode ? own.mode : null
  if (mode === null || [before, own, after].some((entry) => entry.mode === linkMode)) return null
  if (own.oid === before.oid || own.oid === after.oid) return { ...after, mode }
  if (after.oid === before.oid) return { ...own, mode }
  const texts = await Promise.all([before, own, after].map(({ oid }) => repository.blob(oid)))
  if (!texts.every((content) => content.length <= maxDiffedBytes && isText(content) && large.pointerOf(content) === null)) return null
  const [base, ours, theirs] = texts.map((content) => content.toString())
  const merged = mergeTexts(base!, ours!, theirs!)
  return merged === null ? null : { name: after.name, mode, oid: repository.add('blob', Buffer.from(merged)) }
}

const linkMode = '120000'

/** Lines of the base that are replaced. */
interface Hunk {
  readonly from: number
  /** Behind the last one. */
  readonly to: number
  readonly lines: readonly string[]
}

/** @returns null where both have changed lines that touch, differently */
export function mergeTexts(base: string, ours: string, theirs: string): string | null {
  const lines = linesOf(base)
  const [own, other] = [ours, theirs].map((text) => hunksOf(lines, linesOf(text)))
  if (own === null || own === undefined || other === null || other === undefined) return null
  const isEqual = (a: Hunk, b: Hunk): boolean => a.from === b.from && a.to === b.to && a.lines.join('') === b.lines.join('')
  const touching = own.some((a) => other.some((b) => a.from <= b.to && b.from <= a.to && !isEqual(a, b)))
  if (touching) return null
  const all = [...own, ...other.filter((b) => !own.some((a) => isEqual(a, b)))].sort((a, b) => a.from - b.from)
  const merged: string[] = []
  let at = 0
  for (const hunk of all) {
    merged.push(...lines.slice(at, hunk.from), ...hunk.lines)
    at = hunk.to
  }
  return [...merged, ...lines.slice(at)].join('')
}

function linesOf(text: string): string[] {
  return text.split(/(?<=\n)/)
}

/** @returns null if the texts are too different to compare in time */
function hunksOf(base: string[], other: string[]): readonly Hunk[] | null {
  const parts = diffArrays(base, other, { timeout: mergeDiffMs })
  if (parts === undefined) return null
  const hunks: Hunk[] = []
  let at = 0
  let open: { from: number; lines: string[] } | null = null
  for (const { added, removed, value } of parts) {
    if (added || removed) {
      open ??= { from: at, lines: [] }
      if (added) open.lines.push(...value)
      else at += value.length
      continue
    }
    if (open !== null) hunks.push({ ...open, to: at })
    open = null
    at += value.length
  }
  return open === null ? hunks : [...hunks, { ...open, to: at }]
}
