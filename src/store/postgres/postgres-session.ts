/**
 * The Postgres driver, over `pg`, and what a session of it can do. Statements that are sent without awaiting each other go out together
 * and are answered in order: a transaction costs two trips and not ten. Loaded in the store's worker only: parsing large answers takes
 * time that the event loop does not have.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { busyTimeoutMs, closeMs, connectMs as usualConnectMs, idleSessionMs, maxStatementMs, statementGraceMs } from '../limits.ts'
import { parseAddress } from './postgres-address.ts'
import type { ServerWatch } from './cluster/server-watch.ts'
import { openServers } from './server-choice.ts'

/** One value of a row: whole numbers as numbers, `bytea` as bytes. */
type Cell = string | number | boolean | null | Uint8Array
export type Row = Cell[]

/** A statement with its parameters. */
export interface Query {
  readonly text: string
  readonly values: readonly unknown[]
  /** Prepared under this name at its first run in a session; the same name always stands for the same text. */
  readonly name?: string
}

/** One connection. Failures are thrown as the driver throws them; see `postgres-fault.ts`. */
export interface PostgresSession {
  rows(query: Query): Promise<Row[]>
  /** Rows by the names of their columns. */
  objects<Found extends object>(query: Query): Promise<Found[]>
  /** Statements without values, by the simple protocol. @returns the tag of the last one, e.g. `COMMIT` */
  exec(sql: string): Promise<string>
  isLost(): boolean
  /** The listener is called once, when the connection ends without having been closed. */
  onLost(listener: () => void): void
  /** Never throws. */
  close(): Promise<void>
}

export interface PostgresDriver {
  /** A session of its own, for writing. */
  connect(): Promise<PostgresSession>
  /** Lends a session for reading; waits when all are in use. */
  read<Result>(work: (session: PostgresSession) => Promise<Result>): Promise<Result>
  /** Ends sessions in use, too. Never throws. */
  close(): Promise<void>
}

/** Postgres keeps every character but NUL. It becomes two characters, as does the one that marks it. */
const mark = '\u0001'

/** @returns the text as Postgres can store it; most texts unchanged. The byte order of texts stays the same, except for NUL. */
function toStored(text: string): string {
  return text.includes('\0') || text.includes(mark) ? text.replaceAll(mark, `${mark}1`).replaceAll('\0', `${mark}0`) : text
}

/** The inverse of `toStored`. */
function fromStored(text: string): string {
  return text.includes(mark) ? text.replaceAll(`${mark}0`, '\0').replaceAll(`${mark}1`, mark) : text
}

/** Values of a statement, with texts as they are stored. */
function storedValues(values: readonly unknown[]): unknown[] {
  return values.map((value) => (typeof value === 'string' ? toStored(value) : value))
}

/**
 * Rows as one value. In JSON, NUL is an escape that Postgres refuses in a text: so texts are converted before they become JSON.
 */
export function jsonRows(rows: readonly unknown[]): string {
  return JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'string' ? toStored(value) : value))
}

/** Whose rows a connection works with; see `row-security.ts`. */
interface RowOwner {
  readonly user: string
  /** The role that guests work as; empty: the one of the address. */
  readonly role: string
}

/** @returns parameters of a connection, which count from its first statement on */
function ownerOptions({ user, role }: RowOwner): string {
  const value = (text: string): string => text.replaceAll(/[\\\s]/g, (character) => `\\${character}`)
  return ` -c oxbow.user=${value(user)}${role === '' ? '' : ` -c role=${value(role)}`}`
}

interface PgOptions {
  /** As people give it, see `parseAddress`. */
  readonly url: string
  /** Maximum number of connections: one writes, the others read. */
  readonly connections: number
  /** Shown by the server's `pg_stat_activity`. */
  readonly name: string
  /** Whose rows it works with, where policies hold; absent: upkeep, which works as the owner of the tables. */
  readonly rows?: RowOwner
  /** Limit of one statement; 0, none, for upkeep: copying a large table takes as long as it takes. */
  readonly statementMs?: number
  /** Limit for making a connection. */
  readonly connectMs?: number
  /** Of a guest with a lease: a server that is gone without a word is noticed within seconds. Always where the address names several. */
  readonly isWatched?: boolean
}

