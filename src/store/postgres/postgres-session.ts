/**
 * What the engine needs of a Postgres driver. `pg` fills it; in tests PGlite does, too. Statements that are asked without
 * waiting go out together and are answered in order: a transaction costs two trips and not ten.
 */

/** One value of a row: whole numbers as numbers, `bytea` as bytes. */
export type Cell = string | number | boolean | null | Uint8Array
export type Row = Cell[]

export interface Query {
  readonly text: string
  readonly values: readonly unknown[]
  /** Prepared under this name at its first run in a session; the same name always stands for the same text. */
  readonly name?: string
}

/** One connection. Failures are thrown as the driver has them; see `postgres-fault.ts`. */
export interface PostgresSession {
  rows(query: Query): Promise<Row[]>
  /** Rows by the names of their columns. */
  objects<Found extends object>(query: Query): Promise<Found[]>
  /** Statements without values, by the simple protocol. @returns the tag of the last one, e.g. `COMMIT` */
  exec(sql: string): Promise<string>
  isLost(): boolean
  /** Called once, when the connection ends without having been closed. */
  onLost(listener: () => void): void
  /** Never throws. */
  close(): Promise<void>
}

export interface PostgresDriver {
  /** A session of its own, for writing. */
  connect(): Promise<PostgresSession>
  /** Lends a session for reading; waits for one when all are lent. */
  read<Result>(work: (session: PostgresSession) => Promise<Result>): Promise<Result>
  /** Ends all that is lent, too. Never throws. */
  close(): Promise<void>
}

/** Postgres keeps every character but NUL. It becomes two characters, as does the one that marks it. */
const mark = '\u0001'

/** @returns the text as Postgres can keep it; most texts as they are. The order of texts by their bytes stays but for NUL. */
export function toStored(text: string): string {
  return text.includes('\0') || text.includes(mark) ? text.replaceAll(mark, `${mark}1`).replaceAll('\0', `${mark}0`) : text
}

/** The way back of `toStored`. */
export function fromStored(text: string): string {
  return text.includes(mark) ? text.replaceAll(`${mark}0`, '\0').replaceAll(`${mark}1`, mark) : text
}

/** Values of a statement, texts as they are kept. */
export function storedValues(values: readonly unknown[]): unknown[] {
  return values.map((value) => (typeof value === 'string' ? toStored(value) : value))
}

/**
 * Rows as one value. JSON says NUL as an escape that Postgres refuses in a text: so texts are put as they are kept before they become
 * JSON.
 */
export function jsonRows(rows: readonly unknown[]): string {
  return JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'string' ? toStored(value) : value))
}
