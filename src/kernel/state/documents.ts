/**
 * Documents: small named values that the kernel keeps, by category: the state that agents and people save, and what the subsystems
 * remember (agents, schedules, roles, keys, rules …). A record of the journal sets them, in its own transaction, so that each change is
 * on record with the call that made it, survives a crash with it, and could be read back from the journal.
 *
 * Categories that begin with `system/` belong to subsystems of the kernel; no call reads or writes them by name.
 */
import type { Append, DocumentRow, MemoryChange, Projection, Store } from '../../store/index.ts'
import { type CallId, isObject, type Json, type JsonObject } from '../../base/index.ts'
import type { Call, Caller, Phase } from '../../protocol/index.ts'

/** A document, its value parsed. */
interface Document<Value = Json> {
  readonly name: string
  readonly value: Value
  /** The record that set it: its version. */
  readonly seq: number
  /** When, unix milliseconds. */
  readonly at: number
}

export interface DocumentChange {
  readonly category: string
  readonly name: string
  /** JSON; null deletes the document. */
  readonly value: unknown
}

/** The call that changes documents. */
interface Of {
  readonly caller: Pick<Caller, 'actor' | 'session' | 'turn'>
  readonly call: CallId
  readonly name: string
}

type Entry = Of & { readonly phase: Phase; readonly body: JsonObject; readonly projection?: Call['projection'] }

/** Appends records to the journal; see `Journal.append`. */
type AppendRecords = (
  entries: readonly Entry[],
  options?: { readonly sync?: boolean; readonly fence?: Fence; readonly memory?: readonly MemoryChange[] },
) => Promise<unknown>

type Fence = NonNullable<Append['fence']>

interface PutOptions {
  /** Survives power loss before it resolves. */
  readonly sync?: boolean
  /** Of a worker: the record is refused with `stale_epoch` once another one has what it works on. Asked right before the append. */
  readonly fence?: () => Promise<Fence>
  /** Committed with them: more of the record, other records, and changes of memory. */
  readonly also?: { readonly body: JsonObject; readonly entries: readonly Entry[]; readonly memory: readonly MemoryChange[] }
}

export interface Documents {
  get<Value = Json>(category: string, name: string): Promise<Document<Value> | null>
  /** In the order of the names. @param after only names behind this one */
  list<Value = Json>(category: string, limit: number, after?: string): Promise<readonly Document<Value>[]>
  /** Every document of a category that is known to be small, such as a subsystem's. */
  all<Value = Json>(category: string): Promise<readonly Document<Value>[]>
  /** Sets documents, all in one record of the call. Resolves when they are durable. */
  put(of: Of, changes: readonly DocumentChange[], options?: PutOptions): Promise<void>
  /**
   * Reads a document and sets what `next` makes of it; changes of the same document run one after another.
   * @param next returns the new value, null to delete it, undefined to leave it; what it throws is thrown
   * @returns the value that the document has now
   */
  change<Value = Json>(
    of: Of,
    category: string,
    name: string,
    next: (current: Document<Value> | null) => Value | null | undefined,
  ): Promise<Value | null>
  /** As `change`, for changes of several documents, all in one record, that follow from one; without any, nothing is recorded. */
  update<Value = Json>(
    of: Of,
    category: string,
    name: string,
    next: (current: Document<Value> | null) => Promise<readonly DocumentChange[]>,
    options?: PutOptions,
  ): Promise<void>
  /**
   * @param listener called with each document of the category that this guest has changed, when the change is recorded; null: it was deleted
   * @returns what ends that
   */
  watch(category: string, listener: (name: string, value: unknown) => void): Disposable
}

/** Rows of one read: as many as the store reads without starting its thread of reads, which takes longer than a first turn's other work. */
const pageRows = 100

