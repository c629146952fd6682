/**
 * How memories are put back when the turn that wrote, changed or removed them is undone. A call of a turn records each before it changes it,
 * as its text and its facts, and what it leaves: what memory.forget erases, it erases in these records too, and no undo brings it back.
 * The store takes writes in order, so a change is never there without this record; a record without its change takes nothing back.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { MemoryChange, MemoryEntry, MemoryItem } from '../../store/index.ts'
import type { CallId, Json, JsonObject } from '../../base/index.ts'
import { type CallContext, isErased, type Phase } from '../../protocol/index.ts'
import type { Asking, KeepDeps } from './exclusive-writer.ts'
import { makeItem, wholeText } from './memory-item.ts'

/** Under these names records say what memories were before, and what a call has left of them. */
const notesBefore = 'notes_before'
const notesAfter = 'notes_after'

export interface UndoNotes {
  /** @returns the call as it asks for changes: before each, what an undo of its turn needs is recorded */
  noting(context: Pick<CallContext, 'id' | 'caller' | 'record'>): Asking
  /** First fields of what is noted for it. */
  readonly noted: readonly string[]
  plan(records: readonly NoteRecord[]): Promise<readonly UndoneNote[]>
  /** Nobody else changes memories while this runs. */
  alone<Result>(work: () => Promise<Result>): Promise<Result>
  /** The changes that were planned are committed. */
  done(changes: readonly { readonly memory?: readonly MemoryChange[] }[]): void
}

interface NoteRecord {
  readonly call: CallId
  readonly name: string
  readonly phase: Phase
  readonly body: JsonObject
}

/** One memory that a turn has changed; as an undo of the kernel has it. */
interface UndoneNote {
  readonly path: string
  readonly change: 'added' | 'changed' | 'deleted'
  readonly calls: readonly CallId[]
  readonly now: string
  readonly restored: string
  readonly conflict?: { readonly why: string; readonly final: boolean }
  readonly memory: readonly MemoryChange[]
  readonly before?: JsonObject
}

const kept = z.strictObject({
  id: z.string(),
  /** Null: it was not there. */
  was: z.strictObject({ entry: z.looseObject({ id: z.string() }), text: z.string() }).nullable(),
})
const left = z.array(z.tuple([z.string(), z.string()]))

type Kept = z.infer<typeof kept>

interface Done {
  readonly was: Kept['was']
  readonly calls: CallId[]
  /** Its mark as the turn left it; undefined: that was not recorded. */
  after: string | undefined
}

export function createUndoNotes(deps: KeepDeps): UndoNotes {
  const { memory, writer } = deps
  const itemOf = async (id: string): Promise<MemoryItem | null> => (await memory.items([id]))[0] ?? null
  const planOf = async (id: string, { was, calls, after }: Done): Promise<UndoneNote> => {
    const item = await itemOf(id)
    const change = was === null ? 'deleted' : item === null ? 'added' : 'changed'
    const text = item === null ? '' : wholeText(item.passages)
    const facts = { path: `/notes/${id}`, change, calls, now: text, restored: was?.text ?? '' } as const
    const to = was === null ? null : await remade(deps, was)
    if (markOf(item) === markOf(to)) return { ...facts, memory: [] }
    const isTheirs = after !== markOf(item)
    const why = item === null ? 'it has been removed since' : 'it has been changed since'
    return {
      ...facts,
      ...(isTheirs && { conflict: { why, final: false } }),
      memory: [to === null ? { change: 'erase', id } : { change: 'put', item: to }],
      before: { [notesBefore]: { ...asKept(id, item), left: markOf(to) } },
    }
  }
  return {
    noted: [notesBefore],
    noting({ id: call, caller, record }) {
      if (caller.turn === '') return { id: call, caller }
      const noted: Asking['noted'] = async (changes) => {
        for (const change of changes) {
          if (change.change !== 'put' && change.change !== 'patch' && change.change !== 'erase') continue
          const id = change.change === 'put' ? change.item.entry.id : change.id
          const item = await itemOf(id)
          record({ [notesBefore]: [asKept(id, item)], [notesAfter]: [[id, markOf(changedBy(change, item))]] })
        }
      }
      return { id: call, caller, noted }
    },
    async plan(records) {
      const { found, isForgotten } = doneBy(records)
      const planned = await Promise.all([...found].map(([id, done]) => planOf(id, done)))
      const forgotten = isForgotten.map((call): UndoneNote => {
        const conflict = { why: 'what it was before was forgotten', final: true }
        return { path: '/notes', change: 'changed', calls: [call], now: '', restored: '', conflict, memory: [] }
      })
      return [...planned, ...forgotten]
    },
    alone: (work) => writer.run(work),
    done(changes) {
      const all = changes.flatMap((one) => one.memory ?? [])
      const put = all.flatMap((one) => (one.change === 'put' ? [one.item.entry] : []))
      const gone = all.flatMap((one) => (one.change === 'erase' ? [one.id] : []))
      deps.changed({ put, gone })
    },
  }
}

