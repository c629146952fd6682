/**
 * Connects the versions with the rest of the kernel. Whatever a call is about to change is committed first, as it is, and what it has
 * changed is committed after it, only for its turn: so each commit says who made its changes, what a person did meanwhile is a commit of its
 * own, and a turn can be taken back without anything else. The versions themselves are loaded with the first change.
 */
import type { Background, Documents, Events, FileChanges } from '../../kernel/index.ts'
import type { Runs } from '../../runs/index.ts'
import type { Store } from '../../store/index.ts'
import { type Clock, once, type Once, type SessionId, untilAborted, type UserId } from '../../base/index.ts'
import type { Caller, Sandbox } from '../../protocol/index.ts'
import type { VersionsConfig } from './config.ts'
import { type ChangedTurns, createChangedTurns, type TurnCommit } from './changed-turns.ts'
import { type ChangeOwners, createChangeOwners, type Owner } from './change-owners.ts'
import { fileName } from './thread/checkpoint.ts'
import type { CommitBy } from './thread/version-questions.ts'
import type { Taken, Versions } from './versions.ts'
import { ignoredBy } from './thread/left-out.ts'
import { createWatchedChanges, type Patience, type WatchedChanges } from './watched-changes.ts'
import { checkpointTimeoutMs, lastVersionsMs, maxListedChanges, maxSearchedVersions } from './limits.ts'
import type { Committed } from './version-schemas.ts'

export interface Versioning {
  /** Null: this guest keeps none. */
  readonly versions: () => Promise<Versions | null>
  /** Commits what has changed since the last commit, for whoever may have changed it. */
  readonly sync: () => Promise<Committed>
  /** Commits all that has changed, by name: a version even if it has been committed by then. */
  readonly commit: (by: CommitBy) => Promise<Committed>
  /** What a turn has committed. Commits first what has changed since. */
  readonly endTurn: (turn: string, onlyState: boolean) => Promise<TurnCommit>
  /** Whether it runs, and has changed something. */
  readonly isRunning: (turn: string) => boolean
  /**
   * Changes files by name, and commits them before and after.
   * @param paths in the tree, as in `FileChange` @param by of the commit after
   * @param work @returns files of these that it has left to those who have changed them
   */
  readonly changeFiles: (
    paths: readonly string[],
    by: CommitBy,
    work: (before: Committed) => Promise<readonly string[]>,
  ) => Promise<Committed>
  /** Folders of the person that versions cover now, as `KernelOptions` has them. */
  readonly coveredFolders: () => readonly string[]
  /**
   * Changes which folders of the person there are: what comes and goes with them is the person's, whatever runs meanwhile. @throws as `work`,
   * or for what could not be committed
   */
  readonly whileFoldersChange: <Result>(work: () => Promise<Result>) => Promise<Result>
  /** What the core tells of calls. Turns end by their records. */
  readonly changes: FileChanges
  /** Files of the workspace that differ between the versions before and after the turns of a session; empty where there are no versions. */
  readonly changedIn: (session: SessionId) => Promise<readonly string[]>
  /** Commits what a killed guest has left. Never rejects. */
  readonly recover: () => Promise<void>
}

interface VersioningDeps {
  readonly user: UserId
  /** Of the repository; absent: there are no versions. */
  readonly versionsFolder?: string | undefined
  readonly mounts?: (() => readonly string[]) | undefined
  readonly coveredFolders?: (() => readonly string[]) | undefined
  readonly sandbox: Sandbox
  readonly store: Store
  readonly documents: Documents
  readonly config: VersionsConfig
  readonly clock: Clock
  readonly background: Pick<Background, 'run'>
  readonly events: Pick<Events, 'onTurnEnd'>
  readonly pause: Runs['pause']
}

const unhurried: Patience = (work) => work

