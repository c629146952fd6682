/**
 * A change of memory writes a mark of each row that it makes or changes to the journal, in the same transaction. So an audit finds
 * every row that was changed, added or removed without the journal, whoever asked for the change: a person, an agent, the reader of
 * messages, or tidying.
 *
 * Ids and texts are only hashed here: what is forgotten stays in no record of this. What recall and tidying count and weigh (importance,
 * tier, protection, accesses, times of use) is no part of a mark, nor is `extra`.
 */
import { createHash } from 'node:crypto'
import type { CallId, JsonObject, UserId } from '../../base/index.ts'
import type { NewRecord } from '../../protocol/index.ts'
import { marksPerRecord } from '../limits.ts'
import type { MemoryChange, MemoryEntry, MemoryPatch, Passage, StoredMark } from '../memory.ts'
import { prefetch, queryRows, type QuerySteps, readTexts } from './memory-reads.ts'
import { entryRow, type KeyedEntryRow, type PassageRow, rowEntry } from './memory-rows.ts'
import { packBody } from './passage-body.ts'

/** Name, and call, of the records that hold marks. */
export const marksCall = 'memory.rows'

/**
 * Of one row: its id as `idMark` has it; `entryMark` and `textMark` as they are now, null where it is gone, and for a text that is as it was;
 * `entryMark` as it was before, null where it was not there.
 */
export type RowMark = readonly [id: string, entry: string | null, text: string | null, before: string | null]

/** Body of a record of marks. */
interface MarksBody extends JsonObject {
  readonly memory_rows: readonly RowMark[]
  /** From here on every memory has a mark, but for messages that are older. */
  readonly memory_base?: true
}

function marked(entry: MemoryEntry): readonly unknown[] {
  const { kind, type, session, stream, place, author, tags, labels, createdAt, validFrom, validTo, hash } = entry
  const related = [entry.supersededBy, entry.contradicts, entry.confirmedBy]
  return [kind, type, session, stream, place, author, tags, labels, createdAt, validFrom, validTo, hash, related]
}

const markChars = 16

function markOf(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, markChars)
}

function idMark(id: string): string {
  return markOf(id)
}

function entryMark(entry: MemoryEntry): string {
  return markOf(JSON.stringify(marked(entry)))
}

/** Of the passages as they are stored: what a passage says, its terms and its context. */
function textMark(passages: readonly Pick<PassageRow, 'part' | 'start' | 'body'>[]): string {
  const hash = createHash('sha256')
  for (const { part, start, body } of passages) hash.update(`${part} ${start} ${body.length} `).update(body)
  return hash.digest('base64url').slice(0, markChars)
}

/** A row as a change finds it: read before the change, or left by one before it in the same call. */
type Found = { readonly entry: MemoryEntry; readonly text: string | null } | null

/**
 * Runs before the changes, in their transaction.
 * @returns the records that tell of them; none where no row changes in what is marked
 */
export function* markRecords(user: UserId, changes: readonly MemoryChange[], now: number): QuerySteps<readonly NewRecord[]> {
  const marks = yield* marksOf(user, changes)
  if (marks.length === 0) return []
  const known = yield* queryRows<object>({ text: readTexts.marked, args: { user, call: marksCall } })
  const base = known.length > 0 ? [] : yield* baseMarks(user)
  const parts = [...chunks(base), ...chunks(marks)]
  return parts.map((rows, at) => {
    const body: MarksBody = { ...(known.length === 0 && at === parts.length - 1 && { memory_base: true }), memory_rows: rows }
    const call = marksCall as CallId
    return { at: now, actor: 'kernel', session: '', turn: '', call, name: marksCall, phase: 'exchange', body: JSON.stringify(body) }
  })
}

function chunks(marks: readonly RowMark[]): readonly (readonly RowMark[])[] {
  return Array.from({ length: Math.ceil(marks.length / marksPerRecord) }, (_, i) =>
    marks.slice(i * marksPerRecord, (i + 1) * marksPerRecord),
  )
}

