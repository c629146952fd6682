/** A cache of session rows, which are derived from the journal, with the labels of what each session has read and where that comes from. */
import { plainSession, type SessionRow, type Store } from '../../store/index.ts'
import { type CallId, createRecentMap, type Failure, isOxbowError, truncate, once, OxbowError, type SessionId } from '../../base/index.ts'
import type { FlowPolicy, Config } from '../../config/index.ts'
import {
  type KeptFile,
  type Blobs,
  type Call,
  type Caller,
  type DataOrigin,
  fileFlowCategories,
  type Hands,
  isOwnText,
  joinOrigins,
  joinScope,
  type LabelOrigin,
  labelOrigins,
  type Label,
  type Profile,
  type ProgramSees,
  type Sandbox,
  type SessionInfo,
  joinLabels,
  type Labels,
  parseLabels,
} from '../../protocol/index.ts'
import type { Documents } from '../state/documents.ts'
import {
  addLabels,
  flowMatter,
  historyOf,
  joinHistories,
  labelColumns,
  type LabelHistory,
  noLabels,
  closedFlow,
  freeFlow,
  joined,
  lastingEffect,
  judgeFlow,
  type FlowVerdict,
  isKept,
  leadsOutside,
  nothing,
  type Provenance,
  serviceFailure,
} from '../policy/policy.ts'

/** Characters of the first line of a message that becomes a session's title. */
export const maxTitleLength = 60

/** Sessions searched for a title, or for forks of a session. */
export const maxSessionsRead = 10_000

export interface Sessions {
  /** @throws OxbowError `not_found`, also while the session is being erased */
  load(id: SessionId): Promise<SessionRow>
  /** Makes `load` fail while the session is being erased. @returns a function that undoes this if erasing fails */
  leave(id: SessionId): () => void
  held(caller: Pick<Caller, 'session' | 'scope'>): Labels
  /** As `held`, for a session that nobody may have needed since the start. One that is gone counts as having read everything. */
  loadHeld(id: SessionId): Promise<Labels>
  /** The labels by which sinks are judged: without what a person has declassified, for this session only. */
  judged(caller: Pick<Caller, 'session' | 'scope'>): Labels
  /** Whether these of the judged labels come only from the calling plugin; see `isOwnText`. */
  areOwn(caller: Caller, call: Call, labels: Labels): boolean
  /** Takes labels out of `judged`, or puts them back. @returns whether the session is known */
  declassify(session: SessionId, labels: Labels, isFreed: boolean): boolean
  history(session: SessionId): LabelHistory
  /** Where the data with these labels comes from, the oldest first; empty where that is not known. */
  origins(caller: Pick<Caller, 'session' | 'scope'>): readonly LabelOrigin[]
  /** Joins labels of what the session was given: a message, or the session that it was made from. */
  join(caller: Pick<Caller, 'session'>, added: readonly Label[], origins?: readonly DataOrigin[]): void
  /** Joins labels of a call's result, which its record names too; they join the call's own scope if it reads apart. */
  read(caller: Pick<Caller, 'session' | 'scope'>, added: readonly Label[], origins: readonly LabelOrigin[]): void
  /** Changes the cached row. @returns the new row, for the store */
  created(id: SessionId, title: string, at: number): SessionRow
  turnStarted(id: SessionId, text: string, at: number): SessionRow | null
  /** The call that changed the session's scratchpad last; empty if none has. */
  scratchpad(id: SessionId): Promise<CallId | ''>
  /** The call that made the session's newest summary; empty if none has. */
  summary(id: SessionId): CallId | ''
  /** Changes a cached row. @returns null when it is not cached */
  changed(id: SessionId, change: Partial<Omit<SessionRow, 'id'>>): SessionRow | null
  /** As `changed`, for a row that may be new. */
  kept(id: SessionId, change: Partial<Omit<SessionRow, 'id'>>): SessionRow
  /** Marks the cached row as stale: the next `load` reads it again. Its labels stay. */
  forget(id: SessionId): void
  /** @returns the row if it has label changes that are not in the store yet; they count as stored from now on */
  takeChanged(id: SessionId): SessionRow | undefined
}

const noRow: SessionRow = { ...plainSession, id: '' as SessionId, title: '', createdAt: 0, activeAt: 0 }

/** Rows kept in memory; a row is about 200 bytes. */
const maxRows = 10_000

