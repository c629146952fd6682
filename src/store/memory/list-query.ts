/** The statement of a list: a condition for each part of the filter. Both dialects know these words, but one function has two names. */
import type { MemoryFilter } from '../memory.ts'
import { entryColumns } from './entry-row.ts'
import { listSeparator } from './memory-input.ts'
import type { ListAfter } from './memory-message.ts'
import type { Dialect } from '../sql/dialect.ts'

export interface ListQuery {
  /** Its slots are `user`, `limit` and those of `args`. */
  readonly text: string
  readonly args: Readonly<Record<string, string | number>>
}

export function listQuery(dialect: Dialect, filter: MemoryFilter, after: ListAfter | null): ListQuery {
  const args: Record<string, string | number> = {}
  const slot = (value: string | number): string => {
    const name = `v${Object.keys(args).length}`
    args[name] = value
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
    ...oneOf('tier', filter.tiers),
    ...oneOf('session', filter.sessions),
    ...(notSession === undefined ? [] : [`session <> ${slot(notSession)}`]),
    ...(filter.tags ?? []).map((tag) => has('tags', tag)),
    ...(filter.withoutLabels ?? []).map((label) => `not ${has('labels', label)}`),
    ...(createdAfter === undefined ? [] : [`created_at > ${slot(createdAfter)}`]),
    ...(createdBefore === undefined ? [] : [`created_at < ${slot(createdBefore)}`]),
    ...(validAt === undefined ? [] : [`valid_from <= ${slot(validAt)}`, `(valid_to is null or valid_to > ${slot(validAt)})`]),
    ...(before === undefined ? [] : [`(stream <> ${slot(before.stream)} or place <= ${slot(before.place)})`]),
  ]
}