/** @returns what a change leaves of a memory */
function changedBy(change: MemoryChange, item: MemoryItem | null): MemoryItem | null {
  if (change.change === 'put') return change.item
  return change.change === 'patch' && item !== null ? { ...item, entry: { ...item.entry, ...change.patch } } : null
}

function asKept(id: string, item: MemoryItem | null): { readonly id: string; readonly was: Json } {
  return { id, was: item === null ? null : { entry: { ...item.entry } as unknown as JsonObject, text: wholeText(item.passages) } }
}

/** Its passages and terms are made again. */
function remade(deps: KeepDeps, { entry, text }: NonNullable<Kept['was']>): Promise<MemoryItem> {
  const { hash: _, ...facts } = entry as unknown as MemoryEntry
  return makeItem(deps, { entry: facts, text, format: 'markdown', before: '' })
}

/** Of all that says something: what recall and tidying count and weigh is left out. */
function markOf(item: MemoryItem | null): string {
  if (item === null) return ''
  const { entry } = item
  const { kind, type, author, tags, labels, validFrom, validTo, supersededBy, contradicts, confirmedBy, hash } = entry
  const said = [kind, type, author, tags, labels, validFrom, validTo, supersededBy, contradicts, confirmedBy, hash]
  return createHash('sha256').update(JSON.stringify(said)).digest('base64url').slice(0, 16)
}

/** @returns what the turn did to each memory, and its calls whose records were erased */
function doneBy(records: readonly NoteRecord[]): { readonly found: ReadonlyMap<string, Done>; readonly isForgotten: readonly CallId[] } {
  const found = new Map<string, Done>()
  const isForgotten: CallId[] = []
  const take = (id: string, call: CallId, was: Kept['was']): Done => {
    const known = found.get(id) ?? { was, calls: [], after: undefined }
    if (!known.calls.includes(call)) known.calls.push(call)
    found.set(id, known)
    return known
  }
  for (const { phase, name, body, call } of records) {
    if (phase !== 'exchange') continue
    if (isErased(body) && name.startsWith('memory.') && !isForgotten.includes(call)) isForgotten.push(call)
    for (const said of [body[notesBefore] ?? []].flat()) {
      const { data } = kept.extend({ left: z.string().optional() }).safeParse(said)
      if (data === undefined) continue
      const done = take(data.id, call, data.was)
      if (data.left !== undefined) done.after = data.left
    }
    for (const [id, mark] of left.safeParse(body[notesAfter]).data ?? []) {
      const known = found.get(id)
      if (known !== undefined) known.after = mark
    }
  }
  // Where a call has looked at a memory and not changed it, there is nothing to take back.
  for (const [id, { was, after }] of found) if (was === null && after === '') found.delete(id)
  return { found, isForgotten }
}
