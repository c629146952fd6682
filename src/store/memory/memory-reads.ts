/**
 * Reads of memory, written once for all databases: generators that yield queries and are resumed with the rows. SQLite answers at
 * once, Postgres when it has the answer. The queries are text with `:name` for values; all are here.
 */
import { blockPassages } from '../limits.ts'
import { type MemoryFilter, personaPrefix } from '../memory.ts'
import type { Dialect } from '../sql/user-tables.ts'
import type { Template } from '../sql/template.ts'
import type { ListAfter } from './memory-client.ts'
import { listSeparator } from './memory-input.ts'
import { entryColumns } from './memory-rows.ts'
import { setOwn } from '../../base/index.ts'

export interface ReadQuery {
  /** With `:name` for values; valid in both dialects. */
  readonly text: string
  readonly args: object
  /** Rows as arrays of columns: for many small rows. */
  readonly arrays?: true
  /** Runs once in this form; it is not kept prepared. */
  readonly once?: true
  /** Announces a query that follows later, so that a server may answer it meanwhile; yields no rows. */
  readonly ahead?: true
}

/** A read in several queries: it yields each, is handed its rows, and returns the result. */
export type QuerySteps<Result> = Generator<ReadQuery, Result, readonly unknown[]>

/** Yields the query and types its rows. */
export function* queryRows<Row>(query: ReadQuery): Generator<ReadQuery, readonly Row[], readonly unknown[]> {
  return (yield query) as readonly Row[]
}

/** Announces a query. */
export function* prefetch(query: ReadQuery): QuerySteps<void> {
  yield { ...query, ahead: true }
}

/** Runs a read where queries are answered at once: announcements are ignored. */
export function runSync<Result>(steps: QuerySteps<Result>, answer: (query: ReadQuery) => readonly unknown[]): Result {
  for (let step = steps.next(); ;) {
    if (step.done === true) return step.value
    step = steps.next(step.value.ahead === true ? [] : answer(step.value))
  }
}

/** @param ahead receives announced queries and does not throw */
export async function runAsync<Result>(
  steps: QuerySteps<Result>,
  answer: (query: ReadQuery) => Promise<readonly unknown[]>,
  ahead: (query: ReadQuery) => void,
): Promise<Result> {
  for (let step = steps.next(); ;) {
    if (step.done === true) return step.value
    if (step.value.ahead === true) {
      ahead(step.value)
      step = steps.next([])
    } else {
      step = steps.next(await answer(step.value))
    }
  }
}

/** Rows of memory belong to a user: there is no statement without one. */
interface Of {
  readonly user: string
}

/** Builds templates of one dialect. */
type StatementMaker = <Args extends Of, Row = never>(text: string) => Template<Args, Row>

/** In Postgres a slot is `$1`, in SQLite `?`. A colon that is doubled is a cast and stays. */
export function statementMaker(dialect: Dialect): StatementMaker {
  return (text) => {
    const parameters: { slot: string }[] = []
    const sql = text.replace(/(?<!:):([a-z_][a-z0-9_]*)/g, (_, slot: string) => {
      parameters.push({ slot })
      return dialect === 'sqlite' ? '?' : `$${parameters.length}`
    })
    return { sql, parameters }
  }
}

const columns = entryColumns.map((column) => `e.${column}`).join(', ')
/** In the order of `SlotRow`. */
export const slotColumns =
  'p.id, p.length, e.kind, e.type, e.tier, e.session, e.stream, e.tags, e.labels, e.place, e.created_at, e.valid_from, e.valid_to, e.key, ' +
  `case when substr(e.author, 1, ${personaPrefix.length}) = '${personaPrefix}' then e.author else '' end`
const joined = 'memory_entry e join memory_passage p on p."user" = e."user" and p.entry = e.key'
const foundColumns = `p.id as passage, p.part, p.start, p.body, ${columns}`

/** Many at once: a statement for each would take longer than all the rest of a search. */
const foundAtOnce = 40
export const foundSlots: readonly string[] = Array.from({ length: foundAtOnce }, (_, i) => `id${i}`)

/** @returns values of `found` for all these ids, a statement's worth each; the last of them fills what is left. */
export function foundArgs(ids: readonly number[]): readonly Readonly<Record<string, number>>[] {
  const statements: Record<string, number>[] = []
  for (let from = 0; from < ids.length; from += foundAtOnce) {
    const some = ids.slice(from, from + foundAtOnce)
    statements.push(Object.fromEntries(foundSlots.map((slot, i) => [slot, some[Math.min(i, some.length - 1)] ?? 0])))
  }
  return statements
}

const neighbours = (side: string, order: string): string =>
  `select key from memory_entry where "user" = :user and stream_key = :stream_key and stream = :stream and place ${side} :place
   order by place ${order}, key ${order} limit :limit`

type Name =
  | 'state'
  | 'marked'
  | 'entriesByKey'
  | 'passagesByEntry'
  | 'entry'
  | 'passagesOf'
  | 'found'
  | 'foundOf'
  | 'entriesBefore'
  | 'entriesAfter'
  | 'withHash'
  | 'withoutVector'
  | 'cursor'
  | 'models'
  | 'blocks'
  | 'slotsSince'
  | 'bodiesFrom'
  | 'identity'
  | 'removedSince'
  | 'blocksSince'
  | 'kinds'
  | 'passageBytes'

