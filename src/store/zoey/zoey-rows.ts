/** Rows of every kind in one table: found by shared columns, stored as JSON. Values are always parameters. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Clock, OxbowError, type UserId } from '../../base/index.ts'
import type { UpkeepConnection, Value } from '../upkeep/connection.ts'

type Kind = 'agent' | 'entity' | 'world' | 'room' | 'participant' | 'relationship' | 'component' | 'task' | 'log' | 'cache' | 'memory'

/** Columns for finding rows. Missing texts are empty. */
interface Columns {
  readonly type: string
  readonly name: string
  readonly agent: string
  readonly entity: string
  readonly other: string
  readonly room: string
  readonly world: string
}

interface Row extends Partial<Columns> {
  readonly id: string
  readonly unique?: boolean
  /** Default: now. */
  readonly createdAt?: number | undefined
  readonly body: object
  readonly vector?: readonly number[] | undefined
}

/** All given conditions must match; a list matches any of its values. */
export interface Filter {
  readonly columns?: Partial<{ readonly [Name in keyof Columns | 'id']: string | readonly string[] | undefined }>
  readonly unique?: boolean | undefined
  readonly start?: number | undefined
  readonly end?: number | undefined
  readonly withVector?: boolean
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

/** A row that was found. `vector` is null where it has none. */
export interface Found {
  readonly id: string
  readonly body: Readonly<Record<string, unknown>>
  readonly vector: Float32Array | null
}

/** The rows of all kinds, each a JSON document with the columns that are searched. */
export interface ZoeyRows {
  readonly clock: Clock
  /** Replaces the row with this id and affects no other row; its creation time stays. */
  put(kind: Kind, row: Row): Promise<void>
  /** Newest first. */
  find(kind: Kind, filter: Filter): Promise<readonly Found[]>
  get(kind: Kind, id: string): Promise<Found | null>
  count(kind: Kind, filter: Filter): Promise<number>
  /** @returns the number of removed rows */
  remove(kind: Kind, filter: Filter): Promise<number>
  transaction<Result>(work: () => Promise<Result>): Promise<Result>
}

/** Rows that one query reads: ranking by words or vectors looks at each of them. */
export const maxZoeyRows = 20_000
const columnNames = ['type', 'name', 'agent', 'entity', 'other', 'room', 'world'] as const

/** @param scope rows of one scope are invisible in any other; empty for the user's own */
export function createRows(db: UpkeepConnection, user: UserId, clock: Clock, scope = ''): ZoeyRows {
  const inScope = (kind: Kind): string => (scope === '' ? kind : `${scope}/${kind}`)
  // One connection has one transaction: other queries wait for its end, and its own queries run inside.
  const within = new AsyncLocalStorage<{ open: boolean }>()
  let last: Promise<unknown> = Promise.resolve()
  const isWithin = (): boolean => within.getStore()?.open === true
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (isWithin()) return work()
    const own = { open: true }
    // Queries that it starts after its end wait like any other.
    const turn = last.then(() => within.run(own, work)).finally(() => (own.open = false))
    last = turn.catch(() => {})
    return turn
  }
  const ask = (sql: string, values: readonly Value[]) => inTurn(() => db.rows(sql, values))
  const where = (kind: Kind, filter: Filter): Where => whereOf(user, inScope(kind), filter)
  return {
    clock,
    async put(kind, row) {
      const now = clock.now()
      const names = ['user', 'kind', 'id', ...columnNames, 'is_unique', 'created_at', 'updated_at', 'body', 'vector']
      const kept = names.filter((name) => !['user', 'kind', 'id', 'created_at'].includes(name))
      const values = [
        user,
        inScope(kind),
        row.id,
        ...columnNames.map((name) => row[name] ?? ''),
        Number(row.unique ?? false),
        row.createdAt ?? now,
        now,
        bodyText(row.body),
        row.vector === undefined ? null : toBytes(row.vector),
      ]
      await ask(
        `insert into "zoey" (${names.map((name) => `"${name}"`).join(', ')}) values (${names.map(() => '?').join(', ')})
         on conflict ("user", "kind", "id") do update set ${kept.map((name) => `"${name}" = excluded."${name}"`).join(', ')} returning 1`,
        values,
      )
    },
    async find(kind, filter) {
      const { sql, values } = where(kind, filter)
      const limit = Math.max(0, Math.min(filter.limit ?? maxZoeyRows, maxZoeyRows))
      const rows = await ask(
        `select "id", "body", "vector" from "zoey" where ${sql} order by "created_at" desc, "id" desc limit ? offset ?`,
        [...values, Math.floor(limit), Math.max(0, Math.floor(filter.offset ?? 0))],
      )
      return rows.map(toFound)
    },
    async get(kind, id) {
      const [row] = await ask('select "id", "body", "vector" from "zoey" where "user" = ? and "kind" = ? and "id" = ?', [
        user,
        inScope(kind),
        id,
      ])
      return row === undefined ? null : toFound(row)
    },
    async count(kind, filter) {
      const { sql, values } = where(kind, filter)
      return Number((await ask(`select count(*) from "zoey" where ${sql}`, values))[0]?.[0] ?? 0)
    },
    async remove(kind, filter) {
      const { sql, values } = where(kind, filter)
      return (await ask(`delete from "zoey" where ${sql} returning 1`, values)).length
    },
    // Nested transactions become part of the outer one.
    transaction: (work) => (isWithin() ? work() : inTurn(() => db.transaction(work))),
  }
}

