/**
 * The calls of the versions: commit, tag, log, diff, show and restore, and the commit after a turn. What they show is as untrusted as the
 * files that it comes from; a document of the state keeps the labels under which it was saved.
 */
import { posix } from 'node:path'
import { z } from 'zod'
import { assertNoBranch, type CallOf, type Documents, processRight } from '../../kernel/index.ts'
import { OxbowError } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  type Caller,
  defineCall,
  afterTurnCall,
  type Done,
  type Label,
  joinLabels,
  type Labels,
} from '../../protocol/index.ts'
import type { Store } from '../../store/index.ts'
import { bringBack } from './bring-back.ts'
import { movedFolder } from './thread/left-out.ts'
import { documentPath, shownPath, treeName } from './thread/checkpoint.ts'
import { labelLine, messageLabels, trailersOf } from './thread/message-labels.ts'
import type { Versioning } from './versioning.ts'
import type { Versions } from './versions.ts'
import { checkpointTimeoutMs, maxListedChanges, maxLogged } from './limits.ts'
import {
  committed,
  type Conflict,
  difference,
  type Difference,
  loggedCommit,
  restored,
  type Restored,
  shownFile,
  turnVersion,
  verifiedVersions,
} from './version-schemas.ts'

export interface VersionCallDeps {
  /** Folders of the person, by their names in /shared. */
  readonly mounts?: (() => readonly string[]) | undefined
  readonly versioning: () => Promise<Versioning>
  readonly documents: Pick<Documents, 'put'>
  /** Labels of what the caller has read, which its messages may repeat. */
  readonly heldLabels: (caller: Caller) => Labels
  readonly store: Pick<Store, 'session'>
  /** Called with the paths of files that were brought back. */
  readonly restored: (of: CallOf, paths: readonly string[]) => Promise<void>
}

export const reads = { tier: 'read_only', right: 'version.read', effect: 'none', timeoutMs: 60_000 } as const
export const writes = { tier: 'side_effecting', right: 'version.write', effect: 'idempotent', timeoutMs: checkpointTimeoutMs } as const
export const shared = {
  rare: true,
  audience: ['model', 'terminal'],
  // Somebody else may have written file names and messages, too.
  labels: { adds: ['untrusted'], sink: false },
} as const satisfies Partial<Call>

const path = z.string().max(4_096).describe('File or folder, relative to /shared; `/state/…` for a saved document.')
const at = z.string().min(1).max(200).describe('A commit or the beginning of one, a tag, or HEAD; with ~N the Nth before it.')

export function versionCalls(deps: VersionCallDeps): readonly Call[] {
  return [
    commitCall(deps),
    tagCall(deps),
    logCall(deps),
    diffCall(deps),
    showCall(deps),
    verifyCall(deps),
    restoreCall(deps),
    turnCall(deps),
  ]
}

/** @throws OxbowError `not_found` */
export async function open({ versioning }: Pick<VersionCallDeps, 'versioning'>): Promise<Versions> {
  const versions = await (await versioning()).versions()
  if (versions !== null) return versions
  throw new OxbowError('not_found', 'This guest keeps no versions.', { hint: 'Set versions.enabled = true in config.toml.' })
}

/** @returns the path in the tree of a commit; '' for all @throws OxbowError `path_refused` */
function treePath(text: string): string {
  const full = posix.resolve('/shared', text)
  if (full === '/') return ''
  const [, top = '', ...rest] = full.split('/')
  if (text.includes('\0') || (top !== 'shared' && top !== 'state') || (!text.startsWith('/') && top !== 'shared')) {
    throw new OxbowError('path_refused', `${JSON.stringify(text.slice(0, 200))} has no versions: it is outside /shared and /state.`, {
      hint: 'Name a file or folder in /shared, or a saved document as /state/CATEGORY/NAME.',
    })
  }
  return top === 'state' && rest.length > 0 ? `state/${documentPath(rest.join('/'))}` : treeName(full.slice(1))
}

const short = (commit: string): string => commit.slice(0, 8)

function commitCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...writes,
    name: 'version.commit',
    does: [],
    routes: [{ method: 'POST', path: '/versions', status: 201 }],
    summary: 'Commits the workspace and saved documents as they are now.',
    input: z.strictObject({ message: z.string().min(1).max(500) }),
    output: committed,
    example: { message: 'Before the migration' },
    recordOutput: (output) => ({ ...output, state: [...output.state] }),
    async run({ message }, { caller, clock }) {
      assertNoBranch(caller)
      await open(deps)
      const by = { author: caller.actor, at: clock.now(), subject: message, trailers: trailersOf(caller, deps.heldLabels(caller)) }
      const done = await (await deps.versioning()).commit(by)
      return {
        output: done,
        text: done.changed ? `Committed ${short(done.commit!)}.` : `Nothing has changed since ${short(done.commit!)}.`,
      }
    },
  })
}

function tagCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...writes,
    name: 'version.tag',
    does: [],
    routes: [{ method: 'PUT', path: '/versions/tags/{tag}' }],
    summary: 'Gives a version a name.',
    input: z.strictObject({
      tag: z.string().min(1).max(100).describe('Name without spaces.'),
      at: at.default('HEAD'),
      message: z.string().max(500).default(''),
    }),
    output: z.object({ commit: z.string() }),
    example: { tag: 'before-migration', at: 'HEAD', message: '' },
    async run({ tag, at: wanted, message }, { caller, clock }) {
      const text = `${message || tag}\n\n${labelLine(deps.heldLabels(caller))}`
      const done = await (await open(deps)).tag({ tag, at: wanted, message: text, author: caller.actor, time: clock.now() })
      return { output: done, text: `Tagged ${short(done.commit)} as ${tag}.` }
    },
  })
}

function logCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    name: 'version.log',
    routes: [{ method: 'GET', path: '/versions', list: 'commits' }],
    summary: 'Lists versions of the workspace, or of one file or folder, newest first.',
    input: z.strictObject({ path: path.default('/'), from: at.default('HEAD'), limit: z.int().min(1).max(maxLogged).default(20) }),
    output: z.strictObject({ commits: z.array(loggedCommit).readonly() }),
    example: { path: 'notes.md', from: 'HEAD', limit: 20 },
    recordOutput: ({ commits }) => ({ commits: commits.length }),
    async run({ path: of, from, limit }) {
      const versions = await open(deps)
      const inTree = treePath(of)
      const commits = await versions.log({ from, path: inTree, limit })
      if (commits.length === 0 && inTree !== '') await assertVersioned(versions, inTree)
      const lines = commits.map(({ commit, author, at: time, subject, tags }) => {
        const names = tags.length === 0 ? '' : ` (${tags.join(', ')})`
        return `${short(commit)} ${new Date(time).toISOString()} ${author}${names} ${subject}`
      })
      return {
        output: { commits },
        text: lines.join('\n') || 'There are no versions yet.',
        labels: await messageLabels(deps.store, commits),
      }
    },
  })
}

function diffCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    files: 'past',
    name: 'version.diff',
    routes: [{ method: 'GET', path: '/versions/diff' }],
    summary: 'Shows what changed between two versions, by default in the newest one.',
    input: z.strictObject({
      path: path.default('/'),
      from: at.optional().describe('The older version. Default: the one before `to`.'),
      to: at.default('HEAD'),
    }),
    output: difference,
    example: { path: 'notes.md', from: 'HEAD~2', to: 'HEAD' },
    recordOutput: ({ from, to, total }) => ({ from, to, files: total }),
    async run({ path: of, from = '', to }) {
      const found = await (await open(deps)).compare({ from, to, path: treePath(of), text: true, limit: maxListedChanges })
      const changes = found.changes.map((one) => ({ ...one, path: shownPath(one.path) }))
      const text =
        changes.length === 0 ? 'Nothing changed.' : `${changes.map((one) => `${one.change} ${one.path}`).join('\n')}\n\n${found.text}`
      // The labels of single documents are not looked up.
      const labels: readonly Label[] = found.changes.some((one) => one.path.startsWith('state/')) ? ['private'] : []
      return { output: { ...found, changes }, text, labels }
    },
  })
}

function showCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    files: 'past',
    name: 'version.show',
    routes: [{ method: 'GET', path: '/versions/{at}/files/{path+}' }],
    summary: 'Shows a file as it was in a version.',
    input: z.strictObject({ path, at }),
    output: shownFile,
    example: { path: 'notes.md', at: 'HEAD~1' },
    recordOutput: ({ commit, bytes }) => ({ commit, bytes }),
    async run({ path: of, at: wanted }) {
      const inTree = treePath(of)
      const shown = await (await open(deps)).show({ at: wanted, path: inTree })
      return { output: shown, text: shown.text, labels: inTree.startsWith('state/') ? labelsIn(shown.text) : [] }
    },
  })
}

