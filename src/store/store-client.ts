/**
 * The store as its users see it: methods become messages to an engine. Group commit is here: one batch is in flight at a time, and all
 * writes that are waiting when it returns go into the next one, as one message and one transaction.
 */
import { createWriteThrough, isOxbowError, OxbowError, type SessionId, toError, type UserId, type WriteThrough } from '../base/index.ts'
import type { ChainHead, NewRecord } from '../protocol/index.ts'
import {
  keptRowChars,
  lingerMs,
  maxBatchChars,
  maxBatchRecords,
  maxBlobBytes,
  maxErasedAtOnce,
  maxKeptChars,
  maxWaitingWrites,
} from './limits.ts'
import { stopsWriting, storeFault } from './store-fault.ts'
import { decodeHistory, decodeRecords, type EngineLink, encodeBatch, type Read, type Write, type WriteResult } from './store-message.ts'
import { createMemoryClient } from './memory/memory-client.ts'
import { checkedChanges } from './memory/memory-input.ts'
import { documentChange } from './sql/journal-rules.ts'
import type { Append, Appended, DocumentRow, Erased, Projection, SharedBudget, Store } from './store.ts'

interface Waiting {
  readonly write: Write
  settle(result: WriteResult): void
  reject(error: unknown): void
}

/** Resolves with the converted result; rejects a write that cannot be stored. */
type Writing = <Result>(write: Write, convert: (result: WriteResult) => Result) => Promise<Result>

/** The store of a user over an engine in a thread. After a fault it refuses writes until the engine has recovered. */
export function createStoreClient(user: UserId, link: EngineLink): Store {
  /** Why nothing is written any more: the first reason, until the engine recovers. */
  let fault: OxbowError | null = null
  let closed = false
  const noteFault = (error: unknown): void => {
    if (isOxbowError(error) && stopsWriting(error.code)) fault ??= error
  }
  link.onMended?.(() => {
    fault = null
  })

  const writer = createBatcher(async (writes) => {
    if (fault !== null) throw fault
    try {
      const results = await link.write(encodeBatch(writes))
      for (const result of results) if (typeof result === 'object' && result !== null) noteFault(toError(result))
      return results
    } catch (error) {
      noteFault(error)
      throw error
    }
  })

  const write: Writing = (request, convert) => {
    if (closed) return Promise.reject(closedFault())
    return fault === null ? writer.add(request, convert) : Promise.reject(fault)
  }

  const read = async <Kind extends Read['kind']>(request: Read & { kind: Kind }) => {
    if (closed) throw closedFault()
    try {
      return await link.read<Kind>(request)
    } catch (error) {
      // Further writes could damage a corrupt page further.
      if (isOxbowError(error, 'store_corrupt')) noteFault(error)
      throw error
    }
  }

  const kept = keepDocuments((name) => read({ kind: 'document', ...name }))
  return {
    user,
    fault: () => fault,
    ...writesOf(write, kept),
    ...readsOf(read),
    document: (category, name) => kept.get(keyOf({ category, name })),
    memory: createMemoryClient({
      write: (changes) => write({ kind: 'memory', changes }, () => {}),
      read: (request) => read({ kind: 'memory', read: request }),
    }),
    ...(link.shares === true && {
      share: (asks) => write({ kind: 'share', asks }, (found) => JSON.parse(found as string) as SharedBudget[]),
    }),
    ...(link.memorySource !== undefined && { memorySource: link.memorySource }),
    async close() {
      if (closed) return
      closed = true
      await writer.idle()
      await link.close()
    },
  }
}

interface DocumentName {
  readonly category: string
  readonly name: string
}

/**
 * Documents by `keyOf`: a message of a channel alone asks for a dozen. Nobody else writes them while this guest can write; whoever no
 * longer can may have been replaced, so from a write that failed to the next one that succeeds all are read again.
 */
interface Kept extends WriteThrough<DocumentRow | null> {
  wrote(isDone: boolean): void
}

