/**
 * Connects the versions with the rest of the kernel. Whatever a call is about to change is committed first, as it is, and what it has
 * changed is committed after it, for its turn alone: so each commit says who made its changes, what a person did meanwhile is a commit of its
 * own, and a turn can be taken back without anything else. The versions themselves are loaded with the first change.
 */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Store } from '../../store/index.ts'
import {
  type Call,
  type CallId,
  type Caller,
  type Clock,
  type Config,
  type Hands,
  type HandsOp,
  type HandsOps,
  once,
  OxbowError,
  type RecordView,
  type Sandbox,
  type SessionId,
  type UserId,
} from '../../types/index.ts'
import type { Background } from '../background.ts'
import type { Events } from '../events.ts'
import { checkpointTimeoutMs, lastVersionsMs, maxListedChanges, maxSearchedVersions, maxTitleLength, snapshotTimeoutMs } from '../limits.ts'
import type { Labels } from '../stages/policy.ts'
import type { Documents } from '../state/documents.ts'
import type { FileChanges } from '../stages/running-calls.ts'
import { type Committed, fileName } from './checkpoint.ts'
import { changeOf, type OpChange } from './op-changes.ts'
import type { CommitBy } from './version-questions.ts'
import { trailersOf } from './message-labels.ts'
import type { Taken, Versions } from './versions.ts'

/** Who changes files: a turn, or a person (or a program of the kernel) outside of any. */
export interface Owner {
  readonly turn: string
  readonly session: SessionId | ''
  readonly actor: string
}

/** A commit of a turn. */
export interface TurnCommit {
  /** Null: it has changed nothing. */
  readonly commit: string | null
  readonly state: Committed['state']
}

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
   */
  readonly changeFiles: (paths: readonly string[], by: CommitBy, work: (before: Committed) => Promise<void>) => Promise<Committed>
  /** Notes that a call which may change something has ended. */
  readonly noteChange: (caller: Caller, call: Pick<Call, 'name' | 'right'>) => void
  readonly changes: FileChanges
  /** Files of the workspace that differ between the versions before and after the turns of a session; empty where there are no versions. */
  readonly changedIn: (session: SessionId) => Promise<readonly string[]>
  /** Commits what a killed guest has left. Never rejects. */
  readonly recover: () => Promise<void>
  /** Waits, for a time, until the turns that have ended are committed: a guest that was started for one turn ends right after it. */
  readonly settle: () => Promise<void>
  readonly close: () => Promise<void>
}

interface VersioningDeps {
  readonly user: UserId
  /** Of the repository; absent: there are no versions. */
  readonly versionsFolder?: string | undefined
  readonly mounts?: (() => readonly string[]) | undefined
  readonly sandbox: Sandbox
  readonly store: Store
  readonly documents: Documents
  readonly config: Config['versions']
  readonly clock: Clock
  readonly background: () => Pick<Background, 'run'>
  readonly events: Pick<Events, 'onTurnEnd'>
}

/** The part of the record of a message that its version names. */
interface TurnIntent {
  readonly input?: { readonly text?: unknown }
  readonly labels?: Labels
}

/** What a version says of the message of its turn. */
interface TurnMessage {
  /** Its first line. */
  readonly subject: string
  /** Of what its conversation had read when it was sent, which it may repeat. */
  readonly labels: Labels
}

const nobody = { session: '', turn: '' } as const

/** A turn that has changed something. */
interface Changed extends Owner {
  onlyState: boolean
  /** What was there before it is committed. */
  begun: boolean
  commit: string | null
  readonly state: Map<string, number>
}

const unhurried = <T>(work: Promise<T>): Promise<T> => work

