/**
 * Branches of files: what is remembered of each, how its changes become a difference, and how they are merged into the workspace. A branch
 * is an overlay or a copy that a sandbox keeps (`SandboxBranches`); its versions are commits in addition to the workspace's. What is merged, and what it
 * replaces, are versions of the workspace, so that a merge can be taken back.
 */
import {
  assertNoBranch,
  type BranchBy,
  type Core,
  type DocumentChange,
  type Documents,
  type FileCopies,
  type NewBranch,
} from '../../../kernel/index.ts'
import { type Clock, OxbowError } from '../../../base/index.ts'
import { type Call, type Caller, type Sandbox, type SandboxBranches, joinLabels, type Labels } from '../../../protocol/index.ts'
import { trailersOf } from '../thread/message-labels.ts'
import type { MergedTree, MergeRequest } from '../thread/merge-trees.ts'
import { shownPath } from '../thread/checkpoint.ts'
import { assertSameMerge, changedMeanwhile, isEnded, keptMeanwhile, openOnly } from './branch-states.ts'
import type { FarBranches } from './far-branches.ts'
import { createSteadyOverlays } from './steady-overlay.ts'
import type { Versions } from '../versions.ts'
import { branchMergeMs, maxEndedBranches, maxListedChanges } from '../limits.ts'
import type { BranchRecord, Committed, Conflict, Difference, MergedBranch } from '../version-schemas.ts'

export interface Branches extends FileCopies {
  /** Branches off the workspace. Safe to repeat with the same name. @throws OxbowError as the sandbox and the versions do */
  create(by: BranchBy, branch: NewBranch): Promise<BranchRecord>
  /** @throws OxbowError `not_found` */
  sandbox(name: string, effect?: Call['effect']): Promise<Sandbox>
  /** @throws OxbowError `not_found` */
  find(name: string): Promise<BranchRecord>
  all(): Promise<readonly BranchRecord[]>
  /** What has changed in it. @param path in the tree, '' for all */
  diff(by: BranchBy, name: string, path: string): Promise<Difference>
  /** Merges what has changed in it into the workspace, and drops it. With conflicts nothing is merged unless `conflicts` says what is taken. */
  merge(by: BranchBy, name: string, how: Merging): Promise<MergedBranch>
  /** As `merge`, into another branch that is open. @throws OxbowError `bad_input` where that is not */
  mergeInto(by: BranchBy, name: string, into: string, how: Pick<Merging, 'conflicts' | 'isDry'>): Promise<MergedBranch>
  /** Safe to repeat. @param isDry only to fail where it would */
  drop(by: BranchBy, name: string, isDry: boolean): Promise<BranchRecord>
  /** Ends its processes; its files stay. */
  rest(name: string): Promise<void>
}

interface Merging extends Pick<MergeRequest, 'conflicts'> {
  /** Changes nothing, and fails where the merge would. */
  readonly isDry: boolean
  /** All of it or none: where a file cannot be written, what was is put back. Absent: the next try merges what is left. */
  readonly whole?: WholeMerge
}

interface WholeMerge {
  /** The only version of the branch that is merged. */
  readonly commit: string
  /** @param ours the version of the workspace @throws where it is not to be merged into that */
  check(ours: string): Promise<void>
}

interface BranchesDeps {
  readonly sandbox: Sandbox
  /** Those whose hands are on other nodes; loaded with the first. */
  readonly far: () => Promise<FarBranches>
  /** Null: no versions are kept here. */
  readonly versions: () => Promise<Versions | null>
  /** Commits what is there, and what is changed by name. */
  readonly versioning: {
    readonly sync: () => Promise<Committed>
    readonly changeFiles: (
      paths: readonly string[],
      by: MergeRequest['facts'],
      work: (before: Committed) => Promise<readonly string[]>,
    ) => Promise<Committed>
  }
  readonly documents: Pick<Documents, 'get' | 'all' | 'put'>
  readonly heldLabels: (caller: Pick<Caller, 'session'>) => Labels
  readonly loadHeld: Core['sessions']['loadHeld']
  /** Called with the paths of files that the branch had and the workspace gets. */
  readonly restored: Core['restored']
  readonly clock: Clock
}