/** What the parts of the versioning share. */
interface Parts {
  readonly deps: VersioningDeps
  readonly isOn: boolean
  readonly versions: Once<Versions | null>
  readonly owners: ChangeOwners
  readonly turns: ChangedTurns
  readonly watched: WatchedChanges
  readonly commit: (who: () => Promise<CommitBy>, taken: Taken) => Promise<Committed>
  readonly sync: () => Promise<Committed>
  /** Whether documents may have changed since they were committed. */
  readonly documentsChanged: { since: boolean }
}

export function createVersioning(deps: VersioningDeps): Versioning {
  const {
    versionsFolder: folder = '',
    mounts = () => [],
    coveredFolders = () => [],
    sandbox,
    store,
    documents,
    config,
    clock,
    user,
    background,
    events,
    pause,
  } = deps
  const isOn = folder !== '' && config.enabled
  const documentsChanged = { since: true }
  const owners = createChangeOwners({ folder, isOn, user, store, clock })
  const turns = createChangedTurns({ sandbox, background, events, onCommitted: owners.forget })
  const versions = once(async () => {
    if (!isOn) return null
    const { createVersions } = await import('./versions.ts')
    return createVersions({ folder, mounts, coveredFolders, sandbox, store, documents, config, documentsChanged, pause })
  })
  const commit: Parts['commit'] = async (who, taken) => (await versions())!.commit(who, AbortSignal.timeout(checkpointTimeoutMs), taken)
  /** @param onCommitted is called before anything else is committed */
  const sync = async (also: readonly string[] = [], onCommitted: () => void = () => {}, rides = false): Promise<Committed> => {
    let turn = ''
    const who = async (): Promise<CommitBy> => {
      const found = await owners.whoRuns()
      turn = found.trailers['Oxbow-Turn'] ?? ''
      return found
    }
    const settled = (): void => {
      onCommitted()
      owners.settled()
    }
    const done = await commit(who, { except: owners.named, onCommitted: settled, rides, ...(also.length > 0 && { also }) })
    turns.keep(turn, done)
    return done
  }
  const isStrict = store.files !== undefined
  const watched = createWatchedChanges({ versions, owners, turns, isIgnored: ignoredBy(config.ignore), isStrict, commit, sync })
  const parts: Parts = { deps, isOn, versions, owners, turns, watched, commit, sync, documentsChanged }
  return {
    versions,
    sync,
    ...commitsOf(parts, sync),
    whileFoldersChange: (work) => whileFoldersChange(parts, sync, work),
    coveredFolders,
    isRunning: turns.isRunning,
    ...changesOf(parts),
    async changedIn(session) {
      const kept = await versions()
      await turns.committing()
      return kept === null ? [] : changedIn(kept, session)
    },
    async recover() {
      if (owners.wasKilled() && sandbox.status.files) await sync().catch((error: unknown) => console.error(error))
    },
  }
}

async function whileFoldersChange<Result>(
  { deps, isOn, owners, commit }: Parts,
  sync: () => Promise<Committed>,
  work: () => Promise<Result>,
): Promise<Result> {
  // Where nobody runs, the next commit is the person's.
  if (isOn && owners.isShared()) await sync().catch((error: unknown) => console.error(error))
  const result = await work()
  const person = (): Promise<CommitBy> => owners.by({ turn: '', session: '', actor: `user:${deps.user}` })
  if (isOn && owners.isShared()) await commit(person, { except: owners.named })
  return result
}

async function drained({ turns, watched }: Parts): Promise<void> {
  await watched.settled()
  for (let next = turns.committing(); next !== null; next = turns.committing()) {
    await next
    await watched.settled()
  }
}

