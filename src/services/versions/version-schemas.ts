/** Schemas of what the calls of the versions return; the types follow from them. The thread of the versions loads only the types. */
import { z } from 'zod'
import { idOrEmpty, jsonSchema, labelSchema } from '../../protocol/index.ts'

const fileChange = z.strictObject({
  path: z.string().describe('As people name it: `/shared/…`, or `/state/…` for a saved document.'),
  change: z.enum(['added', 'changed', 'deleted']),
})

/** A file that differs. Within the versions its path is from the top of the tree: `shared/…` or `state/…`. */
export type FileChange = z.infer<typeof fileChange>

export const difference = z.strictObject({
  from: z.string(),
  to: z.string(),
  changes: z.array(fileChange).readonly(),
  total: z.int().describe('Files that have changed; `changes` may list fewer.'),
  text: z.string().describe("A unified diff of the text files; '' if it was not wanted."),
})

export type Difference = z.infer<typeof difference>

const conflict = z.strictObject({ path: z.string(), why: z.string() })

/** A file that is left as it is. Its path is as in `FileChange`. */
export type Conflict = z.infer<typeof conflict>

export const committed = z.strictObject({
  commit: z
    .string()
    .nullable()
    .describe('The newest commit: a new one, or the last one when nothing has changed. Null in an empty repository.'),
  changed: z.boolean(),
  files: z.int().describe('Files written or removed by this commit.'),
  state: z
    .array(z.strictObject({ document: z.string(), version: z.int() }))
    .readonly()
    .describe('Documents that this commit changed; version 0: deleted.'),
})

export type Committed = z.infer<typeof committed>

export const verifiedVersions = z.strictObject({
  ok: z.boolean(),
  commits: z.int().describe('Those that the newest version and the tags lead to.'),
  objects: z.int().describe('Commits, folders and files that were looked at.'),
  problems: z.array(z.string()).describe('What is missing or not what was written; at most 20.'),
})

export type VerifiedVersions = z.infer<typeof verifiedVersions>

export const turnVersion = committed.extend({ turn: z.string() })

export const loggedCommit = z.strictObject({
  commit: z.string(),
  parents: z.array(z.string()).readonly(),
  author: z.string(),
  at: z.number().describe('Unix milliseconds, in whole seconds.'),
  subject: z.string(),
  trailers: z.record(z.string(), z.string()).readonly().describe('Trailers of the message, by name in lower case.'),
  tags: z.array(z.string()).readonly(),
  labels: z
    .array(labelSchema())
    .readonly()
    .nullable()
    .describe('Of those who wrote its message and its tags; null for a message of an earlier release, which does not say.'),
})

/** A version: a commit, or the last of those that a turn has made one after another, with the parent of the first. */
export type LoggedCommit = z.infer<typeof loggedCommit>

export const shownFile = z.strictObject({ commit: z.string(), bytes: z.int(), text: z.string(), truncated: z.boolean() })

export type ShownFile = Omit<z.infer<typeof shownFile>, 'commit'>

export const restored = z.strictObject({
  commit: z.string(),
  changes: difference.shape.changes,
  total: z.int(),
  before: z.string().describe('The commit that holds what was replaced.'),
  after: z.string().describe("The commit of the restored state; '' for a preview."),
})

export type Restored = z.infer<typeof restored>

export const versionedTurn = z.strictObject({
  turn: z.string().describe('By which it is undone: of an undo, its own.'),
  session: z.string(),
  subject: z.string(),
  author: z.string(),
  at: z.number(),
  commit: z.string().describe('Its newest commit.'),
  undoes: z.string().describe("What it undoes: a turn, undone with those that it has started, or an undo; '': it is a turn."),
  undone: z.boolean(),
})

/** A turn that has versions, or an undo. */
export type VersionedTurn = z.infer<typeof versionedTurn>

const outsideCall = z.strictObject({
  id: z.string().describe('Of the call.'),
  call: z.string(),
  compensation: z
    .strictObject({ call: z.string(), input: jsonSchema() })
    .nullable()
    .describe('The call that makes up for it, as its description declares it; null: it declares none.'),
})

/** A call of a turn whose effect an undo does not take back. */
export type OutsideCall = z.infer<typeof outsideCall>

export const undone = z.strictObject({
  undo: z.string().describe("By which the undo itself is undone; '' for a preview."),
  turn: z.string(),
  subject: z.string(),
  changes: z.array(fileChange).readonly(),
  total: z.int(),
  conflicts: z.array(conflict).readonly().describe('What is left as it is, and why.'),
  others: z.array(z.string()).readonly().describe('What else the turn did, which is not taken back.'),
  outside: z.array(outsideCall).readonly().describe('The calls among them.'),
  diff: z.string().describe("A unified diff of what would change; '' after an undo."),
  digest: z.string().describe('Of this plan: an undo that names it does nothing else.'),
})

export type Undone = z.infer<typeof undone>

export const branchRecord = z.strictObject({
  name: z.string(),
  home: idOrEmpty('SessionId').describe('Session that asked for it; empty: a person outside of any.'),
  session: idOrEmpty('SessionId').describe('Session that works on it; empty: not known.'),
  by: z.string(),
  version: z.string().describe('Version of the workspace that it is a copy of.'),
  base: z.string().describe('Its own first commit, with which its changes are compared.'),
  over: z.string().default('').describe('The version that its overlay lies over; empty: it is a copy.'),
  hands: z.array(z.string()).readonly().optional().describe('What the node has to offer that its hands start on; absent: they are here.'),
  copied: z.string().default('').describe('Why it is a copy; empty for an overlay, and where nothing is known.'),
  state: z
    .enum(['making', 'open', 'merging', 'merged', 'dropped'])
    .describe('`making`: a crash interrupted its copy. `merged` and `dropped`: its files are gone.'),
  labels: z.array(labelSchema()).readonly().describe('Labels of what those who changed it had read.'),
  merge: z
    .strictObject({ commit: z.string(), before: z.string(), into: z.string().optional() })
    .nullable()
    .describe('The merge that has begun: its commit, the version before it, and the branch into which it is; without one: the workspace.'),
  created_at: z.number(),
  ended_at: z.number().nullable(),
})

export type BranchRecord = Readonly<z.infer<typeof branchRecord>>

export const mergedBranch = z.strictObject({
  changes: z.array(fileChange).readonly().describe('From the workspace, or the other branch, to the merge; of many, the first.'),
  total: z.int(),
  conflicts: z.array(conflict).readonly(),
  before: z.string().describe('Version before the merge; empty: nothing was merged.'),
  after: z.string().describe('Version after the merge; empty: nothing was merged, or it was a dry run.'),
})

export type MergedBranch = z.infer<typeof mergedBranch>