const branchCategory = 'system/branches'

export function createBranches(deps: BranchesDeps): Branches {
  const { documents } = deps
  const find = async (name: string): Promise<BranchRecord> => {
    const found = await documents.get<BranchRecord>(branchCategory, name)
    if (found !== null) return found.value
    throw new OxbowError('not_found', `There is no branch of files ${name}.`, { hint: '`oxbow branch list` shows them.' })
  }
  const all = async (): Promise<readonly BranchRecord[]> => (await documents.all<BranchRecord>(branchCategory)).map(({ value }) => value)
  /** Merges and drops of a branch run one after another. */
  const busy = new Map<string, Promise<unknown>>()
  const inTurn = <Value>(name: string, run: () => Promise<Value>): Promise<Value> => {
    const mine = (busy.get(name) ?? Promise.resolve()).then(run, run)
    busy.set(name, mine)
    const done = (): void => void (busy.get(name) === mine && busy.delete(name))
    mine.then(done, done)
    return mine
  }
  const copies = (): SandboxBranches => copiesOf(deps)
  const steady = createSteadyOverlays(() => versionsOf(deps))
  return {
    find,
    all,
    create: (by, branch) =>
      inTurn(branch.name, () => {
        steady.forget(branch.name)
        return create(deps, by, branch)
      }),
    async sandbox(name, effect) {
      const record = (await documents.get<BranchRecord>(branchCategory, name))?.value
      if (record?.hands !== undefined && !isEnded(record)) return (await deps.far()).sandbox(record, effect)
      const opened = await copies().open(name)
      if (record !== undefined && record.state === 'open' && isOverlay(record)) await inTurn(name, () => steady.keep(record, opened))
      return opened
    },
    diff: (by, name, path) => inTurn(name, async () => diff(deps, by, openOnly(await find(name)), path)),
    merge: (by, name, how) => inTurn(name, async () => merge(deps, by, await find(name), how)),
    mergeInto(by, name, into, how) {
      if (name === into) throw new OxbowError('bad_input', `${name} cannot be merged into itself.`, { hint: 'Name another branch.' })
      const [first, second] = [name, into].toSorted()
      return inTurn(first!, () => inTurn(second!, async () => mergeInto(deps, by, await find(name), await find(into), how)))
    },
    drop: (by, name, isDry) =>
      inTurn(name, async () => {
        assertNoBranch(by.caller)
        const record = await find(name)
        if (record.state === 'dropped') return record
        if (record.state !== 'making') openOnly(record)
        return isDry ? record : end(deps, by, record, 'dropped')
      }),
    async rest(name) {
      const { hands } = await find(name)
      await (hands === undefined ? copies() : await deps.far()).rest(name)
    },
  }
}

/** Records of earlier releases do not say, and are of copies. */
const isOverlay = ({ over }: { readonly over?: string }): boolean => over !== undefined && over !== ''

/** @throws OxbowError `sandbox_missing` */
function copiesOf({ sandbox }: BranchesDeps): SandboxBranches {
  if (sandbox.branches !== undefined && sandbox.status.files) return sandbox.branches
  throw new OxbowError('sandbox_missing', 'This guest has no branches of files.', {
    hint: 'They need a sandbox that works: oxbow doctor says what is missing. Or let the agent work in the workspace itself.',
  })
}

/** @throws OxbowError `not_found` */
async function versionsOf({ versions }: BranchesDeps): Promise<Versions> {
  const found = await versions()
  if (found !== null) return found
  throw new OxbowError('not_found', 'A branch of files needs versions, and this guest keeps none.', {
    hint: 'Set versions.enabled = true in config.toml.',
  })
}

/** @param named labels of the branch that the subject names, whose name its maker chose */
function factsOf({ clock, heldLabels }: BranchesDeps, { caller }: BranchBy, subject: string, named: Labels = []): MergeRequest['facts'] {
  return { author: caller.actor, at: clock.now(), subject, trailers: trailersOf(caller, joinLabels(heldLabels(caller), named)) }
}