export function createDocuments(store: Pick<Store, 'document' | 'documents'>, append: AppendRecords): Documents {
  const changing = new Map<string, Promise<unknown>>()
  const watchers = new Map<string, Set<(name: string, value: unknown) => void>>()
  const list: Documents['list'] = async <Value>(category: string, limit: number, after = '') =>
    (await store.documents({ category, after, limit })).map(parse<Value>)
  const get: Documents['get'] = async <Value>(category: string, name: string) => {
    const row = await store.document(category, name)
    return row === null ? null : parse<Value>(row)
  }
  const put: Documents['put'] = async (of, changes, { sync, fence, also } = {}) => {
    // By the records that have set them before, 0 for none, an undo finds what the documents were.
    const isUndone = of.caller.turn !== '' || also !== undefined
    const replaced = isUndone ? await Promise.all(changes.map(async (one) => (await store.document(one.category, one.name))?.seq ?? 0)) : []
    const body = { documents: changes as unknown as Json[], ...(isUndone && { replaced }), ...also?.body }
    const fenced = fence !== undefined && { fence: await fence() }
    const options = { ...(sync === true && { sync }), ...fenced, ...(also && { memory: also.memory }) }
    await append([{ ...of, phase: 'exchange', body }, ...(also?.entries ?? [])], options)
    for (const { category, name, value } of changes) for (const listener of watchers.get(category) ?? []) listener(name, value)
  }
  const update: Documents['update'] = async <Value>(
    of: Of,
    category: string,
    name: string,
    next: (current: Document<Value> | null) => Promise<readonly DocumentChange[]>,
    options: PutOptions = {},
  ) => {
    const key = JSON.stringify([category, name])
    const run = async (): Promise<void> => {
      const changes = await next(await get<Value>(category, name))
      if (changes.length > 0) await put(of, changes, options)
    }
    // A change that failed is of no concern to the next one.
    const mine = (changing.get(key) ?? Promise.resolve()).then(run, run)
    changing.set(key, mine)
    try {
      await mine
    } finally {
      if (changing.get(key) === mine) changing.delete(key)
    }
  }
  return {
    get,
    list,
    async all<Value>(category: string) {
      const found: Document<Value>[] = []
      for (let page = await list<Value>(category, pageRows); ; page = await list<Value>(category, pageRows, found.at(-1)?.name)) {
        found.push(...page)
        if (page.length < pageRows) return found
      }
    },
    put,
    update,
    watch(category, listener) {
      const all = watchers.get(category) ?? new Set()
      watchers.set(category, all.add(listener))
      return { [Symbol.dispose]: () => void all.delete(listener) }
    },
    async change<Value>(of: Of, category: string, name: string, next: (current: Document<Value> | null) => Value | null | undefined) {
      let now: Value | null = null
      await update<Value>(of, category, name, async (current) => {
        const value = next(current)
        now = value === undefined ? (current?.value ?? null) : value
        return value === undefined ? [] : [{ category, name, value }]
      })
      return now
    },
  }
}

function parse<Value>({ name, body, seq, at }: DocumentRow): Document<Value> {
  return { name, value: JSON.parse(body) as Value, seq, at }
}

/** The first field of a record of changed documents. */
export const documentsField = 'documents'

/** @returns the changes of documents that a record holds; none for a record of anything else */
export function documentChanges(phase: string, body: JsonObject): readonly DocumentChange[] {
  const changes = phase === 'exchange' ? body[documentsField] : undefined
  return Array.isArray(changes) ? changes.filter(isChange) : []
}

/** @param index of the record in its append */
export function documentProjections(
  { phase, body }: { readonly phase: Phase; readonly body: JsonObject },
  index: number,
): readonly Projection[] {
  return documentChanges(phase, body).map(({ category, name, value }) => ({
    kind: 'document',
    category,
    name,
    body: documentBody(value),
    record: index,
  }))
}

/** @returns the text that the store keeps for a value; null for no value */
export function documentBody(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}

function isChange(change: unknown): change is DocumentChange {
  return isObject(change) && typeof change['category'] === 'string' && typeof change['name'] === 'string' && change['value'] !== undefined
}