export function createVersioning(deps: VersioningDeps): Versioning {
  const { versionsFolder: folder = '', mounts = () => [], sandbox, store, documents, config, clock, user, background, events } = deps
  const isOn = folder !== '' && config.enabled
  const marker = join(folder, 'oxbow-running.json')
  const turns = new Map<string, Changed>()
  /** Turns that have ended and are not yet committed, in order. */
  const waiting: Changed[] = []
  let committing: Promise<void> | null = null
  let isListening = false
  const documentsChanged = { since: true }
  /** Who may change any file now. */
  const running = new Map<symbol, Owner>()
  /** Files that are changed by name now; one such change runs at a time. */
  let named: readonly string[] = []
  let naming: Owner | null = null
  let namedChange: Promise<void> = Promise.resolve()
  const after = new Set<Promise<unknown>>()
  const messages = new Map<string, Promise<TurnMessage>>()
  let killed = isOn ? readMarker(marker) : []

  const versions = once(async () => {
    if (!isOn) return null
    const { createVersions } = await import('./versions.ts')
    return createVersions({ folder, mounts, sandbox, store, documents, config, documentsChanged })
  })
  let marked = killed.length
  const mark = (): void => {
    const open = [...running.values(), ...(naming === null ? [] : [naming])].map(({ turn }) => turn).filter((turn) => turn !== '')
    const all = [...new Set([...killed, ...open])]
    if (all.length > 0 || marked > 0) writeMarker(marker, all)
    marked = all.length
  }
  const messageOfTurn = async (turn: string): Promise<TurnMessage> => {
    let found = messages.get(turn)
    if (found === undefined) messages.set(turn, (found = messageOf(store, turn)))
    return found
  }
  const by = async (owner: Owner): Promise<CommitBy> => {
    const { turn, session, actor } = owner
    const at = clock.now()
    if (turn === '') return { author: actor, at, subject: betweenTurns, trailers: trailersOf(nobody, []) }
    const { subject, labels } = await messageOfTurn(turn)
    return { author: actor, at, subject, trailers: trailersOf({ session, turn }, labels) }
  }
  /** Of what is not known to be anybody's: whoever runs, and a person where nobody does. */
  const byWhoRuns = async (): Promise<CommitBy> => {
    const at = clock.now()
    if (!existsSync(join(folder, 'refs/heads/main')))
      return { author: 'oxbow', at, subject: 'Before the first change', trailers: trailersOf(nobody, []) }
    const owners = [...new Map([...running.values()].map((owner) => [owner.turn, owner])).values()]
    const [only, ...others] = owners
    if (killed.length === 0 && others.length === 0) return by(only ?? { turn: '', session: '', actor: `user:${user}` })
    const shared = [...new Set([...killed, ...owners.map(({ turn }) => turn)])].filter((turn) => turn !== '')
    const subject = killed.length > 0 ? 'Changes before Oxbow was stopped' : 'Changes of several turns at once'
    return { author: 'oxbow', at, subject, trailers: { ...trailersOf(nobody, []), 'Oxbow-Turns': shared.join(' ') } }
  }
  const commit = async (who: () => CommitBy | Promise<CommitBy>, taken: Taken): Promise<Committed> =>
    (await versions())!.commit(who, AbortSignal.timeout(checkpointTimeoutMs), taken)
  /** @param then is called before anything else is committed */
  const sync = async (also: readonly string[] = [], then: () => void = () => {}): Promise<Committed> => {
    let turn = ''
    const who = async (): Promise<CommitBy> => {
      const found = await byWhoRuns()
      turn = found.trailers['Oxbow-Turn'] ?? ''
      return found
    }
    const settled = (): void => {
      killed = []
      then()
      mark()
    }
    const done = await commit(who, { except: () => named, then: settled, ...(also.length > 0 && { also }) })
    keep(turn, done)
    return done
  }
  const keep = (turn: string, { commit: made, changed, state }: Committed): void => {
    const found = turns.get(turn) ?? waiting.find((one) => one.turn === turn)
    if (found === undefined || !changed) return
    found.commit = made
    for (const { document, version } of state) found.state.set(document, version)
  }
  /** @returns whether these are the first files that a turn changes */
  const note = ({ turn, session, actor }: Owner, isState: boolean): boolean => {
    if (turn === '') return false
    // A guest whose turns change nothing never looks at their ends.
    if (!isListening) events.onTurnEnd(turnEnded)
    isListening = true
    const found = turns.get(turn)
    if (found === undefined) turns.set(turn, { turn, session, actor, onlyState: isState, begun: !isState, commit: null, state: new Map() })
    else found.onlyState &&= isState
    if (found?.begun === true || isState) return false
    if (found !== undefined) found.begun = true
    return true
  }
  const commitAll = async (): Promise<void> => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      await background().run(next.session, 'version.after_turn', { turn: next.turn, only_state: next.onlyState })
      waiting.shift()
      messages.delete(next.turn)
    }
    committing = null
  }
  const turnEnded = ({ call }: RecordView): void => {
    const changed = turns.get(call)
    turns.delete(call)
    if (changed === undefined || !sandbox.status.files) return
    waiting.push(changed)
    committing ??= commitAll()
  }
  /** What follows a change. Never rejects. */
  const later = (work: Promise<unknown>): Promise<void> => {
    const done = work.then(
      () => {},
      (error: unknown) => console.error(error),
    )
    after.add(done)
    return done.finally(() => after.delete(done))
  }

  const changeAny = async <Result>(
    owner: Owner,
    { also, goesOn }: Extract<OpChange, { kind: 'any' }>,
    patience: Patience,
    work: () => Promise<Result>,
  ): Promise<Result> => {
    note(owner, false)
    const key = Symbol(owner.turn)
    await patience(sync(also, () => void running.set(key, owner)))
    try {
      return await work()
    } finally {
      // Until that is committed, what has changed is still its own.
      const isOver = !goesOn || owner.turn === ''
      // Before the caller goes on: what a person changes next is theirs.
      await patience(later(sync(also, () => void (isOver && running.delete(key)))))
    }
  }
  const changeNamed = async <Result>(
    owner: Owner,
    {
      paths,
      patience,
      who,
    }: { readonly paths: readonly string[]; readonly patience: Patience; readonly who: () => CommitBy | Promise<CommitBy> },
    work: (before: Committed) => Promise<Result>,
  ): Promise<Result> => {
    const turnOf = namedChange
    const { promise, resolve: release } = Promise.withResolvers<void>()
    namedChange = promise
    const begin = async (): Promise<Committed> => {
      await turnOf
      const isFirst = note(owner, false) || !existsSync(join(folder, 'refs/heads/main')) || killed.length > 0
      if (isFirst) await sync()
      const hold = (): void => {
        named = paths
        naming = owner
        mark()
      }
      const before = await commit(byWhoRuns, { named: paths, then: hold })
      const none = await (await versions())!.unversioned({ paths })
      if (none.length > 0) throw noVersion(none[0]!)
      return before
    }
    const letGo = (): void => {
      named = []
      naming = null
      mark()
    }
    const end = async (): Promise<void> => {
      try {
        if (naming !== null) keep(owner.turn, await commit(who, { named: paths, then: letGo }))
      } catch (error) {
        // What it has changed stays its own until it is committed.
        if (owner.turn !== '') running.set(Symbol(owner.turn), owner)
        letGo()
        throw error
      } finally {
        release()
      }
    }
    try {
      return await work(await patience(begin()))
    } finally {
      await patience(later(end()))
    }
  }
  const ownerOf = ({ turn, session, actor }: Caller): Owner => ({ turn, session, actor })
  const isKept = ({ branch }: Caller): boolean => isOn && branch === undefined && sandbox.status.files
  const drained = async (): Promise<void> => {
    while (committing !== null || after.size > 0) await Promise.all([committing, ...after])
  }
  return {
    versions,
    sync,
    async commit(facts) {
      // What others have changed is theirs.
      const isShared = facts.trailers['Oxbow-Turn'] !== undefined || running.size > 0 || killed.length > 0
      if (isShared) await sync()
      return commit(() => facts, isShared ? { only: 'state', always: true } : { except: () => named })
    },
    isRunning: (turn) => turns.has(turn),
    async endTurn(turn, onlyState) {
      if (onlyState)
        keep(
          turn,
          await commit(() => by(waiting.find((one) => one.turn === turn) ?? { turn, session: '', actor: 'agent' }), { only: 'state' }),
        )
      else await sync()
      for (const [key, owner] of running) if (owner.turn === turn) running.delete(key)
      mark()
      const found = waiting.find((one) => one.turn === turn)
      const state = [...(found?.state ?? [])].map(([document, version]) => ({ document, version }))
      return { commit: found?.commit ?? null, state }
    },
    async changeFiles(paths, last, work) {
      const owner: Owner = { turn: '', session: '', actor: last.author }
      const own = paths.flatMap((path) => (path.startsWith('shared/') ? [fileName(path.slice('shared/'.length))] : []))
      await changeNamed(owner, { paths: own, patience: unhurried, who: () => ({ ...last, at: clock.now() }) }, work)
      await namedChange
      documentsChanged.since = true
      return commit(() => ({ ...last, at: clock.now() }), { only: 'state' })
    },
    changes: {
      hands(hands, caller, patience) {
        if (!isKept(caller)) return hands
        const owner = ownerOf(caller)
        return {
          async ask<Op extends HandsOp>(op: Op, input: HandsOps[Op]['input'], options: Parameters<Hands['ask']>[2]) {
            const work = (): Promise<HandsOps[Op]['output']> => hands.ask(op, input, options)
            const change = await changeOf(op, input, { hands, options: { signal: options.signal, timeoutMs: snapshotTimeoutMs } })
            if (change.kind === 'none') return work()
            if (change.kind === 'any') return changeAny(owner, change, patience, work)
            return changeNamed(owner, { paths: change.paths, patience, who: () => by(owner) }, work)
          },
        }
      },
      async whileProgram(caller, { branch, folders }, patience, work) {
        if (!isKept(caller) || branch !== undefined || folders.length === 0) return work()
        return changeAny(ownerOf(caller), { kind: 'any', also: [], goesOn: false }, patience, work)
      },
      async around(caller, { right }, patience, work) {
        if (!isKept(caller)) return work()
        // What others have saved is not its own.
        if (right === 'state.write' && caller.turn !== '' && documentsChanged.since) await patience(commit(byWhoRuns, { only: 'state' }))
        return work()
      },
    },
    noteChange(caller, { right }) {
      if (!isOn || right !== 'state.write') return
      documentsChanged.since = true
      if (caller.branch !== undefined) return
      const owner = ownerOf(caller)
      note(owner, true)
      // Before somebody else saves one.
      if (owner.turn === '' && !existsSync(join(folder, 'refs/heads/main'))) return
      void later(commit(() => by(owner), { only: 'state' }).then((done) => keep(owner.turn, done)))
    },
    async changedIn(session) {
      const kept = await versions()
      await committing
      return kept === null ? [] : changedIn(kept, session)
    },
    async recover() {
      if (killed.length > 0 && sandbox.status.files) await sync().catch((error: unknown) => console.error(error))
    },
    async settle() {
      let timer: NodeJS.Timeout | undefined
      await Promise.race([drained(), new Promise((resolve) => (timer = setTimeout(resolve, lastVersionsMs)))])
      clearTimeout(timer)
    },
    async close() {
      await (await versions.made())?.close()
    },
  }
}

