/**
 * What it takes to undo a turn. Its commits have what it changed and nothing else, so each is taken back by itself, the newest first, as a
 * merge of three: from the files after the commit, to those before it, into the files as they are now. A file that nobody has touched since
 * gets its old content; in a text that others have changed elsewhere only the turn's lines are taken back; everything else is left as it is,
 * and named. An undo is a commit with a turn of its own, so that it is undone in the same way.
 */
import { createHash } from 'node:crypto'
import {
  maxLogScan,
  type LargeFiles,
  type CommitFacts,
  type NewCommit,
  type Repository,
  folderMode,
  type TreeEntry,
} from '../../../repository/index.ts'
import { OxbowError } from '../../../base/index.ts'
import { unknownTurn } from './message-labels.ts'
import { movedFolder } from './left-out.ts'
import { fromTree } from './checkpoint.ts'
import { compare, entryAt, pairs } from './history.ts'
import { isSame, mergeFile, putAll, type Write } from './merge-trees.ts'
import type { Conflict, FileChange, VersionedTurn } from '../version-schemas.ts'

export interface UndoRequest {
  /** Undone together: a turn, and those that it has started. */
  readonly turns: readonly string[]
  /** The newest commit: the workspace as it is. */
  readonly ours: string
  /** Folders of the person that versions cover now, as `KernelOptions` has them. */
  readonly covered: readonly string[]
  /** Of the commit in which the turn is undone, as the newest one of a branch of this name; the workspace is as before. */
  readonly branch: string
  readonly facts: Omit<NewCommit, 'tree' | 'parents'>
  /** Also what has been changed since gets its content of before the turn. */
  readonly overwrites: boolean
  /** The turn may have changed no file: then there is nothing to take back. */
  readonly mayLack: boolean
}

export interface UndoneTurn {
  /** First line of the turn's message. */
  readonly subject: string
  /** Null: there is nothing to take back. */
  readonly commit: string | null
  /** From the workspace to that commit. */
  readonly changes: readonly FileChange[]
  readonly conflicts: readonly Conflict[]
  /** Hash of what these paths have now and of what they get: '' where nothing changes. */
  readonly content: string
}

/** One change of a path that a turn has made. */
interface Step {
  readonly before: TreeEntry | null
  readonly after: TreeEntry | null
}

/** @throws OxbowError `not_found` where the versions do not have what the turn did */
export async function undoTurn(
  repository: Repository,
  large: LargeFiles,
  { turns, ours, covered, branch, facts, overwrites, mayLack }: UndoRequest,
): Promise<UndoneTurn> {
  const { own, shared } = await commitsOf(repository, new Set(turns), ours, mayLack)
  const ourTree = (await repository.commitFacts(ours)).tree
  const steps = new Map<string, Step[]>()
  const conflicts = new Map<string, string>()
  for (const { tree, parents, trailers } of own) {
    for (const [path, step] of await stepsIn(repository, parents[0]!, tree)) {
      steps.set(path, [...(steps.get(path) ?? []), step])
      const why = movedFolder(path, trailers, covered)
      if (why !== '') conflicts.set(path, why)
    }
  }
  for (const { tree, parents, trailers } of shared) {
    for (const [path] of await stepsIn(repository, parents[0]!, tree))
      conflicts.set(path, movedFolder(path, trailers, covered) || 'somebody else may have changed it at the same time')
  }
  const writes: Write[] = []
  const present = new Map<string, TreeEntry | null>()
  for (const [path, taken] of steps) {
    if (conflicts.has(path)) continue
    const now = await entryAt(repository, ourTree, path)
    present.set(path, now)
    const merged = await takeBack(repository, large, now, [path, taken])
    const found = overwrites && typeof merged === 'string' ? await oldest(repository, large, [path, taken], merged) : merged
    if (typeof found === 'string') conflicts.set(path, found)
    else if (!isSame(found, now)) writes.push({ path, entry: found })
  }
  for (const path of await brokenRepositories(repository, ourTree, steps, writes)) conflicts.set(path, 'its repository has changed since')
  const work = await fromTree(repository, ourTree)
  for (const path of await keptMoves(repository, ourTree, steps, { conflicts, writes }))
    conflicts.set(path, 'it was moved here, and there is another file where it was')
  const kept = writes.filter(({ path }) => !conflicts.has(path))
  for (const { path, why } of putAll(work, kept)) conflicts.set(path, why)
  const tree = work.write((content) => repository.add('tree', content))
  const left = [...conflicts].map(([path, why]) => ({ path, why }))
  const subject = own[0]?.subject ?? shared[0]?.subject ?? ''
  if (tree === ourTree) {
    repository.drop()
    return { subject, commit: null, changes: [], conflicts: left, content: '' }
  }
  const commit = repository.commit({ ...facts, tree, parents: [ours] }, branch)
  const { changes } = await compare(repository, { from: ours, to: commit, path: '', text: false, limit: Infinity })
  const contents = kept.map(({ path, entry }) => [path, present.get(path)?.oid, entry?.oid, entry?.mode])
  const content = createHash('sha256').update(JSON.stringify(contents)).digest('hex')
  return { subject, commit, changes, conflicts: left, content }
}