function keepDocuments(read: (name: DocumentName) => Promise<DocumentRow | null>): Kept {
  const readKey = (key: string): Promise<DocumentRow | null> => read(JSON.parse(key) as DocumentName)
  const kept = createWriteThrough(readKey, (row) => row?.seq ?? 0, {
    maxWeight: maxKeptChars,
    weigh: (row) => (row?.body.length ?? 0) + keptRowChars,
  })
  let isWriter = true
  return {
    ...kept,
    get: (key) => (isWriter ? kept.get(key) : readKey(key)),
    wrote(isDone) {
      if (!isDone || !isWriter) kept.clear()
      isWriter = isDone
    },
  }
}

const keyOf = ({ category, name }: DocumentName): string => JSON.stringify({ category, name })

/** As the engine has it from now on. */
function keepSet(kept: Kept, set: Projection & { kind: 'document' }, records: readonly NewRecord[], firstSeq: number): void {
  const { body, ...row } = documentChange(set, records, firstSeq)
  kept.set(keyOf(row), body === null ? null : { ...row, body }, row.seq)
}

function writesOf(write: Writing, kept: Kept): Pick<Store, 'append' | 'putBlob' | 'erase' | 'archive' | 'restoreBodies' | 'claimLane'> {
  return {
    async append(request) {
      const append = request.memory === undefined ? request : { ...request, memory: checkedChanges(request.memory) }
      const set = append.projections?.filter((each) => each.kind === 'document') ?? []
      try {
        const done = await write({ kind: 'append', append }, (result) => appended(request, result as number))
        kept.wrote(true)
        for (const each of set)
          if (done.duplicate) kept.drop(keyOf(each))
          else keepSet(kept, each, append.records, done.firstSeq)
        return done
      } catch (error) {
        kept.wrote(false)
        throw error
      }
    },
    async putBlob(bytes) {
      if (bytes.length > maxBlobBytes) throw blobTooLarge(bytes.length)
      // A copy: a view of a larger buffer would be sent with all of it.
      return write({ kind: 'blob', bytes: Uint8Array.from(bytes) }, (hash) => hash as string)
    },
    async erase(seqs, reason) {
      if (seqs.length > maxErasedAtOnce) throw tooManyErased(seqs.length)
      return write({ kind: 'erase', seqs: [...new Set(seqs)], reason }, erasedOf).finally(kept.clear)
    },
    async archive(seqs, reason) {
      if (seqs.length > maxErasedAtOnce) throw tooManyErased(seqs.length)
      return write({ kind: 'erase', seqs: [...new Set(seqs)], reason, isKept: true }, erasedOf).finally(kept.clear)
    },
    async restoreBodies(bodies) {
      if (bodies.length > maxErasedAtOnce) throw tooManyErased(bodies.length)
      return write({ kind: 'restore', bodies }, (result) => result as number).finally(kept.clear)
    },
    claimLane: (session, owner, leaseMs) => write({ kind: 'claim', session, owner, leaseMs }, (epoch) => epoch as number | null),
  }
}

type Reads =
  | 'records'
  | 'scan'
  | 'history'
  | 'openIntents'
  | 'head'
  | 'indexRows'
  | 'structure'
  | 'blob'
  | 'session'
  | 'sessions'
  | 'spent'
  | 'used'
  | 'documents'
  | 'documentCategories'

function readsOf(read: EngineLink['read']): Pick<Store, Reads> {
  return {
    records: async (query) => decodeRecords(await read({ kind: 'records', query })),
    scan: async (query) => {
      const { fields, upto } = await read({ kind: 'scan', query })
      return { records: decodeRecords(fields), upto }
    },
    history: async (session: SessionId, before, limit) => decodeHistory(await read({ kind: 'history', session, before, limit })),
    openIntents: async () => decodeRecords(await read({ kind: 'open_intents' })),
    head: (): Promise<ChainHead> => read({ kind: 'head' }),
    indexRows: (table, after, limit) => read({ kind: 'index_rows', table, after, limit }),
    structure: () => read({ kind: 'structure' }),
    blob: (hash) => read({ kind: 'blob', hash }),
    session: (id) => read({ kind: 'session', id }),
    sessions: (limit) => read({ kind: 'sessions', limit }),
    spent: (scope) => read({ kind: 'spent', scope }),
    used: (budget) => read({ kind: 'used', budget }),
    documentCategories: () => read({ kind: 'document_categories' }),
    documents: (query) => read({ kind: 'documents', query }),
  }
}

