/**
 * What was derived from what another space shares: every session that has read it, by the origins of its private data, then what these sessions
 * made, and the sessions that have read that. The same is asked of a third space to which some of it was moved. Where an origin does not tell, it counts: what may be of it is to be gone.
 */
import { z } from 'zod'
import { historyOf, maxSessionsRead } from '../../kernel/index.ts'
import { idSchema, type LabelOrigin, maxOrigins, recallCall, searchMemoryCall } from '../../protocol/index.ts'
import type { MemoryEntry, SessionRow, Store } from '../../store/index.ts'
import { isObject } from '../../base/index.ts'
import type { Flow } from '../flow/service.ts'
import { maxSpaceLines, maxSpacePaths } from './limits.ts'

export const derivedFrom = z.strictObject({
  path: z.string().max(4_096).default('').describe('A shared folder, as agents see it; empty: none.'),
  memories: z.array(z.string().min(1).max(200)).max(maxSpaceLines).default([]).describe('Shared memories, by the ids of their copies.'),
  schedules: z
    .array(z.string().max(200))
    .max(1_000)
    .default([])
    .describe('Schedules that such sessions made: what their runs read counts, too.'),
  sessions: z
    .array(idSchema('SessionId'))
    .max(maxSessionsRead)
    .default([])
    .describe('Sessions that have read it, also in a space that they have left.'),
  elsewhere: z.boolean().default(false).describe('It is shared with another space, from which some of it may have been moved here.'),
  moved: z
    .array(z.string().max(4_096))
    .max(maxSpacePaths)
    .default([])
    .describe('Files and folders that came here from there; of the space that sees it: files made of it that were moved away.'),
})

export const derivedOutput = z.strictObject({
  sessions: z.array(z.strictObject({ id: idSchema('SessionId'), title: z.string() })).readonly(),
  memories: z.array(z.string()).readonly(),
  files: z.array(z.string()).readonly(),
  state: z
    .array(z.strictObject({ category: z.string(), name: z.string() }))
    .readonly()
    .describe('Documents of the state.'),
  past: z.array(idSchema('SessionId')).readonly().describe('Sessions that have read it, and are not here any more.'),
})

type Derived = z.infer<typeof derivedOutput>

interface DerivedDeps {
  readonly store: Pick<Store, 'sessions' | 'memory' | 'documents' | 'documentCategories' | 'records'>
  readonly files: Pick<Flow['files'], 'list'>
}

/** Entries read at once. */
const page = 1_000

type From = z.infer<typeof derivedFrom>

/** @returns what is to go with these */
export async function derivedOf({ store, files }: DerivedDeps, from: From): Promise<Derived> {
  // What one of them made counts, too, where it was deleted or moved meanwhile.
  const rows = await store.sessions(maxSessionsRead)
  const gone = new Set<string>(from.sessions)
  if (from.elsewhere && !(await isReached({ store, files }, from, rows))) return nothingDerived
  const written = new Set<string>()
  const isOwn = (path: string): boolean => !from.elsewhere && from.path !== '' && isAt(path, from.path)
  // Files of it that have left this space are still the source of what was made of them here.
  const sources = (): ReadonlySet<string> => (from.elsewhere ? written : new Set([...written, ...from.moved]))
  const isFrom = (origins: readonly LabelOrigin[]): boolean => mayDerive(origins, from, gone, sources())
  // A session may have read what another one made: until nothing is added.
  for (let before = -1; gone.size + written.size > before;) {
    before = gone.size + written.size
    for (const row of rows) if (!gone.has(row.id) && isFrom(historyOf(row).from)) gone.add(row.id)
    for (const { path, from: origins } of files.list())
      if (!isOwn(path) && (isFrom(origins) || cameAlong(path, origins, from))) written.add(path)
  }
  const isOf = ({ author }: MemoryEntry): boolean => isOwn(author) || [...sources()].some((path) => isAt(author, path))
  const found = rows.filter(({ id }) => gone.has(id))
  return {
    sessions: found.flatMap(({ id, title, deleted }) => (deleted === 0 ? [{ id, title }] : [])),
    memories: await memoriesOf(store, (entry) => isMadeIn(entry, gone) || (entry.kind === 'document' && isOf(entry))),
    files: [...written],
    state: await stateOf(store, gone),
    past: found.flatMap(({ id, deleted }) => (deleted === 0 ? [] : [id])),
  }
}