export function createSessions(store: Store): Sessions {
  const rows = createRecentMap<SessionId, SessionRow>(maxRows)
  const changed = new Set<SessionId>()
  const stale = new Set<SessionId>()
  const leaving = new Set<SessionId>()
  const put = (row: SessionRow): SessionRow => {
    rows.put(row.id, row)
    return row
  }
  const labels = labelsOf(rows, (row) => void changed.add(put(row).id))
  const sessions: Sessions = {
    ...labels.of,
    loadHeld: async (id) => (await sessions.load(id).catch(() => {}), labels.of.held({ session: id })),
    takeChanged: (id) => (changed.delete(id) ? rows.get(id) : undefined),
    async load(id) {
      const cached = rows.get(id)
      const row = cached === undefined || stale.has(id) ? await store.session(id) : cached
      if (row === null || row.deleted > 0 || leaving.has(id)) {
        throw new OxbowError('not_found', `There is no session ${id}.`, { hint: 'See `oxbow sessions`, or start a new one.' })
      }
      const now = rows.get(id)
      if (now === undefined || !stale.delete(id)) return now ?? put(row)
      // Keeps labels that are not in the store yet.
      return put({ ...row, ...labelColumns(joinHistories(historyOf(row), labels.known(now))) })
    },
    leave(id) {
      leaving.add(id)
      return () => void leaving.delete(id)
    },
    created: (id, title, at) => put({ ...plainSession, id, title, createdAt: at, activeAt: at }),
    async scratchpad(id) {
      // Loaded, since what is recorded next changes its row.
      const row = await sessions.load(id).catch((error: unknown) => {
        if (!isOxbowError(error, 'not_found')) throw error
      })
      return (row?.scratchpad ?? '') as CallId | ''
    },
    summary: (id) => rows.get(id)?.summary ?? '',
    changed(id, change) {
      const row = rows.get(id)
      return row === undefined ? null : put({ ...row, ...change })
    },
    kept(id, change) {
      if (change.deleted !== undefined) leaving.delete(id)
      const row = rows.get(id) ?? { ...plainSession, id, title: '', createdAt: 0, activeAt: 0 }
      return put({ ...row, ...change })
    },
    forget: (id) => void stale.add(id),
    turnStarted(id, text, at) {
      const row = rows.get(id)
      return row === undefined ? null : put({ ...row, title: row.title || firstLine(text), activeAt: at, turns: row.turns + 1 })
    },
  }
  return sessions
}

/** The labels in rows. @param change of a row */
function labelsOf(rows: { get(id: SessionId): SessionRow | undefined }, change: (row: SessionRow) => void) {
  // A row may be evicted during a call that waits for days: until it is loaded again, the session counts as having all labels.
  const heldBy = (session: SessionId | ''): Labels => (session === '' ? [] : parseLabels(rows.get(session)?.labels ?? 'private,untrusted'))
  const held: Sessions['held'] = ({ session, scope }) => (scope === undefined ? heldBy(session) : joinLabels(heldBy(session), scope.labels))
  /** Each call that reads joins its labels: a row is parsed once. */
  const histories = new WeakMap<SessionRow, LabelHistory>()
  const known = (row: SessionRow): LabelHistory => {
    const history = histories.get(row) ?? historyOf(row)
    histories.set(row, history)
    return history
  }
  const add = (session: SessionId | '', added: Labels, origins: readonly LabelOrigin[], isGiven: boolean): void => {
    const row = session === '' || added.length === 0 ? undefined : rows.get(session)
    if (row === undefined) return
    const before = known(row)
    const after = addLabels(before, added, origins, isGiven)
    if (after !== before) change({ ...row, ...labelColumns(after) })
  }
  const history: Sessions['history'] = (session) => known(rows.get(session) ?? noRow)
  const originsOf: Sessions['origins'] = ({ session, scope }) => {
    const { from } = history(session as SessionId)
    return scope === undefined ? from : joinOrigins(from, scope.origins)
  }
  const of: Pick<Sessions, 'held' | 'origins' | 'join' | 'read' | 'judged' | 'areOwn' | 'declassify' | 'history'> = {
    held,
    history,
    origins: originsOf,
    areOwn: (caller, call, labels) =>
      isOwnText(caller, call, labels, { given: history(caller.session as SessionId).given, from: originsOf(caller) }),
    judged(caller) {
      const { session, scope } = caller
      const row = session === '' ? undefined : rows.get(session)
      const { freed } = row === undefined ? noLabels : known(row)
      const all = held(caller)
      return freed.length === 0 ? all : all.filter((label) => !freed.includes(label) || scope?.labels.includes(label) === true)
    },
    declassify(session, labels, isFreed) {
      const row = rows.get(session)
      if (row === undefined) return false
      const before = known(row)
      const others = before.freed.filter((label) => !labels.includes(label))
      change({ ...row, ...labelColumns({ ...before, freed: isFreed ? joinLabels(others, labels) : others }) })
      return true
    },
    join: ({ session }, added, origins = []) => add(session, added, labelOrigins(added, origins), true),
    read({ session, scope }, added, from) {
      if (scope?.kind !== 'apart') return add(session, added, from, false)
      const both = joinScope(scope, added, from)
      const own = from.filter(({ label }) => both.includes(label))
      return add(session, both, own, false)
    },
  }
  return { of, known }
}