/** Statements of single reads of memory, by name. */
export const readTexts: Readonly<Record<Name, string>> = {
  state: 'select * from memory_state where "user" = :user',
  /** Whether the journal has records of this call, which neither begins nor ends. */
  marked: 'select 1 as found from journal where "user" = :user and call = :call limit 1',
  entry: `select e.key, ${columns} from memory_entry e where e."user" = :user and e.id = :id`,
  entriesByKey: `select e.key, ${columns} from memory_entry e where e."user" = :user and e.key > :after order by e.key limit :limit`,
  passagesByEntry: `select entry, part, start, body from memory_passage where "user" = :user and entry > :after and entry <= :upto order by entry, part, id`,
  passagesOf: 'select id, part, start, body from memory_passage where "user" = :user and entry = :entry order by part, id',
  found: `select ${foundColumns} from memory_passage p join memory_entry e on e."user" = p."user" and e.key = p.entry
    where p."user" = :user and p.id in (${foundSlots.map((slot) => `:${slot}`).join(', ')})`,
  foundOf: `select ${foundColumns} from ${joined} where e."user" = :user and e.key = :entry order by p.part, p.id`,
  entriesBefore: neighbours('<', 'desc'),
  entriesAfter: neighbours('>', 'asc'),
  withHash: 'select id from memory_entry where "user" = :user and hash_key = :hash_key and hash = :hash order by id',
  withoutVector: `select p.id, p.body from memory_passage p
    left join memory_vectors v on v."user" = p."user" and v.model = :model and v.block = p.id / ${blockPassages}
    where p."user" = :user and p.id >= :from_id
    and (v.mask is null or (v.mask >> cast(p.id % ${blockPassages} as integer)) & 1 = 0) order by p.id limit :limit`,
  cursor: 'select seq from memory_cursor where "user" = :user and name = :name',
  models: 'select model, dims, state, began, vectors from memory_model where "user" = :user order by model',
  blocks: `select block, mask, bytes from memory_vectors
    where "user" = :user and model = :model and block in (${foundSlots.map((slot) => `:${slot}`).join(', ')})`,
  // Few entries have changed. SQLite would read all passages and look up their entries, if it could find these by number.
  slotsSince: `select ${slotColumns} from memory_entry e join memory_passage p on p."user" = e."user" and p.entry = +e.key
    where e."user" = :user and e.version > :version`,
  identity: `select e.id, e.hash, e.created_at from ${joined} where p."user" = :user and p.id = :id`,
  bodiesFrom: 'select id, body from memory_passage where "user" = :user and id >= :from_id order by id limit :limit',
  removedSince: 'select passage from memory_removal where "user" = :user and version > :version',
  blocksSince: `select block, mask, bytes from memory_vectors
    where "user" = :user and model = :model and version > :version and block > :after order by block limit :limit`,
  kinds: 'select kind, count(*) as count from memory_entry where "user" = :user group by kind order by kind',
  passageBytes: 'select count(*) as count, coalesce(sum(length(body)), 0) as bytes from memory_passage where "user" = :user',
}

interface ListQuery {
  /** Its slots are `user`, `limit` and the keys of `args`. */
  readonly text: string
  readonly args: Readonly<Record<string, string | number>>
}

/** The statement that lists entries after a place, and its parameters. */
export function listQuery(dialect: Dialect, filter: MemoryFilter, after: ListAfter | null): ListQuery {
  const args: Record<string, string | number> = {}
  const slot = (value: string | number): string => {
    const name = `v${Object.keys(args).length}`
    setOwn(args, name, value)
    return `:${name}`
  }
  const where = ['"user" = :user', ...filterConditions(dialect, filter, slot)]
  if (after !== null) {
    const [at, id] = [slot(after.createdAt), slot(after.id)]
    const again = slot(after.createdAt)
    where.push(`(created_at < ${at} or (created_at = ${again} and id < ${id}))`)
  }
  const text = `select ${entryColumns.join(', ')} from memory_entry where ${where.join(' and ')} order by created_at desc, id desc limit :limit`
  return { text, args }
}

type Slot = (value: string | number) => string

function filterConditions(dialect: Dialect, filter: MemoryFilter, slot: Slot): readonly string[] {
  const holds = dialect === 'sqlite' ? 'instr' : 'strpos'
  const has = (column: string, item: string): string => `${holds}(${column}, ${slot(`${listSeparator}${item}${listSeparator}`)}) > 0`
  const oneOf = (column: string, names: readonly string[] | undefined): readonly string[] => {
    if (names === undefined) return []
    return [names.length === 0 ? '1 = 0' : `${column} in (${names.map(slot).join(', ')})`]
  }
  const { notSession, createdAfter, createdBefore, validAt, before } = filter
  return [
    ...oneOf('kind', filter.kinds),
    ...oneOf('type', filter.types),
    // In the words of the index of hot entries.
    ...(filter.tiers?.join() === 'hot' ? [`tier = 'hot'`] : oneOf('tier', filter.tiers)),
    ...oneOf('session', filter.sessions),
    ...(notSession === undefined ? [] : [`session <> ${slot(notSession)}`]),
    ...(filter.tags ?? []).map((tag) => has('tags', tag)),
    ...(filter.withoutLabels ?? []).map((label) => `not ${has('labels', label)}`),
    ...(filter.persona === undefined
      ? []
      : [`(substr(author, 1, ${personaPrefix.length}) <> ${slot(personaPrefix)} or author = ${slot(filter.persona)})`]),
    ...(createdAfter === undefined ? [] : [`created_at > ${slot(createdAfter)}`]),
    ...(createdBefore === undefined ? [] : [`created_at < ${slot(createdBefore)}`]),
    ...(validAt === undefined ? [] : [`valid_from <= ${slot(validAt)}`, `(valid_to is null or valid_to > ${slot(validAt)})`]),
    ...(before === undefined ? [] : [`(stream <> ${slot(before.stream)} or place <= ${slot(before.place)})`]),
  ]
}
