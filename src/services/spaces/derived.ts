/**
 * What was derived from what another space shares: every session that has read it, by the origins of its private data, then what these sessions
 * made, and the sessions that have read that. Where an origin does not tell, it counts: what may be of it is to be gone.
 */
import { z } from 'zod'
import { historyOf, maxSessionsRead } from '../../kernel/index.ts'
import { idSchema, type LabelOrigin, maxOrigins } from '../../protocol/index.ts'
import type { MemoryEntry, Store } from '../../store/index.ts'
import { isObject } from '../../base/index.ts'
import type { Flow } from '../flow/service.ts'
import { maxSpaceLines } from './limits.ts'

export const derivedFrom = z.strictObject({
  path: z.string().max(4_096).default('').describe('A shared folder, as agents see it; empty: none.'),
  memories: z.array(z.string().min(1).max(200)).max(maxSpaceLines).default([]).describe('Shared memories, by the ids of their copies.'),
  schedules: z
    .array(z.string().max(200))
    .max(1_000)
    .default([])
    .describe('Schedules that such sessions made: what their runs read counts, too.'),
})

export const derivedOutput = z.strictObject({
  sessions: z.array(z.strictObject({ id: idSchema('SessionId'), title: z.string() })).readonly(),
  memories: z.array(z.string()).readonly(),
  files: z.array(z.string()).readonly(),
})

type Derived = z.infer<typeof derivedOutput>

interface DerivedDeps {
  readonly store: Pick<Store, 'sessions' | 'memory'>
  readonly files: Pick<Flow['files'], 'list'>
}

/** Entries read at once. */
const page = 1_000

/** @returns what is to go with these */
export async function derivedOf({ store, files }: DerivedDeps, from: z.infer<typeof derivedFrom>): Promise<Derived> {
  const rows = (await store.sessions(maxSessionsRead)).filter((row) => row.deleted === 0)
  const gone = new Set<string>()
  const isFrom = (origins: readonly LabelOrigin[]): boolean => mayDerive(origins, from, gone)
  // A session may have read what another one made: until nothing is added.
  for (let before = -1; gone.size > before;) {
    before = gone.size
    for (const row of rows) if (!gone.has(row.id) && isFrom(historyOf(row).from)) gone.add(row.id)
  }
  const isOwn = (path: string): boolean => from.path !== '' && (path === from.path || path.startsWith(`${from.path}/`))
  const written = files.list().filter((file) => isFrom(file.from) && !isOwn(file.path))
  return {
    sessions: rows.flatMap(({ id, title }) => (gone.has(id) ? [{ id, title }] : [])),
    memories: await memoriesOf(store, (entry) => isMadeIn(entry, gone) || (entry.kind === 'document' && isOwn(entry.author))),
    files: written.map((file) => file.path),
  }
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

/** @param gone sessions that have read it */
function mayDerive(
  origins: readonly LabelOrigin[],
  { path, memories, schedules }: z.infer<typeof derivedFrom>,
  gone: ReadonlySet<string>,
): boolean {
  const own = origins.filter(({ label }) => label === 'private').map(({ from }) => from)
  // Of more origins those in the middle were dropped.
  if (own.length >= maxOrigins) return true
  return own.some((origin) => {
    const [kind, name] = [origin.slice(0, origin.indexOf(':')), origin.slice(origin.indexOf(':') + 1)]
    if (kind === 'session') return gone.has(name)
    if (kind === 'schedule') return schedules.includes(name)
    if (kind === 'space') return memories.includes(name.slice(name.indexOf('/') + 1))
    // A call that names nothing may have told of any memory, and a command may have read all that it could see.
    if (kind === 'call') return path !== '' || !tellsSources.has(name)
    return path !== '' && kind === 'path' && (name === path || name.startsWith(`${path}/`) || name === '/' || path.startsWith(`${name}/`))
  })
}

/** These name where each private memory comes from: what has no such origin is of no shared memory. */
const tellsSources: ReadonlySet<string> = new Set(['memory.search', 'memory.recall'])
