/**
 * Changes with a commit before them and one after: of all that has changed where a program may change any file, of only these files where
 * they are named. Changes by name run one at a time; programs run in parallel to each other and to them.
 */
import type { Hands, HandsOp, HandsOps } from '../../protocol/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { ChangedTurns } from './changed-turns.ts'
import type { ChangeOwners, Owner } from './change-owners.ts'
import { changeOf, type OpChange } from './op-changes.ts'
import type { CommitBy } from './thread/version-questions.ts'
import type { Taken, Versions } from './versions.ts'
import { snapshotTimeoutMs } from './limits.ts'
import type { Committed } from './version-schemas.ts'

/** Waits for work that does not count against the time limit of a call. */
export type Patience = <T>(work: Promise<T>) => Promise<T>

export interface WatchedChanges {
  any<Result>(owner: Owner, change: Extract<OpChange, { kind: 'any' }>, patience: Patience, work: () => Promise<Result>): Promise<Result>
  /** @param work is called with the commit of what is there before */
  named<Result>(owner: Owner, change: NamedChange, patience: Patience, work: (before: Committed) => Promise<Result>): Promise<Result>
  /** Hands whose changes are committed. */
  hands(hands: Hands, owner: Owner, patience: Patience): Hands
  /** What follows a change. Never rejects. */
  later(work: Promise<unknown>): Promise<void>
  /** Waits for what follows all changes by now. */
  settled(): Promise<void>
  /** Waits for the change by name that was begun last. */
  lastNamed(): Promise<void>
}

interface NamedChange {
  /** Real ones, from /shared. */
  readonly paths: readonly string[]
  /** Of the commit after it. */
  readonly by: () => Promise<CommitBy>
  /** Of the paths, those that turn out to be somebody else's. */
  readonly except?: () => readonly string[]
}

interface WatchDeps {
  readonly versions: () => Promise<Versions | null>
  readonly owners: ChangeOwners
  readonly turns: ChangedTurns
  /** Whether the configuration leaves a path out. */
  readonly isIgnored: (path: string) => boolean
  readonly commit: (by: () => Promise<CommitBy>, taken: Taken) => Promise<Committed>
  /** In a cluster: a change whose version could not be made and kept has failed. */
  readonly isStrict: boolean
  /** Commits all that has changed, for whoever may have changed it. @param rides as `Taken.rides` */
  readonly sync: (also?: readonly string[], onCommitted?: () => void, rides?: boolean) => Promise<Committed>
}

export function createWatchedChanges(deps: WatchDeps): WatchedChanges {
  const { owners, turns, isStrict, sync } = deps
  const after = new Set<Promise<unknown>>()
  const later = (work: Promise<unknown>): Promise<void> => {
    const done = work.then(
      () => {},
      (error: unknown) => console.error(error),
    )
    after.add(done)
    return done.finally(() => after.delete(done))
  }
  const named = createNamedChanges(deps, later)
  const any: WatchedChanges['any'] = async (owner, { also, goesOn }, patience, work) => {
    turns.note(owner, false)
    let key = Symbol()
    await patience(sync(also, () => void (key = owners.enter(owner)), true))
    return thenKept(work, async () => {
      // Until that is committed, what has changed is still its own.
      const isOver = !goesOn || owner.turn === ''
      // Before the caller goes on: what a person changes next is theirs.
      const committed = sync(also, () => void (isOver && owners.leave(key)))
      // No turn ends it later. Where that failed, what it has changed is committed with the next change.
      const done = owner.turn === '' ? committed.finally(() => owners.leave(key)) : committed
      await patience(later(done))
      if (isStrict) await done
    })
  }
  return {
    any,
    named: named.change,
    lastNamed: named.last,
    hands: (hands, owner, patience) => ({
      async ask<Op extends HandsOp>(op: Op, input: HandsOps[Op]['input'], options: Parameters<Hands['ask']>[2]) {
        const work = (): Promise<HandsOps[Op]['output']> => hands.ask(op, input, options)
        const looking = { signal: options.signal, timeoutMs: snapshotTimeoutMs }
        const change = await changeOf(op, input, { hands, options: looking, isIgnored: deps.isIgnored })
        if (change.kind === 'none') return work()
        if (change.kind === 'any') return any(owner, change, patience, work)
        return named.change(owner, { paths: change.paths, by: () => owners.by(owner) }, patience, work)
      },
    }),
    later,
    async settled() {
      while (after.size > 0) await Promise.all(after)
    },
  }
}

/** Changes of files by name: each waits for the one before. */
function createNamedChanges(
  { versions, owners, turns, isStrict, commit, sync }: WatchDeps,
  later: WatchedChanges['later'],
): { readonly change: WatchedChanges['named']; readonly last: () => Promise<void> } {
  let newest: Promise<void> = Promise.resolve()
  const begin = async (owner: Owner, paths: readonly string[]): Promise<Committed> => {
    const isFirst = turns.note(owner, false) || owners.isFirst() || owners.wasKilled()
    if (isFirst) await sync([], () => {}, true)
    const before = await commit(owners.whoRuns, { named: paths, rides: true, onCommitted: () => owners.name(owner, paths) })
    const [none] = await (await versions())!.unversioned({ paths })
    if (none !== undefined) throw noVersion(none)
    return before
  }
  const end = async (owner: Owner, { paths, by, except = () => [] }: NamedChange): Promise<void> => {
    try {
      const others = new Set(except())
      const named = paths.filter((path) => !others.has(path))
      if (owners.isNaming()) turns.keep(owner.turn, await commit(by, { named, onCommitted: owners.unname }))
    } catch (error) {
      // What it has changed stays its own until it is committed.
      if (owner.turn !== '') owners.enter(owner)
      owners.unname()
      throw error
    }
  }
  return {
    async change(owner, change, patience, work) {
      const before = newest
      const { promise, resolve: release } = Promise.withResolvers<void>()
      newest = promise
      const begun = before.then(() => begin(owner, change.paths))
      return thenKept(
        async () => work(await patience(begun)),
        async () => {
          const ended = end(owner, change).finally(release)
          await patience(later(ended))
          if (isStrict) await ended
        },
      )
    },
    last: () => newest,
  }
}

/** Keeps what the work has changed, whether it succeeds or fails; its own failure is the one that counts. */
async function thenKept<Result>(work: () => Promise<Result>, keep: () => Promise<void>): Promise<Result> {
  let result: Result
  try {
    result = await work()
  } catch (error) {
    await keep().catch(() => {})
    throw error
  }
  await keep()
  return result
}

function noVersion(path: string): OxbowError {
  return new OxbowError('denied', `/shared/${path} has no version, so this could not be taken back: nothing was changed.`, {
    hint: 'It is too large for versions, or cannot be read. Ask the person to copy it or to change it.',
  })
}