/** Waits for work that does not count against the time limit of a call. */
type Patience = <T>(work: Promise<T>) => Promise<T>

const betweenTurns = 'Edits between turns'

function noVersion(path: string): OxbowError {
  return new OxbowError('denied', `/shared/${path} has no version, so this could not be taken back: nothing was changed.`, {
    hint: 'It is too large for versions, or cannot be read. Ask the person to copy it or to change it.',
  })
}

async function messageOf(store: Store, turn: string): Promise<TurnMessage> {
  const [sent] = await store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  const { input, labels = [] } = sent === undefined ? {} : (JSON.parse(sent.body) as TurnIntent)
  const text = typeof input?.text === 'string' ? input.text : ''
  const subject = Array.from(text.trim().split('\n', 1)[0] ?? '')
    .slice(0, maxTitleLength)
    .join('')
  return { subject: subject || 'Turn', labels }
}

/** The turns that changed something when the guest was killed. */
function readMarker(path: string): readonly string[] {
  try {
    return (JSON.parse(readFileSync(path, 'utf8')) as string[]).filter((turn) => typeof turn === 'string')
  } catch {
    return []
  }
}

/** Not durable: a kill leaves what was written, and after a power failure everything is committed as between turns. */
function writeMarker(path: string, turns: readonly string[]): void {
  try {
    if (turns.length === 0) rmSync(path, { force: true })
    else writeFileSync(path, JSON.stringify(turns), { mode: 0o600 })
  } catch (error) {
    console.error(error)
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
