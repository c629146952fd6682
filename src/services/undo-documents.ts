/** How a service whose state is documents puts them back when a turn is undone: by the records that have set them. */
import { isDeepStrictEqual } from 'node:util'
import { type Core, type DocumentChange, documentChanges, documentsField, type UndoChange, type UndoPart, type UndoRecord } from '../kernel/index.ts'
import type { CallId, Json, JsonObject } from '../base/index.ts'
import { isErased } from '../protocol/index.ts'

interface UndoneDocuments<Value> {
  readonly category: string
  /** @returns as people name it; null: no undo puts it back */
  readonly shown: (value: Value, name: string) => string | null
  /** The part of it that people and agents set: the rest may change by itself, which is no conflict. */
  readonly set: (value: Value) => unknown
  /** What is put in the place of what is there now. @param to as it was before the turn; null: it was not there */
  readonly putBack?: (name: string, to: Value | null, now: Value | null) => Promise<readonly DocumentChange[]>
}

type UndoCore = Pick<Core, 'documents' | 'store'>

/** What a turn, or an undo, has done to a document. */
interface Done {
  /** The record that had set it before; 0: none. */
  readonly replaced: number
  readonly calls: CallId[]
  /** Null: it was deleted. */
  last: Json | null
}

/** @returns the part of an undo for one category of documents */
export function undoDocuments<Value extends object>({ documents, store }: UndoCore, of: UndoneDocuments<Value>): UndoPart {
  const { category, shown, set, putBack } = of
  const valueAt = async (seq: number, name: string): Promise<Value | null | 'gone'> => {
    if (seq === 0) return null
    const [record] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: true })
    const body = record === undefined ? {} : (JSON.parse(record.body) as JsonObject)
    const found = documentChanges('exchange', body).findLast((one) => one.category === category && one.name === name)
    return found === undefined ? 'gone' : (found.value as Value | null)
  }
  return {
    noted: [documentsField],
    async plan(records) {
      const planned: UndoChange[] = []
      for (const [name, { replaced, last, calls }] of doneTo(category, records)) {
        const now = (await documents.get<Value>(category, name))?.value ?? null
        const to = await valueAt(replaced, name)
        const known = to === 'gone' ? null : to
        const example = now ?? known ?? (last as Value | null)
        const path = example === null ? null : shown(example, name)
        if (path === null) continue
        const facts = { path, calls, now: textOf(now, set), restored: textOf(known, set) }
        const change = known === null ? 'deleted' : now === null ? 'added' : 'changed'
        const same = (a: Value | null, b: Value | null): boolean => isDeepStrictEqual(a && set(a), b && set(b))
        if (to === 'gone')
          planned.push({ ...facts, change, conflict: { why: 'what it was before is not on record any more', final: true } })
        else if (!same(now, to)) {
          const isTheirs = !same(now, last as Value | null)
          const why = now === null ? 'it has been deleted since' : 'it has been changed since'
          const back = (await putBack?.(name, to, now)) ?? [{ category, name, value: to }]
          planned.push({ ...facts, change, ...(isTheirs && { conflict: { why, final: false } }), documents: back })
        } else planned.push({ ...facts, change, documents: [] })
      }
      return planned
    },
  }
}

function doneTo(category: string, records: readonly UndoRecord[]): ReadonlyMap<string, Done> {
  const found = new Map<string, Done>()
  for (const { phase, body, call } of records) {
    const replaced = body['replaced']
    if (isErased(body) || !Array.isArray(replaced)) continue
    for (const [at, change] of documentChanges(phase, body).entries()) {
      if (change.category !== category) continue
      const known = found.get(change.name) ?? { replaced: Number(replaced[at]), calls: [], last: null }
      known.last = change.value as Json | null
      if (!known.calls.includes(call)) known.calls.push(call)
      found.set(change.name, known)
    }
  }
  return found
}

function textOf<Value extends object>(value: Value | null, set: (value: Value) => unknown): string {
  return value === null ? '' : JSON.stringify(set(value), null, 2)
}
