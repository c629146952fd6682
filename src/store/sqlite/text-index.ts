/**
 * The full-text index of one user: an FTS5 table of its own, so that rows of others are neither scanned nor counted when
 * words are weighed. It holds no text, only where terms occur; rows are deleted by their old values, which with `secure-delete` leaves
 * nothing of them in the index.
 */
import { Buffer } from 'node:buffer'
import type { UserId } from '../../base/index.ts'
import { statementMaker } from '../memory/memory-reads.ts'
import { type EntryRow, type PassageRow, textList } from '../memory/memory-rows.ts'
import { unpackBody } from '../memory/passage-body.ts'
import type { Template } from '../sql/template.ts'
import type { Database } from './sqlite-database.ts'

interface TextRow {
  readonly passage: number
  readonly scope: string
  readonly terms: string
  readonly context: string
}

export interface TextIndex {
  add(row: TextRow): void
  /** `row` must be as it was added. */
  remove(row: TextRow): void
  /** After removals: leaves no page key of these terms behind, unless another row has them. */
  scrub(terms: ReadonlySet<string>): void
  /** Deletes all rows. */
  clear(): void
}

/** The user's name as part of a table's name, whatever characters it has. */
export function textTable(user: UserId): string {
  return `memory_text_${Buffer.from(user, 'utf8').toString('hex')}`
}

/**
 * Splits at spaces only. `ascii` keeps everything beyond ASCII as it is; the rest of ASCII is listed here. It folds ASCII capitals, which
 * terms do not have.
 */
function tokenizer(): string {
  let marks = ''
  for (let code = 1; code < 128; code++) {
    const mark = String.fromCharCode(code)
    if (mark !== ' ' && !/[A-Za-z0-9]/.test(mark)) marks += mark === "'" || mark === '"' ? mark + mark : mark
  }
  return `ascii tokenchars '${marks}'`
}

/** For repeated checks: the statement is prepared once. */
export function textIndexCheck(database: Database, user: UserId): () => boolean {
  const named = database.prepare<object, object>({ sql: `select 1 from sqlite_master where name = '${textTable(user)}'`, parameters: [] })
  return () => named.get({}) !== undefined
}

export function hasTextIndex(database: Database, user: UserId): boolean {
  return textIndexCheck(database, user)()
}

/** Within a transaction. */
export function createTextIndex(database: Database, user: UserId): void {
  const table = textTable(user)
  database.exec(`create virtual table ${table} using fts5(scope, terms, context, content='', tokenize="${tokenizer()}")`)
  database.exec(`insert into ${table} (${table}, rank) values ('secure-delete', 1)`)
}

const slots = (sql: string, ...names: string[]): Template<TextRow> => ({ sql, parameters: names.map((slot) => ({ slot })) })

export function openTextIndex(database: Database, user: UserId): TextIndex {
  const table = textTable(user)
  const columns = ['passage', 'scope', 'terms', 'context'] as const
  const add = database.prepare(slots(`insert into ${table} (rowid, scope, terms, context) values (?, ?, ?, ?)`, ...columns))
  const remove = database.prepare(
    slots(`insert into ${table} (${table}, rowid, scope, terms, context) values ('delete', ?, ?, ?, ?)`, ...columns),
  )
  const isAlive = database.prepare<{ match: string }, object>({
    sql: `select 1 from ${table} where ${table} match ? limit 1`,
    parameters: [{ slot: 'match' }],
  })
  return {
    add: (row) => add.run(row),
    remove: (row) => remove.run(row),
    scrub(terms) {
      const marks = database.query<{ mark: string }>(`select distinct substr(cast(term as text), 2) as mark from ${table}_idx`)
      const suspects = marks.filter(({ mark }) => isMarkOf(mark, terms)).map(({ mark }) => mark)
      if (suspects.every((mark) => isAlive.get({ match: `"${mark.replaceAll('"', '""')}"*` }) !== undefined)) return
      // A single segment is not merged with itself: an extra row makes a second one.
      const beside: TextRow = { passage: Number.MAX_SAFE_INTEGER, scope: '', terms: 'x', context: '' }
      add.run(beside)
      database.exec(`insert into ${table} (${table}) values ('optimize')`)
      remove.run(beside)
    },
    clear: () => database.exec(`insert into ${table} (${table}) values ('delete-all')`),
  }
}

/** Passages in memory at once while an index is rebuilt. */
const indexedAtOnce = 1_000

/** Fills an empty index with all passages: of a store that was moved here, or whose index was lost. */
export function indexAll(database: Database, user: UserId, index: TextIndex): void {
  type Row = Pick<PassageRow, 'id' | 'body'> & Pick<EntryRow, 'kind' | 'session' | 'tags'>
  const passages = database.prepare<{ user: string; after: number; limit: number }, Row>(
    statementMaker('sqlite')(
      `select p.id, p.body, e.kind, e.session, e.tags from memory_passage p
       join memory_entry e on e.user = p.user and e.key = p.entry
       where p.user = :user and p.id > :after order by p.id limit :limit`,
    ),
  )
  for (let after = 0; ;) {
    const rows = passages.all({ user, after, limit: indexedAtOnce })
    for (const row of rows) {
      const { terms, context } = unpackBody(row.body)
      index.add({ passage: row.id, scope: scopeOfRow(row), terms, context })
      after = row.id
    }
    if (rows.length < indexedAtOnce) return
  }
}

/** Page keys are truncated to what tells one page from the next; a few letters reveal nothing. */
const tellingChars = 4

function isMarkOf(mark: string, terms: ReadonlySet<string>): boolean {
  if (terms.has(mark)) return true
  return mark.length >= tellingChars && [...terms].some((term) => term.startsWith(mark))
}

/** Kind, session and tags of an entry, as words of the column `scope`. They count as words where lengths are compared. */
export function scopeOf(kind: string, session: string, tags: readonly string[]): string {
  return [`k:${kind}`, `s:${session}`, ...tags.map((tag) => `t:${tag}`)].map(asWord).join(' ')
}

export function scopeOfRow({ kind, session, tags }: Pick<EntryRow, 'kind' | 'session' | 'tags'>): string {
  return scopeOf(kind, session, textList(tags))
}

function asWord(text: string): string {
  return text.replaceAll(' ', '\u001f')
}