interface TurnCommits {
  /** Commits of this turn only, newest first. */
  readonly own: readonly CommitFacts[]
  /** Commits of several turns, or of an unknown author. */
  readonly shared: readonly CommitFacts[]
}

/** @returns what the path had before the turn, whatever it has now; or why it cannot have it */
async function oldest(
  repository: Repository,
  large: LargeFiles,
  [, steps]: readonly [path: string, steps: readonly Step[]],
  why: string,
): Promise<TreeEntry | null | string> {
  if (why === folderNow || why === noVersionBefore) return why
  const entry = steps.at(-1)!.before
  return entry !== null && large.pointerOf(await repository.blob(entry.oid))?.kind === 'none' ? noVersionBefore : entry
}

const folderNow = 'there is a folder now'
const noVersionBefore = 'there is no version of what was there before'

async function commitsOf(repository: Repository, turns: ReadonlySet<string>, from: string, mayLack: boolean): Promise<TurnCommits> {
  const own: CommitFacts[] = []
  const shared: CommitFacts[] = []
  let oid: string | undefined = from
  for (let scanned = 0; oid !== undefined && scanned < maxLogScan; scanned += 1) {
    const facts: CommitFacts = await repository.commitFacts(oid)
    const all = facts.trailers['oxbow-turns']?.split(' ') ?? [facts.trailers['oxbow-turn'] ?? '']
    const ours = all.filter((turn) => turns.has(turn))
    // What several of them did at once is theirs.
    if (ours.length > 0) (ours.length === all.length ? own : shared).push(facts)
    oid = facts.parents[0]
  }
  if (own.length + shared.length === 0 && mayLack) return { own, shared }
  if (own.length + shared.length === 0)
    throw new OxbowError('not_found', 'No version says what this turn changed, so it cannot be undone: nothing was changed.', {
      hint: 'oxbow log lists the versions; oxbow restore PATH --to VERSION brings back a file.',
    })
  if ([...own, ...shared].some(({ parents }) => parents.length === 0))
    throw new OxbowError('not_found', 'No version says what was there before this turn, so it cannot be undone: nothing was changed.', {
      hint: 'oxbow log lists the versions; oxbow restore PATH --to VERSION brings back a file.',
    })
  return { own, shared }
}

async function stepsIn(repository: Repository, parent: string, tree: string): Promise<readonly (readonly [path: string, step: Step])[]> {
  const found: (readonly [string, Step])[] = []
  const root = (oid: string): TreeEntry => ({ name: '', mode: folderMode, oid })
  const before = root((await repository.commitFacts(parent)).tree)
  for await (const { path, ...step } of pairs(repository, before, root(tree), '')) found.push([path, step])
  return found
}