const nothingDerived: Derived = { sessions: [], memories: [], files: [], state: [], past: [] }

const isAt = (path: string, above: string): boolean => path === above || path.startsWith(`${above}/`)

/** Whether anything of it is in this space: only then does it count there where an origin does not tell. */
async function isReached({ store, files }: DerivedDeps, from: From, rows: readonly SessionRow[]): Promise<boolean> {
  const seeds = new Set<string>(from.sessions)
  if (rows.some(({ id }) => seeds.has(id))) return true
  if (files.list().some(({ path, from: origins }) => cameAlong(path, origins, from))) return true
  return (await memoriesOf(store, (entry) => isMadeIn(entry, seeds))).length > 0
}

/** A file that was moved here has the origins of the space from which it came. */
function cameAlong(path: string, origins: readonly LabelOrigin[], from: From): boolean {
  const there = { ...from, elsewhere: false }
  return from.elsewhere && from.moved.some((one) => isAt(path, one)) && mayDerive(origins, there, new Set(from.sessions), new Set())
}

/** Documents that such a session has saved since it had read something private. */
async function stateOf(
  { documentCategories, documents, records }: DerivedDeps['store'],
  gone: ReadonlySet<string>,
): Promise<Derived['state']> {
  const found: Derived['state'][number][] = []
  for (const category of await documentCategories()) {
    if (!category.startsWith(statePrefix)) continue
    for (let after: string | undefined; ;) {
      const rows = await documents({ category, limit: page, ...(after !== undefined && { after }) })
      for (const { name, body, seq } of rows) {
        if (!isPrivate(body)) continue
        const [record] = await records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: false })
        if (record !== undefined && gone.has(record.session)) found.push({ category: category.slice(statePrefix.length), name })
      }
      after = rows.at(-1)?.name
      if (after === undefined || rows.length < page) break
    }
  }
  return found
}

/** Of the documents of agents and people, see `state.save`. */
const statePrefix = 'state/'

function isPrivate(body: string): boolean {
  const value: unknown = JSON.parse(body)
  return isObject(value) && Array.isArray(value['labels']) && value['labels'].includes('private')
}

async function memoriesOf({ memory }: Pick<Store, 'memory'>, isWanted: (entry: MemoryEntry) => boolean): Promise<readonly string[]> {
  const found: string[] = []
  for (let last: MemoryEntry | undefined; ;) {
    const entries = await memory.list({ kinds: ['note', 'fact', 'document', 'summary'] }, page, last)
    found.push(...entries.filter(isWanted).map(({ id }) => id))
    last = entries.at(-1)
    if (last === undefined || entries.length < page) return found
  }
}

/** What a session noted before it had read anything private stays. */
function isMadeIn({ labels, session, extra }: MemoryEntry, gone: ReadonlySet<string>): boolean {
  return labels.includes('private') && (gone.has(session) || gone.has(sessionIn(extra)))
}

function sessionIn(extra: string): string {
  try {
    const parsed: unknown = JSON.parse(extra === '' ? '{}' : extra)
    return isObject(parsed) && typeof parsed['session'] === 'string' ? parsed['session'] : ''
  } catch {
    return ''
  }
}

/** @param gone sessions that have read it @param written files that they made */
function mayDerive(origins: readonly LabelOrigin[], from: From, gone: ReadonlySet<string>, written: ReadonlySet<string>): boolean {
  const { memories, schedules } = from
  // A path of another space names another folder here.
  const path = from.elsewhere ? '' : from.path
  const own = origins.filter(({ label }) => label === 'private').map((one) => one.from)
  // Of more origins those in the middle were dropped.
  if (own.length >= maxOrigins) return true
  return own.some((origin) => {
    const [kind, name] = [origin.slice(0, origin.indexOf(':')), origin.slice(origin.indexOf(':') + 1)]
    if (kind === 'session') return gone.has(name)
    if (kind === 'schedule') return schedules.includes(name)
    if (kind === 'space') return memories.includes(name.slice(name.indexOf('/') + 1))
    // A call that names nothing may have told of any memory, and a command may have read all that it could see.
    if (kind === 'call') return path !== '' || !tellsSources.has(name)
    if (kind !== 'path') return false
    return written.has(name) || (path !== '' && (isAt(name, path) || name === '/' || isAt(path, name)))
  })
}

/** These name where each private memory comes from: what has no such origin is of no shared memory. */
const tellsSources: ReadonlySet<string> = new Set([searchMemoryCall, recallCall])