/** The labels of a saved document; all of them if it cannot be read. */
function labelsIn(text: string): readonly Label[] {
  try {
    return (JSON.parse(text) as { labels: Label[] }).labels
  } catch {
    return ['untrusted', 'private']
  }
}

/** It names ids of the repository, and nothing that anybody has written. */
function verifyCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...reads,
    name: 'version.verify',
    routes: [{ method: 'POST', path: '/versions/verify' }],
    summary: 'Checks that every version can be brought back: reads each commit, folder and file of them from the disk.',
    input: z.strictObject({}),
    output: verifiedVersions,
    example: {},
    labels: { adds: [], sink: false },
    timeoutMs: checkpointTimeoutMs,
    recordOutput: ({ ok, commits, objects, problems }) => ({ intact: ok, commits, objects, problems: problems.length }),
    async run(_, { signal }) {
      const { ok, commits, objects, problems } = await (await open(deps)).verify(signal)
      const output = { ok, commits, objects, problems: [...problems] }
      const text = ok ? `${commits} versions with ${objects} objects are whole.` : problems.join('\n')
      return { output, text, ok }
    },
  })
}

type RestoreInput = z.infer<typeof restoreInput>

const restoreInput = z.strictObject({
  path,
  at,
  apply: z.boolean().default(false).describe('Restore; otherwise only list what would change.'),
})

function restoreCall(deps: VersionCallDeps): Call {
  return defineCall({
    ...shared,
    ...writes,
    files: 'past',
    name: 'version.restore',
    routes: [{ method: 'POST', path: '/versions/{at}/restore' }],
    summary: 'Brings a file, a folder or everything back to a version, deleted files too. Without apply: only a preview.',
    input: restoreInput,
    output: restored,
    example: { path: 'notes.md', at: 'HEAD~1', apply: false },
    recordOutput: ({ commit, total, before, after }) => ({ commit, total, before, after }),
    run: (input, context) => restore(deps, input, context),
  })
}

async function restore(
  deps: VersionCallDeps,
  { path: of, at: wanted, apply }: RestoreInput,
  context: CallContext,
): Promise<Done<Restored>> {
  const { caller, clock } = context
  assertNoBranch(caller)
  const versions = await open(deps)
  const inTree = treePath(of)
  // Resolved before anything is committed, since `HEAD~1` would then name another version.
  const target = await versions.resolve({ at: wanted })
  // The subject names files.
  const labels = joinLabels(deps.heldLabels(caller), context.labels())
  const by = { author: caller.actor, at: clock.now(), trailers: trailersOf(caller, labels) }
  const name = inTree === '' ? 'everything' : shownPath(inTree)
  const before = (await (await deps.versioning()).sync()).commit!
  const all = await versions.compare({ from: before, to: target, path: inTree, text: false, limit: Infinity })
  const [version] = await versions.log({ from: target, path: '', limit: 1 })
  const { found, unseen } = await withoutOtherFolders(deps, versions, { target, trailers: version?.trailers ?? {} }, all)
  const listed = found.changes.slice(0, maxListedChanges).map((one) => ({ ...one, path: shownPath(one.path) }))
  const lines = listed.map(({ path: file, change }) => `${restoredVerb[change]} ${file}`)
  const output = { commit: target, changes: listed, total: found.total, before, after: '' }
  if (found.total === 0 && inTree !== '' && !(await versions.has({ at: target, path: inTree }))) await assertVersioned(versions, inTree)
  if (found.total === 0 && unseen[0] !== undefined) throw unseenFolder(unseen[0])
  if (found.total === 0) return { output, text: `${name} is already as in ${short(target)}.` }
  if (!apply) return { output, text: `Would change ${found.total} to ${short(target)}:\n${lines.join('\n')}` }
  const facts = { ...by, subject: `Restore ${name} to ${short(target)}` }
  const bringing = { target, changes: found.changes, by: facts, serves: 'version.restore', madeSinceMs: version?.at }
  const { commit: after, kept } = await bringBack({ ...deps, versions }, bringing, context)
  if (kept.length >= found.total)
    throw new OxbowError('tool_failed', `Nothing was restored: ${shownPath(kept[0]!.path)} was left as it is, ${kept[0]!.why}.`, {
      hint: 'Change it by hand, or restore it once what keeps it is gone.',
    })
  const left = [...kept, ...unseen.slice(0, maxListedChanges)].map(({ path: file, why }) => `left ${shownPath(file)} as it is: ${why}`)
  return {
    output: { ...output, after: after! },
    text: [`Restored ${found.total - kept.length} to ${short(target)}; before: ${short(before)}.`, ...lines, ...left].join('\n'),
  }
}