const erasedOf = (result: WriteResult): Erased => JSON.parse(result as string) as Erased

function appended(request: Append, result: number): Appended {
  if (result > 0) return { firstSeq: result, duplicate: false }
  if (result < 0) return { firstSeq: -result, duplicate: true }
  // A result of 0 is refused by the fence; an append without records starts at the next seq, never at 0.
  throw new OxbowError('stale_epoch', `Session ${request.fence?.session ?? ''} was taken over by another worker.`, {
    hint: 'Look at what it did, then send your message again.',
  })
}

function closedFault(): OxbowError {
  return storeFault('store_failed', 'The store is closed.')
}

function blobTooLarge(bytes: number): OxbowError {
  return new OxbowError('limit_reached', `A blob has ${bytes} bytes; the limit is ${maxBlobBytes}.`, {
    hint: 'Keep it as a file in the workspace.',
  })
}

function tooManyErased(count: number): OxbowError {
  return new OxbowError('limit_reached', `${count} bodies are too many to erase at once; the limit is ${maxErasedAtOnce}.`, {
    hint: 'Erase them in parts.',
  })
}

interface Batcher {
  readonly add: Writing
  /** Resolves when nothing is waiting and nothing is in flight. */
  idle(): Promise<void>
}

function createBatcher(send: (writes: readonly Write[]) => Promise<readonly WriteResult[]>): Batcher {
  let waiting: Waiting[] = []
  /** How many of them are not lazy. */
  let urgent = 0
  let hurry: () => void = () => {}
  let running: Promise<void> | null = null

  const sendOne = async (): Promise<void> => {
    const batch = takeBatch(waiting)
    waiting = waiting.slice(batch.length)
    urgent -= batch.filter(({ write }) => isUrgent(write)).length
    try {
      const results = await send(batch.map((entry) => entry.write))
      batch.forEach((entry, i) => entry.settle(results[i] ?? null))
    } catch (error) {
      for (const entry of batch) entry.reject(error)
    }
  }
  const run = async (): Promise<void> => {
    while (waiting.length > 0) {
      if (urgent === 0) await linger()
      // One turn of the event loop: writes that follow from the events it handles now share the batch.
      await yieldToEventLoop()
      await sendOne()
    }
    running = null
  }
  const linger = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, lingerMs)
      hurry = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  return {
    add: (write, convert) =>
      new Promise((resolve, reject) => {
        if (waiting.length >= maxWaitingWrites) {
          const hint = 'Wait for answers before you send more.'
          reject(new OxbowError('limit_reached', `${maxWaitingWrites} writes are already waiting for the store.`, { hint }))
          return
        }
        const settle = (result: WriteResult): void => {
          if (typeof result === 'object' && result !== null) return reject(toError(result))
          try {
            resolve(convert(result))
          } catch (error) {
            reject(error)
          }
        }
        waiting.push({ write, settle, reject })
        if (isUrgent(write) && urgent++ === 0) hurry()
        running ??= run()
      }),
    idle: () => {
      hurry()
      return running ?? Promise.resolve()
    },
  }
}

/** Claims a lane for a message that is being recorded, in whose transaction it goes along. */
function isUrgent(write: Write): boolean {
  return write.kind === 'append' ? write.append.lazy !== true : write.kind !== 'claim'
}

function yieldToEventLoop(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve))
}

/** @returns the longest head of the queue that fits the limits of a batch; at least one write. */
function takeBatch(waiting: readonly Waiting[]): readonly Waiting[] {
  let records = 0
  let chars = 0
  let count = 0
  for (const { write } of waiting) {
    if (count > 0 && (records >= maxBatchRecords || chars >= maxBatchChars)) break
    count++
    if (write.kind === 'append') {
      records += write.append.records.length
      for (const record of write.append.records) chars += record.body.length
    } else {
      records++
      if (write.kind === 'blob') chars += write.bytes.length
    }
  }
  return waiting.slice(0, count)
}