/** @param steps the newest first @returns what the path has without them, or why that cannot be said */
async function takeBack(
  repository: Repository,
  large: LargeFiles,
  now: TreeEntry | null,
  [path, steps]: readonly [path: string, steps: readonly Step[]],
): Promise<TreeEntry | null | string> {
  let entry = now
  let isMerged = false
  for (const { before, after } of steps) {
    if (isSame(entry, before)) continue
    // The turn removed the file: a folder in its place goes with what this undo removes from it, or is named as blocking it.
    if (entry?.mode === folderMode && after !== null) return folderNow
    if (entry?.mode === folderMode) entry = null
    if (isSame(entry, after)) entry = before
    else if (entry === null) return 'it has been deleted since'
    else if (before === null) return 'it has been changed since the turn created it'
    else if (after === null) return 'there is another file of this name now'
    else {
      // The lines of a saved document are not its own.
      const merged = path.startsWith(documents) ? null : await mergeFile(repository, large, after, entry, before)
      if (merged === null) return 'the same part has been changed since'
      entry = merged
      isMerged = true
    }
  }
  // What was merged is stored with the commit of the undo.
  if (entry === null || isMerged || isSame(entry, now)) return entry
  return large.pointerOf(await repository.blob(entry.oid))?.kind === 'none' ? noVersionBefore : entry
}

const documents = 'state/'

/**
 * The files of a git repository belong together: objects that a later commit needs, or an index of other files, would break it.
 * @returns what to write in files that have changed since the turn
 */
async function brokenRepositories(
  repository: Repository,
  ourTree: string,
  steps: ReadonlyMap<string, readonly Step[]>,
  writes: readonly Write[],
): Promise<readonly string[]> {
  const repositoryOf = (path: string): string => /^(?:.*\/)?%+(?:\.git|git~1)(?=\/)/i.exec(path)?.[0] ?? ''
  const touched = [...steps].filter(([path]) => repositoryOf(path) !== '')
  const changed = new Set<string>()
  for (const [path, [newest]] of touched) {
    const now = await entryAt(repository, ourTree, path)
    if (!isSame(now, newest!.after) && !isSame(now, newest!.before)) changed.add(repositoryOf(path))
  }
  return writes.filter(({ path }) => changed.has(repositoryOf(path))).map(({ path }) => path)
}

/** @returns files that the turn has moved from where they cannot be brought back: taken back here, they would be nowhere */
async function keptMoves(
  repository: Repository,
  ourTree: string,
  steps: ReadonlyMap<string, readonly Step[]>,
  { conflicts, writes }: { readonly conflicts: ReadonlyMap<string, string>; readonly writes: readonly Write[] },
): Promise<readonly string[]> {
  const homeless = new Set([...conflicts.keys()].flatMap((path) => (steps.get(path) ?? []).map(({ before }) => before?.oid)))
  const kept: string[] = []
  for (const { path } of writes) {
    const now = await entryAt(repository, ourTree, path)
    if (now !== null && homeless.has(now.oid)) kept.push(path)
  }
  return kept
}

/** @returns the turns and undos of the newest versions, the newest first */
export async function listTurns(repository: Repository, limit: number): Promise<readonly VersionedTurn[]> {
  const found = new Map<string, VersionedTurn>()
  const undone = new Set<string>()
  let oid = repository.head()
  for (let scanned = 0; oid !== null && scanned < maxLogScan && found.size < limit; scanned += 1) {
    const { trailers, subject, author, at, commit, parents }: CommitFacts = await repository.commitFacts(oid)
    const undoneHere = (trailers['oxbow-undoes'] ?? '').split(' ')
    const [undoes = ''] = undoneHere
    for (const turn of [trailers['oxbow-turn'] ?? '', ...(trailers['oxbow-turns'] ?? '').split(' ')]) {
      if (turn === '' || turn === unknownTurn || found.has(turn)) continue
      // What has undone it is newer, so it is known by now.
      if (undoes !== '' && !undone.has(turn)) for (const one of undoneHere) undone.add(one)
      found.set(turn, { turn, session: trailers['oxbow-session'] ?? '', subject, author, at, commit, undoes, undone: undone.has(turn) })
    }
    oid = parents[0] ?? null
  }
  return [...found.values()]
}
