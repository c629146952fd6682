/** A cache of session rows, which are derived from the journal, with the labels of what each session has read. */
import { plainSession, type SessionRow, type Store } from '../store/index.ts'
import {
  type Caller,
  type CallId,
  createRecentMap,
  truncate,
  type Label,
  OxbowError,
  type SessionId,
  type SessionInfo,
} from '../types/index.ts'
import { maxSessionsRead, maxTitleLength } from './limits.ts'
import { join, type Labels, parseLabels } from './stages/policy.ts'

export interface Sessions {
  /** @throws OxbowError `not_found`, also while the session is being erased */
  load(id: SessionId): Promise<SessionRow>
  /** Makes `load` fail while the session is being erased. @returns a function that undoes this if erasing fails */
  leave(id: SessionId): () => void
  held(caller: Pick<Caller, 'session'>): Labels
  join(caller: Pick<Caller, 'session'>, added: readonly Label[]): Labels
  /** Changes the cached row. @returns the new row, for the store */
  created(id: SessionId, title: string, at: number): SessionRow
  turnStarted(id: SessionId, text: string, at: number): SessionRow | null
  /** The call that changed the session's scratchpad last; empty if none has. */
  scratchpad(id: SessionId): CallId | ''
  /** The call that made the session's newest summary; empty if none has. */
  summary(id: SessionId): CallId | ''
  /** Changes a cached row. @returns null when it is not cached */
  changed(id: SessionId, change: Partial<Omit<SessionRow, 'id'>>): SessionRow | null
  /** As `changed`, for a row that may be new. */
  kept(id: SessionId, change: Partial<Omit<SessionRow, 'id'>>): SessionRow
  /** The cached row is stale: the next `load` reads it again. Its labels stay. */
  forget(id: SessionId): void
  /** @returns the row if it has label changes that are not in the store yet; they count as stored from now on */
  takeChanged(id: SessionId): SessionRow | undefined
}

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
  // A row may be evicted during a call that waits for days: until it is loaded again, the session counts as having all labels.
  const held: Sessions['held'] = ({ session }) => (session === '' ? [] : parseLabels(rows.get(session)?.labels ?? 'private,untrusted'))
  return {
    held,
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
      return put({ ...row, labels: join(parseLabels(row.labels), parseLabels(now.labels)).join(',') })
    },
    leave(id) {
      leaving.add(id)
      return () => void leaving.delete(id)
    },
    join(caller, added) {
      const before = held(caller)
      const after = join(before, added)
      const row = caller.session === '' ? undefined : rows.get(caller.session)
      if (after !== before && row !== undefined) changed.add(put({ ...row, labels: after.join(',') }).id)
      return after
    },
    created: (id, title, at) => put({ ...plainSession, id, title, createdAt: at, activeAt: at }),
    scratchpad: (id) => (rows.get(id)?.scratchpad ?? '') as CallId | '',
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
}

/** The default title of a session: the first line of its first message. */
export function firstLine(text: string): string {
  const line = text.trim().split('\n', 1)[0] ?? ''
  return truncate(line, maxTitleLength)
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
  const fits = ({ title, deleted, archived: put }: SessionRow): boolean =>
    deleted === 0 && (archived || put === 0) && words.every((word) => title.toLowerCase().includes(word))
  const newest = await store.sessions(search === '' ? limit : maxSessionsRead)
  const found = newest.filter(fits)
  if (found.length >= limit || newest.length < limit) return found.slice(0, limit)
  // Some of the newest do not match: look further back.
  return (await store.sessions(maxSessionsRead)).filter(fits).slice(0, limit)
}

export function describeSession(row: SessionRow, busy: boolean): SessionInfo {
  const { id, title, createdAt, activeAt, turns, archived, parent, forked } = row
  const info = { id, title, created_at: createdAt, active_at: activeAt, turns, busy }
  return { ...info, ...(archived > 0 && { archived_at: archived }), ...(parent !== '' && { parent, forked_at: forked }) }
}