const restoredVerb = { added: 'bring back', changed: 'replace', deleted: 'delete' } as const

/** @throws OxbowError `not_found` for a path that no version has, with the name that may have been meant */
async function assertVersioned(versions: Versions, inTree: string): Promise<void> {
  const [any] = await versions.log({ from: 'HEAD', path: '', limit: 1 })
  if (any === undefined || (await versions.log({ from: 'HEAD', path: inTree, limit: 1 })).length > 0) return
  const nearest = await versions.nearest({ at: 'HEAD', path: inTree })
  const name = (place: string): string => shownPath(place).replace(/^\/shared\//, '')
  throw new OxbowError('not_found', `No version has ${name(inTree)}.`, {
    hint: nearest === '' ? 'oxbow log lists the versions.' : `Did you mean ${name(nearest)}?`,
  })
}

interface InTheseFolders {
  readonly found: Difference
  /** Files in folders of the person that agents do not see now, or under the name of another one. */
  readonly unseen: readonly Conflict[]
}

/** A folder of the person that is newer than a version is not deleted with it, and one that agents do not see now is not made anew. */
async function withoutOtherFolders(
  deps: VersionCallDeps,
  versions: Versions,
  { target, trailers }: { readonly target: string; readonly trailers: Readonly<Record<string, string>> },
  found: Difference,
): Promise<InTheseFolders> {
  const covered = (await deps.versioning()).coveredFolders()
  const unseen = found.changes.flatMap(({ path: inTree }) => {
    const why = movedFolder(inTree, trailers, covered)
    return why === '' ? [] : [{ path: inTree, why }]
  })
  const left = new Set(unseen.map((one) => one.path))
  const kept: string[] = []
  for (const mount of deps.mounts?.() ?? []) {
    const folder = `shared/${treeName(mount)}`
    const inside = found.changes.filter((one) => one.path.startsWith(`${folder}/`))
    if (inside.length > 0 && inside.every(({ change }) => change === 'deleted') && !(await versions.has({ at: target, path: folder })))
      kept.push(`${folder}/`)
  }
  const changes = found.changes.filter((one) => !left.has(one.path) && !kept.some((folder) => one.path.startsWith(folder)))
  return { found: { ...found, changes, total: changes.length }, unseen }
}

function unseenFolder({ path: inTree, why }: Conflict): OxbowError {
  const name = shownPath(inTree).replace(/^\/shared\//, '')
  return new OxbowError('not_found', `Nothing was changed. ${name}: ${why}.`, {
    hint: 'Let agents see it: oxbow folder add PATH --as NAME',
  })
}

/** The commit after a turn: its record names the turn, the commit, and the versions of the documents that the turn saved. */
function turnCall(deps: VersionCallDeps): Call {
  return defineCall({
    name: afterTurnCall,
    summary: 'Commits what a turn has changed, and says which version that is.',
    input: z.strictObject({ turn: z.string(), only_state: z.boolean() }),
    output: turnVersion,
    example: { turn: '01890a5d-ac96-774b-bcce-b302099a8057', only_state: false },
    tier: 'read_only',
    right: processRight,
    effect: 'idempotent',
    audience: ['runtime'],
    labels: { adds: [], sink: false },
    timeoutMs: checkpointTimeoutMs,
    recordOutput: (output) => ({ ...output, state: [...output.state] }),
    async run({ turn, only_state: onlyState }) {
      const versions = await open(deps)
      const { commit, state } = await (await deps.versioning()).endTurn(turn, onlyState)
      const files = commit === null ? 0 : (await versions.compare({ from: '', to: commit, path: 'shared', text: false, limit: 1 })).total
      return { output: { commit, changed: commit !== null, files, state, turn } }
    },
  })
}