async function save({ documents }: BranchesDeps, by: BranchBy, record: BranchRecord, more: readonly DocumentChange[] = []): Promise<void> {
  await documents.put(by, [{ category: branchCategory, name: record.name, value: { ...record } }, ...more])
}

async function create(
  deps: BranchesDeps,
  by: BranchBy,
  { name, at, base: mergeBase = '', session, hands }: NewBranch,
): Promise<BranchRecord> {
  assertNoBranch(by.caller)
  const { documents, clock, heldLabels } = deps
  const found = (await documents.get<BranchRecord>(branchCategory, name))?.value
  if (found !== undefined && !isEnded(found) && found.state !== 'making') return found
  const versions = await versionsOf(deps)
  const target = at === '' ? '' : await versions.resolve({ at })
  const against = mergeBase === '' ? '' : await versions.resolve({ at: mergeBase })
  const { signal } = by
  const version = (await deps.versioning.sync()).commit ?? ''
  const record: BranchRecord = {
    name,
    home: by.caller.session,
    session,
    by: by.caller.actor,
    version: target || version,
    base: '',
    over: '',
    copied: '',
    state: 'making',
    labels: heldLabels(by.caller),
    merge: null,
    created_at: clock.now(),
    ended_at: null,
  }
  if (isElsewhere(deps, hands)) {
    await versions.pointBranch(name, record.version)
    const made: BranchRecord = { ...record, base: against || record.version, over: record.version, hands, state: 'open' }
    await save(deps, by, made)
    return made
  }
  const copies = copiesOf(deps)
  await save(deps, by, record)
  const { kind, why } = await copies.create(name, signal)
  const over = kind === 'overlay' ? version : ''
  if (over !== '') await versions.pointBranch(name, over)
  const branch = { name, sandbox: await copies.open(name), over }
  const commit = async (): Promise<string> => (await versions.commitBranch(branch, factsOf(deps, by, `Branch ${name}`), signal)).commit!
  // An overlay that nothing has worked on is the version itself.
  let base = over || (await commit())
  if (target !== '') {
    const { changes } = await versions.compare({ from: base, to: target, path: 'shared', text: false, limit: Infinity })
    await versions.restoreFiles({ commit: target, before: base, changes, call: by.call, signal }, branch.sandbox)
    base = await commit()
  }
  const made: BranchRecord = { ...record, base: against || base, over, copied: why, state: 'open' }
  await save(deps, by, made)
  return made
}

/** Anywhere is here, too. @throws OxbowError `sandbox_missing` */
function isElsewhere({ sandbox }: BranchesDeps, hands: NewBranch['hands']): hands is readonly string[] {
  if (hands === undefined || sandbox.elsewhere !== undefined) return hands !== undefined
  if (hands.length === 0) return false
  throw new OxbowError('sandbox_missing', `There are no other nodes here that offer ${hands.join(', ')}.`, {
    hint: 'Hands elsewhere need a cluster: see docs/cluster.md. Or leave `hands` out.',
  })
}

/** @returns its newest commit */
async function commitOf(deps: BranchesDeps, by: BranchBy, record: BranchRecord): Promise<string> {
  const { name, labels, over, hands } = record
  const facts = factsOf(deps, by, `Changes of ${name}`, labels)
  if (hands !== undefined) return (await deps.far()).commit(record, facts)
  const branch = { name, sandbox: await copiesOf(deps).open(name), over }
  const { commit } = await (await versionsOf(deps)).commitBranch(branch, facts, by.signal)
  return commit!
}

async function diff(deps: BranchesDeps, by: BranchBy, record: BranchRecord, path: string): Promise<Difference> {
  const to = record.merge?.commit ?? (await commitOf(deps, by, record))
  const versions = await versionsOf(deps)
  return versions.compare({ from: record.base, to, path: path === '' ? 'shared' : path, text: true, limit: maxListedChanges })
}