/** The default title of a session: the first line of its first message. */
export function firstLine(text: string): string {
  return truncate(text.trim().split('\n', 1)[0] ?? '', maxTitleLength)
}

/** Which sessions to list. */
export interface ListInput {
  limit: number
  archived: boolean
  search: string
}

/** @returns sessions that are not deleted, newest activity first */
export async function sessionsOf(store: Store, { limit, archived, search }: ListInput): Promise<readonly SessionRow[]> {
  const words = search.toLowerCase().split(/\s+/u)
  const names = (title: string): boolean => words.every((word) => title.toLowerCase().includes(word))
  const fits = ({ title, deleted, archived: put }: SessionRow): boolean => deleted === 0 && (archived || put === 0) && names(title)
  const newest = await store.sessions(search === '' ? limit : maxSessionsRead)
  const found = newest.filter(fits)
  if (found.length >= limit || newest.length < limit) return found.slice(0, limit)
  // Some of the newest do not match: look further back.
  return (await store.sessions(maxSessionsRead)).filter(fits).slice(0, limit)
}

/** @param agent who answers in it; undefined: the usual agent */
export function describeSession(row: SessionRow, busy: boolean, agent?: string): SessionInfo {
  const { id, title, createdAt: created_at, activeAt: active_at, turns, archived, parent, forked } = row
  const info = { id, title, created_at, active_at, turns, busy }
  return {
    ...info,
    ...(archived > 0 && { archived_at: archived }),
    ...(parent !== '' && { parent, forked_at: forked }),
    ...(agent !== undefined && { agent }),
  }
}

/** The labels of what the session has read, and whether they let a call run. */
export interface Judged {
  readonly held: Labels
  readonly flow: FlowVerdict
}

interface FlowDeps {
  readonly labels: Pick<Sessions, 'held' | 'judged' | 'areOwn' | 'origins'>
  readonly flow: FlowPolicy
  readonly files: FileFlow
}

/** Stage 4. */
export async function judgeLabels({ labels, flow, files }: FlowDeps, caller: Caller, call: Call, input: unknown): Promise<Judged> {
  const held = labels.held(caller)
  const judged = labels.judged(caller)
  const verdict = await files.judge(caller, call, input)
  if (verdict !== null) return { held, flow: verdict }
  const matter =
    judged.length === 0 ? null : flowMatter(caller, call, flow, files.lasting(call, input), labels.areOwn(caller, call, judged))
  return { held, flow: matter === null ? freeFlow : judgeFlow(judged, call, flow, matter, () => labels.origins(caller)) }
}

/** What a call does to files that carry labels. */
export interface FileGuard {
  hands(inner: Sandbox, profile: Profile): Promise<Hands>
  /** Labels of what the call has read so far. */
  seen(): Provenance
  /** While a program of the call runs that sees folders by itself. */
  around<Result>(inner: Sandbox, sees: ProgramSees, work: () => Promise<Result>): Promise<Result>
}

/** Labels of files, and rules about them; loaded when there is a label or a rule. */
export interface OpenedFlow {
  isEmpty(): boolean
  guard(of: CallOf, call: Call, input: unknown): FileGuard
  /** The labels of all files: a command may have read any that got its label after the command began. */
  everywhere(): Provenance
  /** Labels that rules give to the result of a call. */
  sourced(of: CallOf, call: Call, input: unknown): Provenance
  judge(caller: Caller, call: Call, input: unknown): Promise<FlowVerdict>
  /** Labels of files of the workspace with this content. */
  sameAs(file: KeptFile, blobs: Pick<Blobs, 'read'>): Promise<Provenance>
  /** What was at these paths is there again. */
  restored(of: Parameters<Documents['put']>[0], paths: readonly string[]): Promise<void>
}

export interface CallOf {
  readonly caller: Caller
  readonly call: CallId
  readonly name: string
}