/** Numbers of the types in Postgres's catalogue: int8 and text, which `pg` would hand over as texts as they are. */
const int8 = 20
const text = 25

/**
 * Statements are planned once, for any user. For one whose rows came after the last statistics (a new one, whenever many are
 * written) the planner would expect a single row and walk over all of them; and each statement would be planned at each run. What it
 * reads whole tables for while they are small is not what it should do when they have grown: each statement has its index. And
 * nothing is compiled: of what it thinks to be many rows it compiled a statement anew at each run, 30 to 130 ms, and ran it in one.
 */
const planning = '-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c jit=off'

const parsers: pg.CustomTypesConfig = {
  // The types of `pg` have one overload for each type; this parser is the same for all.
  getTypeParser: ((oid: number, format?: 'text') => {
    if (oid === int8) return Number
    if (oid === text) return fromStored
    return pg.types.getTypeParser(oid, format)
  }) as pg.CustomTypesConfig['getTypeParser'],
}

/** @param statementMs ends a statement that takes longer; 0: no limit */
export function openPgDriver({
  url,
  connections,
  name,
  rows,
  statementMs = maxStatementMs,
  connectMs = usualConnectMs,
  isWatched = false,
}: PgOptions): PostgresDriver {
  const config: pg.ClientConfig = {
    application_name: name,
    connectionTimeoutMillis: connectMs,
    // The server's own limit comes first; the client's is for a server that no longer answers.
    ...(statementMs > 0 && { statement_timeout: statementMs, query_timeout: statementMs + Math.min(statementMs, statementGraceMs) }),
    lock_timeout: busyTimeoutMs,
    idle_in_transaction_session_timeout: maxStatementMs,
    keepAlive: true,
    types: parsers,
    pipeline: true,
    options: rows === undefined ? planning : planning + ownerOptions(rows),
  }
  const servers = openServers(parseAddress(url).servers, config, {
    max: connections - 1,
    idleTimeoutMillis: idleSessionMs,
    isWatched,
  })
  const lent = new WeakMap<pg.ClientBase, PostgresSession>()
  const sessionOf = (client: pg.ClientBase): PostgresSession => {
    const session = lent.get(client) ?? wrap(client, servers.watchOf(client), async () => {})
    lent.set(client, session)
    return session
  }
  return {
    async connect() {
      const client = await servers.connect()
      return wrap(client, servers.watchOf(client), () => Promise.race([client.end(), pause(closeMs, undefined, { ref: false })]))
    },
    async read(work) {
      const client = await servers.lend()
      const session = sessionOf(client)
      try {
        return await work(session)
      } finally {
        client.release(session.isLost())
      }
    },
    close: () => servers.close(),
  }
}

function wrap(client: pg.ClientBase, watch: ServerWatch | null, end: () => Promise<void>): PostgresSession {
  let isLost = false
  let isClosed = false
  const listeners: (() => void)[] = []
  const lose = (): void => {
    if (isLost || isClosed) return
    isLost = true
    for (const listener of listeners) listener()
  }
  const guard = async <Result>(work: Promise<Result>): Promise<Result> => {
    const ended = watch?.begin()
    try {
      const result = await work
      ended?.(true)
      return result
    } catch (error) {
      const isAnswered = error instanceof pg.DatabaseError
      ended?.(isAnswered)
      // Only errors reported by the server leave the connection usable.
      if (!isAnswered) lose()
      throw error
    }
  }
  client.on('error', lose)
  client.on('end', lose)
  return {
    rows: async (query) => (await guard(client.query<Row>({ ...configOf(query), rowMode: 'array' }))).rows,
    objects: async <Found extends object>(query: Query) => (await guard(client.query<Found>(configOf(query)))).rows,
    async exec(sql) {
      const result: pg.QueryResult | pg.QueryResult[] = await guard(client.query<Cell[]>(sql))
      return (Array.isArray(result) ? result.at(-1) : result)?.command ?? ''
    },
    isLost: () => isLost,
    onLost: (listener) => void listeners.push(listener),
    async close() {
      isClosed = true
      await end().catch(() => {})
    },
  }
}

function configOf({ text: statement, values, name }: Query): pg.QueryConfig {
  return { text: statement, values: storedValues(values), ...(name !== undefined && { name }) }
}