async function merge(deps: BranchesDeps, by: BranchBy, found: BranchRecord, { conflicts, isDry, whole }: Merging): Promise<MergedBranch> {
  assertNoBranch(by.caller)
  const record = openOnly(found)
  assertSameMerge(record, undefined)
  const versions = await versionsOf(deps)
  const ours = (await deps.versioning.sync()).commit!
  const { merge: begun } = record
  const looked = whole !== undefined && begun === null ? await assertWhole(deps, by, record, ours, whole) : undefined
  const planned = begun === null ? await plan(deps, by, record, ours, conflicts, looked) : await planAgain(versions, begun, ours)
  const { commit, before, changes } = planned
  const listed = { changes: changes.slice(0, maxListedChanges), total: changes.length, conflicts: planned.conflicts }
  if (planned.refused) return { ...listed, before: '', after: '' }
  if (isDry) return { ...listed, before: ours, after: '' }
  let after = ours
  if (commit !== null) {
    // From here on the same files are merged, however often it is interrupted.
    if (begun === null) await save(deps, by, { ...record, state: 'merging', merge: { commit, before } })
    const signal = AbortSignal.any([by.signal, AbortSignal.timeout(branchMergeMs)])
    const paths = changes.map(({ path }) => path)
    let kept: readonly Conflict[] = []
    const merged = await deps.versioning.changeFiles(paths, factsOf(deps, by, `Merge ${record.name}`, record.labels), async (now) => {
      // It stays as it is now: the next try merges with that.
      if (now.changed) throw changedMeanwhile(record.name)
      // What the workspace had there may have gone or been replaced meanwhile, and with it the labels of the path.
      const there = changes.flatMap(({ path, change }) => (change === 'deleted' ? [] : [shownPath(path)]))
      await deps.restored(by, there)
      kept = await versions.restoreFiles({ commit, before: now.commit!, changes, call: by.call, signal })
      if (kept.length > 0 && whole !== undefined) await putBack(versions, by, { commit, before: now.commit!, changes, kept, signal })
      return kept.map(({ path }) => path)
    })
    if (kept.length > 0 && whole !== undefined) await save(deps, by, { ...record, state: 'open', merge: null })
    // The next try merges these with what is there by then.
    if (kept.length > 0) throw keptMeanwhile(record.name, kept, whole !== undefined)
    after = merged.commit!
  }
  await end(deps, by, record, 'merged')
  return { ...listed, before, after }
}

/** Nobody works on the branch into which it is merged: what is there is committed first, and is part of the merge. */
async function mergeInto(
  deps: BranchesDeps,
  by: BranchBy,
  found: BranchRecord,
  into: BranchRecord,
  { conflicts, isDry }: Pick<Merging, 'conflicts' | 'isDry'>,
): Promise<MergedBranch> {
  assertNoBranch(by.caller)
  const record = openOnly(found)
  if (into.state !== 'open')
    throw new OxbowError('bad_input', `The branch of files ${into.name} is ${into.state}.`, { hint: 'Name one that is open.' })
  assertSameMerge(record, into.name)
  const versions = await versionsOf(deps)
  const ours = await commitOf(deps, by, into)
  const planned = record.merge === null ? await plan(deps, by, record, ours, conflicts) : await planAgain(versions, record.merge, ours)
  const { commit, changes } = planned
  const clashes = planned.conflicts.map((one) => ({ ...one, why: one.why.replace('the workspace', `the branch ${into.name}`) }))
  const listed = { changes: changes.slice(0, maxListedChanges), total: changes.length, conflicts: clashes }
  if (planned.refused) return { ...listed, before: '', after: '' }
  if (isDry) return { ...listed, before: ours, after: '' }
  if (commit === null) {
    await end(deps, by, record, 'merged')
    return { ...listed, before: ours, after: ours }
  }
  const read = record.session === '' ? [] : await deps.loadHeld(record.session)
  const labels = [record.labels, read, deps.heldLabels(by.caller)].reduce(joinLabels, into.labels)
  const begun: BranchRecord = { ...record, state: 'merging', merge: { commit, before: planned.before, into: into.name } }
  if (record.merge === null) await save(deps, by, begun, [{ category: branchCategory, name: into.name, value: { ...into, labels } }])
  const signal = AbortSignal.any([by.signal, AbortSignal.timeout(branchMergeMs)])
  const opened = await (into.hands === undefined ? copiesOf(deps).open(into.name) : (await deps.far()).sandbox(into))
  const kept = await versions.restoreFiles({ commit, before: ours, changes, call: by.call, signal }, opened)
  if (kept.length > 0) throw keptMeanwhile(record.name, kept)
  const after = await commitOf(deps, by, { ...into, labels })
  await end(deps, by, record, 'merged')
  return { ...listed, before: ours, after }
}

