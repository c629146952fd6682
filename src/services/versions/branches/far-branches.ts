/**
 * Branches of files whose hands are on another node. What is true of such a branch is here: its newest version. A node gets that when the
 * first call needs hands, and what a call has changed there is a version here before the call has ended. So a node can be lost at any time:
 * requests that are safe to repeat are made again, on another node over the newest version, and of all others the outcome is unknown.
 */
import { type CallId, type Clock, OxbowError } from '../../../base/index.ts'
import type { Runs } from '../../../runs/index.ts'
import { type Call, changeOps, type FarBranch, type Hands, programOps, type Profile, type Sandbox } from '../../../protocol/index.ts'
import { branchMergeMs, farIdleMs, farTries, snapshotTimeoutMs } from '../limits.ts'
import { trailersOf } from '../thread/message-labels.ts'
import type { CommitBy } from '../thread/version-questions.ts'
import type { BranchRecord } from '../version-schemas.ts'
import type { Versions } from '../versions.ts'

export interface FarBranches {
  /** @param effect of the call that it is for; absent: what it asks for is safe to repeat */
  sandbox(record: BranchRecord, effect?: Call['effect']): Sandbox
  /** Brings back what is there. @returns the newest commit */
  commit(record: BranchRecord, facts: CommitBy): Promise<string>
  /** Ends its hands; what they have changed is brought back before. */
  rest(name: string): Promise<void>
  /** Ends its hands, and what they have changed since the last version is gone. */
  drop(name: string): Promise<void>
}

interface FarDeps {
  readonly sandbox: Sandbox
  /** Null: this guest keeps none, and has no branches. */
  readonly versions: () => Promise<Versions | null>
  readonly clock: Pick<Clock, 'now'>
  readonly pause: Runs['pause']
}

/** A branch that a node has. */
interface Attached {
  readonly record: BranchRecord
  readonly far: FarBranch
  /** The version that it lies over there. */
  readonly over: string
  /** Requests that run, and those that were made. */
  running: number
  asked: number
  /** Profiles whose hands it has been asked for. */
  readonly profiles: Set<Profile>
}

export function createFarBranches(deps: FarDeps): FarBranches {
  const kept = keepAttached(deps)
  const { attach, detach, find } = kept
  return {
    sandbox: (record, effect = 'idempotent') => ({
      status: deps.sandbox.status,
      async hands(profile) {
        // What they see is no branch.
        if (profile !== 'work' && profile !== 'online') return deps.sandbox.hands(profile)
        // The time of a call does not run while they start.
        await attach(record)
        return { ask: (...asked) => ask(deps, kept, { record, effect, profile }, ...asked) as never }
      },
      close: () => detach(record.name, true),
    }),
    async commit(record, facts) {
      const at = await find(record.name)?.catch(() => null)
      if (at && (await at.far.isThere())) return commitAt(deps, at, facts)
      return (await (await deps.versions())!.head({ branch: record.name })) ?? record.version
    },
    rest: (name) => detach(name, true),
    drop: (name) => detach(name, false),
  }
}

interface KeptAttached {
  attach(record: BranchRecord): Promise<Attached>
  find(name: string): Promise<Attached> | undefined
  /** Its node is lost. */
  forget(name: string, at: Promise<Attached> | undefined): void
  detach(name: string, keep: boolean): Promise<void>
}

function keepAttached(deps: FarDeps): KeptAttached {
  const all = new Map<string, Promise<Attached>>()
  const forget: KeptAttached['forget'] = (name, at) => {
    if (all.get(name) === at) all.delete(name)
  }
  const detach: KeptAttached['detach'] = async (name, keep) => {
    const found = all.get(name)
    forget(name, found)
    const at = await found?.catch(() => null)
    if (!at) return
    if (keep) await commitAt(deps, at).catch(() => {})
    await at.far.close()
  }
  /** Ends it once it has had no request for a while, and no shell or job runs in it. */
  const watch = async (attached: Promise<Attached>): Promise<void> => {
    const at = await attached
    const { name } = at.record
    for (let asked = -1; all.get(name) === attached;) {
      if (asked === at.asked && at.running === 0 && !(await hasSessions(at))) return detach(name, true)
      asked = at.asked
      await deps.pause(farIdleMs)
    }
  }
  return {
    find: (name) => all.get(name),
    forget,
    detach,
    attach(record) {
      const { name } = record
      const known = all.get(name)
      if (known !== undefined) return known
      const made = attachTo(deps, record)
      all.set(name, made)
      made.catch(() => forget(name, made))
      // It ends with the guest at the latest.
      watch(made).catch(() => {})
      return made
    },
  }
}