function* marksOf(user: UserId, changes: readonly MemoryChange[]): QuerySteps<readonly RowMark[]> {
  const entry = (id: string): { readonly text: string; readonly args: object } => ({ text: readTexts.entry, args: { user, id } })
  const ids = new Set(changes.filter(mayMark).map(idOf))
  for (const id of ids) yield* prefetch(entry(id))
  const found = new Map<string, Found>()
  for (const id of ids) {
    const [row] = yield* queryRows<KeyedEntryRow>(entry(id))
    found.set(id, row === undefined ? null : { entry: rowEntry(row), text: null })
  }
  const marks: RowMark[] = []
  for (const change of changes.filter(mayMark)) {
    const id = idOf(change)
    const before = found.get(id) ?? null
    const after = afterChange(change, before)
    found.set(id, after)
    const was = before === null ? null : entryMark(before.entry)
    const is = after === null ? null : entryMark(after.entry)
    const text = change.change === 'put' ? (after?.text ?? null) : null
    if (was === is && (text === null || text === (before?.text ?? (yield* textOf(user, id))))) continue
    marks.push([idMark(id), is, text, was])
  }
  return marks
}

type EntryChange = Extract<MemoryChange, { change: 'put' | 'patch' | 'erase' }>

/** Whether it changes what is marked: accesses are counted all the time. */
function mayMark(change: MemoryChange): change is EntryChange {
  if (change.change === 'patch') return Object.keys(change.patch).some((key) => !unmarked.has(key))
  return change.change === 'put' || change.change === 'erase'
}

const unmarked: ReadonlySet<string> = new Set<keyof MemoryPatch>([
  'updatedAt',
  'importance',
  'tier',
  'protection',
  'accesses',
  'accessedAt',
  'extra',
])

function idOf(change: EntryChange): string {
  return change.change === 'put' ? change.item.entry.id : change.id
}

/** A patch of what is not there changes nothing. */
function afterChange(change: EntryChange, before: Found): Found {
  if (change.change === 'erase') return null
  // As it is read again.
  if (change.change === 'put') return { entry: rowEntry(entryRow(change.item.entry)), text: textMark(change.item.passages.map(packed)) }
  return before === null ? null : { entry: { ...before.entry, ...change.patch }, text: before.text }
}

function* textOf(user: UserId, id: string): QuerySteps<string> {
  const [row] = yield* queryRows<KeyedEntryRow>({ text: readTexts.entry, args: { user, id } })
  if (row === undefined) return ''
  return textMark(yield* queryRows<PassageRow>({ text: readTexts.passagesOf, args: { user, entry: row.key } }))
}

function packed({ part, start, ...body }: Passage): Pick<PassageRow, 'part' | 'start' | 'body'> {
  return { part, start, body: packBody(body) }
}

function* baseMarks(user: UserId): QuerySteps<readonly RowMark[]> {
  const marks: RowMark[] = []
  for (let after = 0; ;) {
    const page = yield* storedMarks(user, after, basePage)
    // Messages are too many, and come from the journal.
    for (const { kind, mark, entry, text } of page) if (kind !== 'message') marks.push([mark, entry, text, null])
    after = page.at(-1)?.key ?? after
    if (page.length < basePage) return marks
  }
}

const basePage = 1_000

/** @returns the memories behind the one with this key, in order */
export function* storedMarks(user: UserId, after: number, limit: number): QuerySteps<readonly StoredMark[]> {
  const rows = yield* queryRows<KeyedEntryRow>({ text: readTexts.entriesByKey, args: { user, after, limit } })
  const upto = rows.at(-1)?.key ?? after
  const passages = yield* queryRows<PassageRow & { entry: number }>({ text: readTexts.passagesByEntry, args: { user, after, upto } })
  const byEntry = Map.groupBy(passages, ({ entry }) => entry)
  return rows.map((row) => {
    const entry = rowEntry(row)
    const { id, kind, seq } = entry
    return { key: row.key, id, kind, seq, mark: idMark(id), entry: entryMark(entry), text: textMark(byEntry.get(row.key) ?? []) }
  })
}