async function assertWhole(deps: BranchesDeps, by: BranchBy, record: BranchRecord, ours: string, whole: WholeMerge): Promise<string> {
  const now = await commitOf(deps, by, record)
  // A merge that was put back has left a commit of the same files.
  const { total } = await (await versionsOf(deps)).compare({ from: whole.commit, to: now, path: 'shared', text: false, limit: 1 })
  if (total > 0)
    throw new OxbowError('plan_stale', `The branch ${record.name} has changed since it was looked at.`, { hint: 'Nothing was merged.' })
  await whole.check(ours)
  return now
}

const opposite = { added: 'deleted', deleted: 'added', changed: 'changed' } as const

/** @throws OxbowError `tool_failed` that names what is neither as it was nor as it should be */
async function putBack(
  versions: Versions,
  by: BranchBy,
  {
    commit,
    before,
    changes,
    kept,
    signal,
  }: Omit<Planned, 'conflicts' | 'refused'> & { readonly kept: readonly Conflict[]; readonly signal: AbortSignal },
): Promise<void> {
  const left = new Set(kept.map(({ path }) => path))
  const done = changes.filter(({ path }) => !left.has(path)).map((one) => ({ ...one, change: opposite[one.change] }))
  const torn = await versions.restoreFiles({ commit: before, before: commit!, changes: done, call: by.call, signal })
  if (torn.length > 0) throw keptMeanwhile(by.name, torn)
}

interface Planned extends MergedTree {
  readonly before: string
}

async function plan(
  deps: BranchesDeps,
  by: BranchBy,
  record: BranchRecord,
  ours: string,
  conflicts: MergeRequest['conflicts'],
  looked?: string,
): Promise<Planned> {
  const theirs = looked ?? (await commitOf(deps, by, record))
  const facts = factsOf(deps, by, `Merge ${record.name}`, record.labels)
  const versions = await versionsOf(deps)
  const merged = await versions.merge({ branch: record.name, base: record.base, ours, theirs, conflicts, facts })
  return { ...merged, before: ours }
}

/** What an interrupted merge has left to do: planned anew, it would merge lines that it has merged already. */
async function planAgain(versions: Versions, begun: NonNullable<BranchRecord['merge']>, ours: string): Promise<Planned> {
  const all = { path: 'shared', text: false, limit: Infinity }
  const [wanted, left] = await Promise.all([
    versions.compare({ ...all, from: begun.before, to: begun.commit }),
    versions.compare({ ...all, from: ours, to: begun.commit }),
  ])
  const planned = new Set(wanted.changes.map(({ path }) => path))
  return { ...begun, changes: left.changes.filter(({ path }) => planned.has(path)), conflicts: [], refused: false }
}

async function end(deps: BranchesDeps, by: BranchBy, record: BranchRecord, state: 'merged' | 'dropped'): Promise<BranchRecord> {
  const { clock, loadHeld, documents } = deps
  const read = record.session === '' ? [] : await loadHeld(record.session)
  const ended: BranchRecord = { ...record, state, labels: joinLabels(record.labels, read), ended_at: clock.now() }
  const others = (await documents.all<BranchRecord>(branchCategory)).map(({ value }) => value).filter((one) => one.name !== record.name)
  const oldest = others.filter(isEnded).sort((a, b) => (b.ended_at ?? 0) - (a.ended_at ?? 0))
  const forgotten = oldest.slice(maxEndedBranches).map(({ name }) => ({ category: branchCategory, name, value: null }))
  await save(deps, by, ended, forgotten)
  await (record.hands === undefined ? copiesOf(deps) : await deps.far()).drop(record.name)
  await (await versionsOf(deps)).forget({ branch: record.name })
  return ended
}