interface Where {
  readonly sql: string
  readonly values: Value[]
}

function whereOf(user: UserId, kind: string, { columns = {}, unique, start, end, withVector }: Filter): Where {
  const parts = ['"user" = ?', '"kind" = ?']
  const values: Value[] = [user, kind]
  for (const name of ['id', ...columnNames] as const) {
    const wanted = columns[name]
    if (wanted === undefined) continue
    const list = typeof wanted === 'string' ? [wanted] : wanted
    parts.push(list.length === 0 ? '1 = 0' : `"${name}" in (${list.map(() => '?').join(', ')})`)
    values.push(...list)
  }
  const bound = (part: string, value: Value | undefined): void => {
    if (value === undefined) return
    parts.push(part)
    values.push(value)
  }
  bound('"is_unique" = ?', unique === undefined ? undefined : Number(unique))
  bound('"created_at" >= ?', start)
  bound('"created_at" <= ?', end)
  if (withVector === true) parts.push('"vector" is not null')
  return { sql: parts.join(' and '), values }
}

function toFound([id, body, vector]: readonly Value[]): Found {
  return { id: String(id), body: JSON.parse(String(body)) as Found['body'], vector: vector instanceof Uint8Array ? toVector(vector) : null }
}

function bodyText(body: object): string {
  try {
    return JSON.stringify(body).toWellFormed()
  } catch (cause) {
    throw new OxbowError('bad_input', 'A row contains a value that JSON cannot represent.', { hint: 'Remove cycles and bigints.', cause })
  }
}

function toBytes(vector: readonly number[]): Uint8Array {
  return new Uint8Array(toFloats(vector).buffer)
}

/** As stored and compared, in 32 bits: larger numbers become infinite and are refused. @throws OxbowError `bad_input` */
export function toFloats(vector: readonly number[]): Float32Array<ArrayBuffer> {
  const floats = Float32Array.from(vector)
  if (floats.length > 0 && floats.every(Number.isFinite)) return floats
  throw new OxbowError('bad_input', 'An embedding is not a list of numbers.', {
    hint: 'Give at least one number, all finite in 32 bits.',
  })
}

function toVector(bytes: Uint8Array): Float32Array {
  // Copied, because floats must be aligned to four bytes.
  return new Float32Array(Uint8Array.from(bytes).buffer)
}

/** Plugins are not type-checked against this interface. */
export function missingField(what: string, field: string): OxbowError {
  return new OxbowError('bad_input', `The ${what} has no ${field}.`, { hint: `Set ${field}.`, data: { missing_field: field } })
}
