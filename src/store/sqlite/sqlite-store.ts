/**
 * The store in a SQLite file: a writer thread, and a reader thread that starts with the first read that is long or waits for the writer, and
 * ends when idle, and the memory it uses with it. So no scan blocks the event loop, and reads run during writes (write-ahead log). A read sees
 * everything committed before it was requested: the reader checks the log for each one. Who searches memory does so in a thread of its own
 * (`memorySource`), so no turn's read waits for a search.
 *
 * Small batches are committed on the calling thread (`inline-writer.ts`); everything that may take long is for the writer's thread.
 */
import type { UserId } from '../../base/index.ts'
import { isOxbowError, once } from '../../base/index.ts'
import type { MemoryRead } from '../memory/memory-client.ts'
import type { CipherChoice } from '../secrets/file-encryption.ts'
import { createStoreClient } from '../store-client.ts'
import { idleReaderMs, maxBriefDocuments, maxReadWaitMs } from '../limits.ts'
import { storeFault } from '../store-fault.ts'
import type { EngineLink, Read, ReadResults, WriteBatch, WriteResult } from '../store-message.ts'
import type { OpeningStore } from '../store.ts'
import type { InlineWriter } from './inline-writer.ts'
import type { Durability } from './sqlite-database.ts'
import { startStoreWorker, type WorkerLink, type WorkerRequest } from '../worker-link.ts'

export interface SqliteOptions {
  /** The database file; its folder must be there. */
  readonly path: string
  readonly user: UserId
  /** `normal` survives the death of the process, `full` also power loss. */
  readonly durability: Durability
  /** Never writes, takes no lock, and needs an existing file: to look at the journal of a running guest. */
  readonly readOnly?: boolean
  /** Refuses a workspace that another guest holds (`workspace_busy`), and holds it until closed. */
  readonly exclusive?: boolean
  /** Keys of a file that is encrypted, or is to be. */
  readonly cipher?: CipherChoice
  /** Lets a test shorten the time until a thread without reads ends. */
  readonly idleMs?: number
}

/**
 * Resolves at once: requests wait until the file is open, and `opened()` reports the result. A failure to open rejects all of them.
 */
export async function openSqliteStore(options: SqliteOptions): Promise<OpeningStore> {
  const link = createSqliteLink(options)
  return { ...createStoreClient(options.user, link), opened: () => link.opened }
}

export interface SqliteLink extends EngineLink {
  /** Settles when the lock is held and the file is known to be usable. */
  readonly opened: Promise<void>
  /** The threads, for tests that let one die. */
  readonly threads: () => { readonly writer: WorkerLink | null; readonly reader: WorkerLink | null }
}

/**
 * Each reads a bounded number of rows. The writer answers them until one has waited for its writes, so that most guests never have a thread
 * of reads: it takes 13 MB, and its start as long as a whole turn.
 */
const briefReads: ReadonlySet<Read['kind']> = new Set<Read['kind']>([
  'head',
  'open_intents',
  'spent',
  'used',
  'session',
  'records',
  'history',
  'blob',
  'document',
  'document_categories',
])
const isBrief = (read: Read): boolean =>
  briefReads.has(read.kind) ||
  (read.kind === 'documents' && read.query.limit <= maxBriefDocuments) ||
  (read.kind === 'index_rows' && read.limit <= maxBriefDocuments) ||
  (read.kind === 'memory' && isBriefMemory(read.read))
const briefFilters: ReadonlySet<string> = new Set(['tiers', 'validAt', 'notSession'])
/** Entries by their names or places, and what the start of a conversation lists. */
const isBriefMemory = (read: MemoryRead): boolean =>
  (read.ask === 'items' && read.ids.length <= maxBriefDocuments) ||
  (read.ask === 'list' && read.limit <= maxBriefDocuments && Object.keys(read.filter).every((key) => briefFilters.has(key))) ||
  (read.ask === 'around' && read.before + read.after <= maxBriefDocuments) ||
  ['cursor', 'models', 'with_hash'].includes(read.ask)
const yes = (): boolean => true
const no = (): boolean => false