interface AskedFor {
  readonly record: BranchRecord
  readonly effect: Call['effect']
  readonly profile: Profile
}

function handsOf(at: Attached, profile: Profile): Promise<Hands> {
  at.profiles.add(profile)
  return at.far.sandbox.hands(profile)
}

async function ask(
  deps: FarDeps,
  { attach, forget }: KeptAttached,
  { record, effect, profile }: AskedFor,
  ...[op, input, options]: Parameters<Hands['ask']>
): Promise<unknown> {
  const changes = changeOps.has(op) || programOps.has(op)
  for (let tries = 1; ; tries += 1) {
    const attached = attach(record)
    const at = await attached
    at.running += 1
    at.asked += 1
    try {
      const answer = await handsOf(at, profile).then((hands) => hands.ask(op, input, options))
      if (changes) await commitAt(deps, at)
      return answer
    } catch (error) {
      if (await at.far.isThere()) {
        // A command that failed, or was cancelled, has changed files, too.
        if (changes) await commitAt(deps, at).catch(() => {})
        throw error
      }
      forget(record.name, attached)
      if (changes && effect === 'once') throw unknown(op, at.far.node, error)
      if (options.signal.aborted || tries >= farTries) throw error
    } finally {
      at.running -= 1
    }
  }
}

async function attachTo({ sandbox, versions }: FarDeps, record: BranchRecord): Promise<Attached> {
  const { name, hands: labels = [], version } = record
  const kept = (await versions())!
  const over = (await kept.head({ branch: name })) ?? version
  const signal = AbortSignal.timeout(branchMergeMs)
  const fill = async (base: Pick<Sandbox, 'hands'>): Promise<void> => {
    const { changes } = await kept.compare({ from: null, to: over, path: 'shared', text: false, limit: Infinity })
    const restore = { commit: over, before: '', changes, call: name as CallId, signal }
    const left = await kept.restoreFiles(restore, base as Sandbox)
    if (left.length > 0)
      throw new OxbowError(
        'sandbox_failed',
        `${left.length} files of the version cannot be written there: ${left[0]!.path} (${left[0]!.why}).`,
        { hint: 'Free some space on that node.' },
      )
  }
  const far = await sandbox.elsewhere!.open({ branch: name, labels, version: over, fill, signal })
  return { record, far, over, running: 0, asked: 0, profiles: new Set(['work']) }
}

/** @throws as hands do; whoever asks finds out whether the node is lost */
async function commitAt(deps: FarDeps, { record, far, over }: Attached, facts = factsOf(deps, record)): Promise<string> {
  const branch = { name: record.name, sandbox: far.sandbox, over, changes: far.changes }
  const { commit } = await (await deps.versions())!.commitBranch(branch, facts, AbortSignal.timeout(branchMergeMs))
  return commit!
}

/** Of the commits that calls make. */
function factsOf({ clock }: FarDeps, { name, by, session, labels }: BranchRecord): CommitBy {
  return { author: by, at: clock.now(), subject: `Changes of ${name}`, trailers: trailersOf({ session, turn: '' }, labels) }
}

async function hasSessions({ far, profiles }: Attached): Promise<boolean> {
  try {
    const options = { signal: AbortSignal.timeout(snapshotTimeoutMs), timeoutMs: snapshotTimeoutMs }
    for (const profile of profiles) {
      const hands = await far.sandbox.hands(profile)
      if ((await hands.ask('sessionList', { owner: '' }, options)).sessions.some(({ ended }) => ended === null)) return true
    }
    return false
  } catch {
    return false
  }
}

function unknown(op: string, node: string, cause: unknown): OxbowError {
  return new OxbowError('outcome_unknown', `The node ${node} was lost while it worked on this (${op}): how it ended is not known.`, {
    hint: 'The files are as they were before it. Look at what it has done, and do it again if that is right.',
    cause,
  })
}