/** The commits that have a name. */
function commitsOf({ owners, turns, commit, versions }: Parts, sync: () => Promise<Committed>): Pick<Versioning, 'commit' | 'endTurn'> {
  return {
    async commit(facts) {
      // What others have changed is theirs.
      const isShared = facts.trailers['Oxbow-Turn'] !== undefined || owners.isShared()
      const synced = isShared ? await sync() : null
      // A second commit of the same name, by the same one, would say nothing new.
      const [newest] =
        synced === null || synced.changed ? [] : ((await (await versions())?.log({ from: 'HEAD', path: '', limit: 1 })) ?? [])
      if (synced !== null && newest?.subject === facts.subject && newest.author === facts.author)
        return { ...synced, commit: newest.commit }
      return commit(async () => facts, isShared ? { only: 'state', always: true } : { except: owners.named })
    },
    async endTurn(turn, onlyState) {
      // What its calls have changed is committed with them: a walk would find what a person has changed, which the next change commits.
      if (onlyState || !owners.isShared()) turns.keep(turn, await commit(() => owners.by(turns.ended(turn)), { only: 'state' }))
      else await sync()
      owners.leaveTurn(turn)
      return turns.commitOf(turn)
    },
  }
}

/** What calls change. */
function changesOf(parts: Parts): Pick<Versioning, 'changes' | 'changeFiles'> {
  const { deps, isOn, owners, turns, watched, versions, commit, documentsChanged } = parts
  const { clock, sandbox } = deps
  const ownerOf = ({ turn, session, actor }: Caller): Owner => ({ turn, session, actor })
  const isKept = ({ branch }: Caller): boolean => isOn && branch === undefined && sandbox.status.files
  return {
    changes: {
      hands: (hands, caller, patience) => (isKept(caller) ? watched.hands(hands, ownerOf(caller), patience) : hands),
      async whileProgram(caller, patience, work) {
        if (!isKept(caller)) return work()
        return watched.any(ownerOf(caller), { kind: 'any', also: [], goesOn: false }, patience, work)
      },
      async around(caller, patience, work) {
        // What others have saved is not its own.
        if (isKept(caller) && caller.turn !== '' && documentsChanged.since) await patience(commit(owners.whoRuns, { only: 'state' }))
        return work()
      },
      ended(caller) {
        if (!isOn) return
        documentsChanged.since = true
        if (caller.branch !== undefined) return
        const owner = ownerOf(caller)
        turns.note(owner, true)
        // Before somebody else saves one.
        if (owner.turn === '' && owners.isFirst()) return
        void watched.later(commit(() => owners.by(owner), { only: 'state' }).then((done) => turns.keep(owner.turn, done)))
      },
      runEnded: turns.end,
      async settle() {
        // Whoever takes the user over has no other way to what a person has changed here.
        if (isOn && deps.store.files !== undefined && sandbox.status.files) void watched.later(parts.sync())
        await untilAborted(drained(parts), AbortSignal.timeout(lastVersionsMs)).catch(() => {})
      },
      async close() {
        await (await versions.made())?.close()
      },
    },
    async changeFiles(paths, last, work) {
      const owner: Owner = { turn: '', session: '', actor: last.author }
      const inShared = (all: readonly string[]): readonly string[] =>
        all.flatMap((path) => (path.startsWith('shared/') ? [fileName(path.slice('shared/'.length))] : []))
      let kept: readonly string[] = []
      const by = async (): Promise<CommitBy> => ({ ...last, at: clock.now() })
      const named = { paths: inShared(paths), by, except: () => kept }
      await watched.named(owner, named, unhurried, async (before) => {
        kept = inShared(await work(before))
      })
      await watched.lastNamed()
      documentsChanged.since = true
      return commit(by, { only: 'state' })
    },
  }
}

async function changedIn(versions: Versions, session: SessionId): Promise<readonly string[]> {
  const all = await versions.log({ from: 'HEAD', path: '', limit: maxSearchedVersions })
  const own = all.filter(({ trailers }) => trailers['oxbow-session'] === session)
  const found = new Set<string>()
  for (const { commit } of own.reverse()) {
    const { changes } = await versions.compare({ from: '', to: commit, path: 'shared', text: false, limit: maxListedChanges })
    for (const { path } of changes) found.add(`/${path}`)
  }
  return [...found]
}