export function createSqliteLink(options: SqliteOptions): SqliteLink {
  const { path, user, durability, readOnly = false, exclusive = false } = options
  const cipher = options.cipher === undefined ? {} : { cipher: options.cipher }
  const writer = readOnly ? null : startStoreWorker({ role: 'writer', path, user, durability, exclusive, ...cipher }, workerFile())
  const writerOpen = writer === null ? Promise.resolve() : writer.ask({ ask: 'open' }).then(() => {})
  const writing = writerOpen.then(async () => void (await writer?.ask({ ask: 'serve' })))
  const reader = createReaderLink(options, writing)
  const opened = readOnly ? reader.open() : writerOpen
  // The failure goes to those who await it; nobody has to.
  opened.catch(() => {})
  writing.catch(() => {})
  let writes = 0
  const busy = async (request: WorkerRequest): Promise<unknown> => {
    writes += 1
    try {
      return await writer?.ask(request)
    } finally {
      writes -= 1
    }
  }
  let inlineWriter: InlineWriter | null = null
  const openInline = once(async () => {
    const { openInlineWriter } = await import('./inline-writer.ts')
    // The thread writes alone if there is no file descriptor left, for example.
    inlineWriter = await openInlineWriter(options).catch(() => null)
  })
  return {
    opened,
    threads: () => ({ writer, reader: reader.thread() }),
    memorySource: () => writing.then(() => ({ kind: 'sqlite', user, path, ...cipher })),
    async write(batch: WriteBatch) {
      if (writer === null) throw storeFault('store_failed', 'The store was opened for reading only.')
      await writing
      const inline = writer.alive() ? (inlineWriter?.write(batch) ?? null) : null
      if (inline !== null) return inline
      const results = (await busy({ ask: 'write', batch })) as readonly WriteResult[]
      // Nobody waits for it: until it is open, the thread has every batch.
      void openInline()
      return results
    },
    async read<Kind extends Read['kind']>(read: Read & { kind: Kind }) {
      if (isBrief(read) && writer?.alive() === true && !(writes > 0 && reader.isOpen()) && (await writing.then(yes, no))) {
        // A failure to start is the next read's, which tries again.
        const waiting = writes > 0 ? setTimeout(() => void reader.open().catch(() => {}), maxReadWaitMs).unref() : undefined
        const answer = writer.ask({ ask: 'read', read }) as Promise<ReadResults[Kind]>
        return await answer.finally(() => clearTimeout(waiting))
      }
      await reader.open()
      return (await reader.ask(read)) as ReadResults[Kind]
    },
    async close() {
      await openInline.made()
      inlineWriter?.close()
      inlineWriter = null
      // The writer closes last: the last connection checkpoints the log.
      await reader.close()
      await writer?.close()
    },
  }
}

interface ReaderLink {
  /** Starts the thread if it is not running, or the last one died. */
  open(): Promise<void>
  /** It answers at once. */
  isOpen(): boolean
  ask(read: Read): Promise<unknown>
  thread(): WorkerLink | null
  close(): Promise<void>
}

function createReaderLink(options: SqliteOptions, writing: Promise<void>): ReaderLink {
  const { path, user, durability, idleMs = idleReaderMs } = options
  const cipher = options.cipher === undefined ? {} : { cipher: options.cipher }
  let thread: WorkerLink | null = null
  let opened: Promise<void> | null = null
  let isOpen = false
  let reads = 0
  let idle: NodeJS.Timeout | undefined

  const rest = (): void => {
    clearTimeout(idle)
    idle = setTimeout(() => {
      const old = thread
      if (reads > 0 || !isOpen) return
      thread = null
      isOpen = false
      void old?.close()
    }, idleMs).unref()
  }

  const openIn = (started: WorkerLink): Promise<void> => {
    const opening = openReader(started, writing)
    // The next read tries again: a missing file descriptor, for example, is temporary.
    opening.then(
      () => {
        if (thread !== started) return
        isOpen = true
        rest()
      },
      () => {
        if (opened === opening) opened = null
      },
    )
    return opening
  }
  return {
    open() {
      if (thread === null || !thread.alive()) {
        thread = startStoreWorker({ role: 'reader', path, user, durability, exclusive: false, ...cipher }, workerFile())
        opened = null
        isOpen = false
      }
      return (opened ??= openIn(thread))
    },
    isOpen: () => isOpen && thread?.alive() === true,
    async ask(read) {
      reads += 1
      try {
        return await thread?.ask({ ask: 'read', read })
      } finally {
        reads -= 1
        rest()
      }
    },
    thread: () => thread,
    async close() {
      clearTimeout(idle)
      await thread?.close()
    },
  }
}

/** Opens a reader's thread behind the writer's. */
function openReader(started: WorkerLink, writing: Promise<void>): Promise<void> {
  const serve = async (): Promise<void> => {
    await started.ask({ ask: 'open' })
    await started.ask({ ask: 'serve' })
  }
  return writing.then(serve, (error: unknown) => {
    // A store that cannot be written may still be read; one that another guest holds may not.
    if (isOxbowError(error, 'workspace_busy')) throw error
    return serve().catch(() => {
      // The reason why its tables are missing or out of date.
      throw error
    })
  })
}

/** The worker's file: next to this one as source, next to the bundle as JavaScript. */
function workerFile(): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./sqlite-worker.${extension}`, import.meta.url)
}
