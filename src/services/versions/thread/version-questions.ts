/** What the thread of the versions is asked, and what it answers. */
import type { BranchChange, HandsOps, SnapshotEntry } from '../../../protocol/index.ts'
import type { StateText, Wanted } from './checkpoint.ts'
import type { ArchivePiece, Comparison, LargeFile } from './history.ts'
import type { NewestState } from './kept-versions.ts'
import type { MergedTree, MergeRequest } from './merge-trees.ts'
import type { NewCommit } from '../../../repository/index.ts'
import type { Takeover, TakeoverRequest } from './take-over.ts'
import type { UndoneTurn, UndoRequest } from './undo-turn.ts'
import type { VerifyStep } from './verify-versions.ts'
import type { Committed, Difference, LoggedCommit, ShownFile, VersionedTurn } from '../version-schemas.ts'

/** Who commits, when, and with which subject. */
export type CommitBy = Omit<NewCommit, 'tree' | 'parents'>

/** What the thread answers, by the name of the question. */
export interface VersionAnswers {
  // `branch`: of files; '': the workspace.
  /** @param ask `over`: of an overlay, whose changes are listed */
  begin(ask: {
    readonly branch: string
    readonly whole: boolean
    readonly except: readonly string[]
    readonly over?: { readonly commit: string; readonly changes: readonly BranchChange[] }
  }): Promise<void>
  /** Begins a branch of files with a version. */
  point(ask: { readonly branch: string; readonly commit: string }): Promise<void>
  match(ask: { readonly branch: string; readonly entries: readonly SnapshotEntry[] }): Promise<Wanted>
  put(ask: { readonly branch: string; readonly paths: readonly string[] } & HandsOps['collect']['output']): Promise<void>
  /** Keeps what makes the next start quick. @param ask `last`: what can wait is left */
  keep(ask: { readonly last: boolean }): Promise<void>
  /** A piece of a large file. `none`: there is no version of it. */
  large(ask: LargePiece): Promise<void>
  extras(ask: { readonly ignore: readonly string[] }): Promise<readonly string[]>
  /** @returns the files of the newest version that it has no content for */
  unversioned(ask: { readonly paths: readonly string[] }): Promise<readonly string[]>
  commit(ask: {
    readonly branch: string
    readonly facts: CommitBy
    readonly state: readonly StateText[] | null
    readonly always: boolean
    /** In a cluster: it is in the store before this is answered. Else it goes there with one that follows. */
    readonly isKept: boolean
  }): Promise<Committed>
  /** In a cluster: what its store has, compared with what this node has had of it. */
  newest(ask: Readonly<Record<string, never>>): Promise<NewestState>
  /** Gets all that the store has, also what this node should have. */
  fetchAll(ask: Readonly<Record<string, never>>): Promise<void>
  /** Gets what this node lacks of the newest version, and plans how its files become that one. */
  takeOver(ask: TakeoverRequest): Promise<Takeover>
  /** The files are as planned. */
  took(ask: Takeover): Promise<void>
  merge(ask: MergeRequest): Promise<MergedTree>
  undo(ask: UndoRequest): Promise<UndoneTurn>
  turns(ask: { readonly limit: number }): Promise<readonly VersionedTurn[]>
  largeIn(ask: { readonly commit: string; readonly paths: readonly string[] }): Promise<readonly LargeFile[]>
  /** @returns the hash of each file of a version, as hands give it; '' where it has none */
  hashes(ask: { readonly commit: string; readonly paths: readonly string[] }): Promise<readonly string[]>
  largePiece(ask: { readonly sha256: string; readonly offset: number; readonly maxBytes: number }): Promise<Uint8Array>
  forget(ask: { readonly branch: string }): Promise<void>
  tag(ask: {
    readonly tag: string
    readonly at: string
    readonly message: string
    readonly author: string
    readonly time: number
  }): Promise<{ commit: string }>
  resolve(ask: { readonly at: string }): Promise<string>
  /** @returns the newest commit of a branch of files; null: it has no commit */
  head(ask: { readonly branch: string }): Promise<string | null>
  /** A step of a check of everything that is kept. */
  verify(ask: { readonly begin: boolean }): Promise<VerifyStep>
  /** @param ask `each`: every commit of a turn, not one version for all of them */
  log(ask: {
    readonly from: string
    readonly path: string
    readonly limit: number
    readonly each?: boolean
  }): Promise<readonly LoggedCommit[]>
  /** @param ask `from` '': the commit before `to`; null: no file at all */
  compare(ask: Comparison): Promise<Difference>
  /** @returns whether a version has a file or folder */
  has(ask: { readonly at: string; readonly path: string }): Promise<boolean>
  /** @returns the file whose name is most like the last part of this path; '': none is like it */
  nearest(ask: { readonly at: string; readonly path: string }): Promise<string>
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

interface LargePiece {
  readonly branch: string
  readonly path: string
  readonly stamp: string
  readonly executable: boolean
  readonly offset: number
  readonly content: Uint8Array
  readonly end: 'more' | 'last' | 'none'
}

/** Asks the thread of the versions. */
export type Ask = <Name extends keyof VersionAnswers>(
  name: Name,
  question: Parameters<VersionAnswers[Name]>[0],
) => Promise<Awaited<ReturnType<VersionAnswers[Name]>>>
