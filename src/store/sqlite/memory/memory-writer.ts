/** Changes of memory in SQLite: one call is one transaction, which the engine around it holds. */
import type { UserId } from '../../../types/index.ts'
import type { MemoryChange, MemoryItem, MemoryPatch } from '../../memory.ts'
import { entryRow, rowEntry } from '../../memory/entry-row.ts'
import { keptRemovals } from '../../memory/memory-limits.ts'
import { lengthOfBody, packBody, type PassageBody, unpackBody } from '../../memory/passage-body.ts'
import type { Database } from '../sqlite-database.ts'
import { noState, type StateRow } from '../../memory/memory-rows.ts'
import { type MemoryWrites, openWriteStatements } from './memory-writes.ts'
import { createTextIndex, indexAll, openTextIndex, scopeOf, scopeOfRow, textIndexCheck, type TextIndex } from './text-index.ts'
import { createVectorWriter, type VectorWriter } from './vector-writer.ts'

export interface MemoryWriter {
  /** Within a transaction. @throws OxbowError `bad_input` */
  apply(changes: readonly MemoryChange[]): void
  /** After a commit: makes sure that what was erased is in no file any more. */
  settle(): void
}

export interface WriterParts {
  readonly database: Database
  readonly user: UserId
  readonly writes: MemoryWrites
  readonly vectors: VectorWriter
  /** Opened anew in a transaction that found it missing. */
  text: TextIndex
}

/** What one call of changes carries from change to change. */
interface Work extends WriterParts {
  state: StateRow
  readonly version: number
  /** Terms of what was erased. */
  readonly erased: Set<string>
}

export function createMemoryWriter(database: Database, user: UserId): MemoryWriter {
  const hasIndex = textIndexCheck(database, user)
  let parts: WriterParts | null = null
  let erasing = false
  const open = (): WriterParts => {
    const fresh = !hasIndex()
    // A transaction that was rolled back may have taken the index with it.
    if (fresh) createTextIndex(database, user)
    if (parts !== null && !fresh) return parts
    const writes = openWriteStatements(database)
    parts = { database, user, writes, vectors: createVectorWriter(writes, user), text: openTextIndex(database, user) }
    if (fresh) indexAll(database, user, parts.text)
    return parts
  }
  return {
    apply(changes) {
      const opened = open()
      const state = opened.writes.state.get({ user }) ?? { user, ...noState }
      const work: Work = { ...opened, state, version: state.version + 1, erased: new Set() }
      for (const change of changes) applyChange(work, change)
      opened.writes.putState.run({ ...trimmedState(work), version: work.version })
      if (work.erased.size > 0) {
        opened.text.scrub(work.erased)
        erasing = true
      }
    },
    settle() {
      if (erasing) database.emptyLog()
      erasing = false
    },
  }
}

function applyChange(work: Work, change: MemoryChange): void {
  const { writes, user, version } = work
  switch (change.change) {
    case 'put':
      remove(work, change.item.entry.id)
      put(work, change.item)
      return
    case 'patch':
      patch(work, change.id, change.patch)
      return
    case 'erase':
      for (const body of remove(work, change.id)) for (const term of `${body.terms} ${body.context}`.split(' ')) work.erased.add(term)
      return
    case 'cursor':
      writes.putCursor.run({ user, ...change.cursor })
      return
    case 'vectors':
      work.vectors.put(change.model, change.vectors, version)
      return
    case 'model':
      work.vectors.model(change, version)
  }
}

function put(work: Work, { entry, passages }: MemoryItem): void {
  const { writes, text, user, version } = work
  const key = work.state.next_entry
  let id = work.state.next_passage
  writes.putEntry.run({ user, key, version, ...entryRow(entry) })
  const scope = scopeOf(entry.kind, entry.session, entry.tags)
  for (const { part, start, ...body } of passages) {
    writes.putPassage.run({ user, id, entry: key, part, start, length: lengthOfBody(body), body: packBody(body) })
    text.add({ passage: id, scope, terms: body.terms, context: body.context })
    id++
  }
  work.state = { ...work.state, next_entry: key + 1, next_passage: id }
}

/** @returns what its passages held */
function remove(work: Work, id: string): readonly PassageBody[] {
  const { writes, text, user, version } = work
  const row = writes.entry.get({ user, id })
  if (row === undefined) return []
  const passages = writes.passagesOf.all({ user, entry: row.key })
  const bodies = passages.map((passage) => unpackBody(passage.body))
  passages.forEach((passage, i) => {
    const { terms, context } = bodies[i] as PassageBody
    text.remove({ passage: passage.id, scope: scopeOfRow(row), terms, context })
    writes.putRemoval.run({ user, version, passage: passage.id })
  })
  work.vectors.removePassages(
    passages.map((passage) => passage.id),
    version,
  )
  writes.dropPassages.run({ user, entry: row.key })
  writes.dropEntry.run({ user, key: row.key })
  work.state = { ...work.state, removals: work.state.removals + passages.length }
  return bodies
}

function patch(work: Work, id: string, patched: MemoryPatch): void {
  const { writes, text, user, version } = work
  const row = writes.entry.get({ user, id })
  if (row === undefined) return
  const entry = { ...rowEntry(row), ...patched }
  const next = entryRow({ ...entry, id })
  writes.updateEntry.run({ user, key: row.key, version, ...next })
  if (scopeOfRow(row) === scopeOfRow(next)) return
  for (const passage of writes.passagesOf.all({ user, entry: row.key })) {
    const { terms, context } = unpackBody(passage.body)
    text.remove({ passage: passage.id, scope: scopeOfRow(row), terms, context })
    text.add({ passage: passage.id, scope: scopeOfRow(next), terms, context })
  }
}

/** Only so many removals are remembered; a reader that was away for longer reads all anew. */
function trimmedState({ writes, user, state, version }: Work): StateRow {
  if (state.removals <= keptRemovals) return state
  writes.trimRemovals.run({ user, version })
  return { ...state, trimmed: version, removals: 0 }
}