/** Labels of files and rules of `[flow]`, as the gate uses them. */
export interface FileFlow {
  /** @returns null where no file has labels, and this call gives none */
  watch(of: CallOf, call: Call, input: unknown): WatchedFiles | null
  /** @returns null where `judgeFlow` decides: no file and no rule matters */
  judge(caller: Caller, call: Call, input: unknown): Promise<FlowVerdict | null>
  /** @returns what the call does that nobody can take back; empty: nothing */
  lasting(call: Call, input: unknown): string
  /** @returns null where no file has labels */
  opened(): Promise<OpenedFlow | null>
}

export interface WatchedFiles extends Pick<FileGuard, 'seen'> {
  /** The call has been led to this input, whose labels the result has too. */
  leadsTo(input: unknown): void
  sandbox(inner: Sandbox): Sandbox
  /** Runs the call. */
  run<Result>(work: () => Promise<Result>): Promise<Result>
  /** Waits for a program of the call. @param find the sandbox of the workspace, or of a branch of files */
  whileProgram<Result>(find: () => Promise<Sandbox>, sees: ProgramSees, work: () => Promise<Result>): Promise<Result>
}

interface FileFlowDeps {
  readonly sessions: Pick<Sessions, 'held'>
  readonly documents: Pick<Documents, 'list'>
  readonly config: Pick<Config, 'flow'>
  /** Whether versions hold what is at a path. */
  readonly isVersioned: (path: string) => boolean
  readonly open: () => Promise<OpenedFlow>
}

/** @returns labels of files at the cost of one comparison a call, as long as no session has read private data */
export function createFileFlow({ sessions: { held }, documents, config, isVersioned, open }: FileFlowDeps): FileFlow {
  const hasRules = config.flow.source.length > 0 || config.flow.sink.length > 0
  // Left by the guest before this one.
  const isNeeded = async (): Promise<boolean> =>
    (await Promise.all(fileFlowCategories.map((category) => documents.list(category, 1)))).flat().length > 0
  let opened: OpenedFlow | null = null
  let [isKnown, wasOnline] = [false, false]
  const load = once(async () => (opened = await open()))
  const begin = once(async () => {
    if (hasRules || (await isNeeded())) await load()
    isKnown = true
  })
  /** The verdict while labels of files and rules cannot be read: it stops what has labels or leads outside. */
  const unjudged = (caller: Caller, call: Call, failure: Failure): FlowVerdict | null =>
    leadsOutside(caller, call) || (caller.audience !== 'terminal' && held(caller).length > 0) ? closedFlow(failure) : null
  const isQuiet = (caller: Caller): boolean => isKnown && (opened === null || opened.isEmpty()) && !isKept(held(caller))
  return {
    lasting: (call, input) => lastingEffect(call, input, isVersioned),
    opened: () => begin().then(() => opened),
    watch(of, call, input) {
      const isWatched = call.files === 'past' || call.files === 'workspace'
      if (isQuiet(of.caller) && !isWatched) return null
      let guard: FileGuard | null = null
      let led = nothing
      let holds = false
      const ready = once(async () => {
        await begin()
        if (holds || !isQuiet(of.caller)) guard = (await load()).guard(of, call, input)
        return guard
      })
      return {
        seen() {
          if (guard !== null) return joined(guard.seen(), led)
          if (opened === null) return nothing
          return joined(call.files === 'workspace' ? opened.everywhere() : opened.sourced(of, call, input), led)
        },
        leadsTo(next) {
          if (opened !== null) led = joined(led, opened.sourced(of, call, next))
        },
        run: (work) => (isWatched && !isKnown ? begin().then(work) : work()),
        async whileProgram(find, sees, work) {
          holds = isKept((sees.holds ?? nothing).labels) || sees.goesOn !== undefined
          const watching = sees.folders.length === 0 ? null : await ready()
          return watching === null ? work() : watching.around(await find(), sees, work)
        },
        sandbox: (inner) => ({
          ...inner,
          get status() {
            return inner.status
          },
          hands: async (profile) => (await ready())?.hands(inner, profile) ?? inner.hands(profile),
        }),
      }
    },
    async judge(caller, call, input) {
      wasOnline ||= call.right === 'shell.network'
      if (!hasRules && !leadsOutside(caller, call) && !(wasOnline && isKept(joinLabels(held(caller), call.labels.adds)))) return null
      if (isQuiet(caller) && !isKept(call.labels.adds)) return null
      try {
        await begin()
        return isQuiet(caller) && !isKept(call.labels.adds) ? null : await (await load()).judge(caller, call, input)
      } catch (error) {
        return unjudged(caller, call, serviceFailure(error))
      }
    },
  }
}
