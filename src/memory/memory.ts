/**
 * The public API of memory: indexing, recall and forgetting behind one port. Nothing is started or loaded before its first use.
 */
import { createHasher, type Hasher, type MemoryKind, type MemoryStore, type Store } from '../store/index.ts'
import { type Clock, once, type Once, OxbowError, toFailure } from '../base/index.ts'
import type { Config } from '../config/index.ts'
import type { Caller } from '../protocol/index.ts'
import type { EmbeddingService } from './text/text-thread.ts'
import type { VectorIndex } from './embed/vector-index.ts'
import type { Forgetting } from './forget/forget.ts'
import type { EraseBodies, Eraser } from './forget/aftermath.ts'
import type { Corrections } from './keep/corrections.ts'
import type { Documents } from './keep/documents.ts'
import { firstCatchUpMs, lastIndexMs } from './keep/keep-limits.ts'
import { createExclusiveWriter, type KeepDeps, type ExclusiveWriter } from './keep/exclusive-writer.ts'
import type { JournalIndex, JournalIndexDeps } from './keep/journal-index.ts'
import type { Notes } from './keep/notes.ts'
import type { Transfer } from './keep/transfer.ts'
import type { UndoNotes } from './keep/undo-notes.ts'
import type { MemoryMap, MemoryReport, Provenance, Reindexed } from './memory-schemas.ts'
import { createMemoryPresence, type MemoryPresence } from './keep/memory-presence.ts'
import type { Recall } from './recall/recalled.ts'
import { createTurnSide, type TurnCalls } from './recall/turn-side.ts'
import type { TurnRecall } from './recall/turn-recall.ts'
import type { Wanted } from './recall/wanted.ts'
import type { TextEngine } from './text/text-engine.ts'
import type { ThreadEngine } from './recall/thread-questions.ts'
import type { Learning } from './tidy/learn.ts'
import type { Tidy } from './tidy/tidy.ts'

/** One user's memory: what the kernel and the calls use of it. Its parts are loaded with their first use. */
export interface Memory extends TurnCalls {
  /** Schedules indexing of new messages in the background. */
  poke(): void
  /** Resolves when earlier messages are indexed, or after a short timeout. */
  caughtUp(): Promise<void>
  recall(): Promise<Recall>
  notes(): Promise<Notes>
  corrections(): Promise<Corrections>
  documents(): Promise<Documents>
  transfer(): Promise<Transfer>
  undo(): Promise<UndoNotes>
  forgetting(): Promise<Forgetting>
  tidy(): Promise<Tidy>
  /** Learns from what was just said. */
  learning(): Promise<Learning>
  /** Call after tidying has changed which entries are hot. */
  tidied(): void
  /** @throws OxbowError `not_found` */
  why(id: string, caller: Caller): Promise<Provenance>
  stats(): Promise<MemoryReport>
  /** Memories of these kinds by meaning, the newest first, as far as the caller recalls them. */
  map(kinds: readonly MemoryKind[], limit: number, caller: Caller): Promise<MemoryMap>
  /** Vectors by its embedder, one for each text. @throws OxbowError `bad_config` without one */
  embed(texts: readonly string[]): Promise<readonly Float32Array[]>
  /**
   * Reads the journal and all that was written again, and begins to make all vectors again. What people have changed stays.
   * @returns when everything can be found by its words; vectors follow in the background
   */
  reindex(signal: AbortSignal): Promise<Reindexed>
  close(): Promise<void>
}

/** Dependencies of memory. */
export interface MemoryHost {
  /** Erases bodies of journal records and journals the erasure. */
  readonly erase: EraseBodies
  /** Erases data derived from messages elsewhere: summaries and titles. */
  readonly eraseDerived: Eraser
  /** Makes vectors when `memory.embedder` names a model of a provider; requests are journaled and budgeted. */
  readonly embed: EmbeddingService['embed']
}

export interface MemoryOptions {
  readonly store: Store
  /** If absent, the store itself erases bodies, and no service can be used. */
  readonly host?: MemoryHost
  readonly config: Config['memory']
  readonly clock: Clock
  /** For tests: reads texts in place of the thread that is started on first use. */
  readonly text?: () => Promise<TextEngine>
  /** For tests: how long what was put just now may take to get its vectors when all ends. */
  readonly lastVectorsMs?: number
  /** For tests: how long what was said last may take to be read when all ends; 0: the next guest reads it. */
  readonly lastIndexMs?: number
  /** For tests: how long `caughtUp` waits for what was said. */
  readonly catchUpMs?: number
  /** For tests: how long a turn waits for what is recalled. */
  readonly patienceMs?: number
  /** For tests: how long a question waits for its vector. */
  readonly questionMs?: number
}

/** Creates memory; each part is loaded on first use. */
export function createMemory(options: MemoryOptions): Memory {
  const { store, config, clock } = options
  const presence = createMemoryPresence(store.memory)
  const ending = new AbortController()
  const writer = createExclusiveWriter(store.memory)
  const { erase, eraseDerived, embed } = options.host ?? withoutHost(store)
  const readers = lazyReaders(options, writer, embed)
  const { text, wanted, recall, vectors } = readers
  const makeVectors = (): void => {
    if (config.embedder !== 'none' && !ending.signal.aborted) void vectors().then((each) => each.poke(), notSaidHere)
  }
  const deps: KeepDeps = {
    memory: writer.memory,
    writer,
    store,
    text,
    hash: once((): Promise<Hasher> => createHasher()),
    clock,
    changed({ put = [], gone = [] }) {
      presence.put(put)
      if (put.length > 0) makeVectors()
      if (gone.length > 0) turns.erased()
      if (gone.length > 0) void indexer.made()?.then((each) => each.dropHeld(), notSaidHere)
    },
  }
  const forgetting = once(async (): Promise<Forgetting> => (await import('./forget/forget.ts')).createForgetting(deps, eraseDerived))
  const indexer = once(() =>
    openIndex(deps, {
      keeps: config.index_messages,
      catchUpMs: options.catchUpMs,
      settle: async (owed) => (await forgetting()).settle(owed, { erase, signal: ending.signal }),
    }),
  )
  const claimed = lazyClaim(deps, presence, ending.signal)
  const catchUp = async (atMostMs?: number): Promise<void> => {
    await claimed()
    if (reads() && (atMostMs === undefined || (await isBehind(store)))) await (await indexer()).caughtUp(atMostMs)
  }
  const turns = createTurnSide(options, {
    presence,
    wanted,
    recall,
    turnRecall: lazyTurnRecall(deps, recall, config),
    catchUp: () => catchUp(firstCatchUpMs),
  })
  const keepers = lazyKeepers(deps, config)
  // A turn that forgot something is awaited even when messages are not indexed.
  const reads = (): boolean => !ending.signal.aborted && (config.index_messages || forgetting.made() !== null)
  return {
    ...turns,
    poke() {
      void claimed()
      // Once, for work that a stop left unfinished; later runs follow from writes.
      if (vectors.made() === null) void presence.hasAny().then((has) => void (has && makeVectors()), notSaidHere)
      if (reads()) void indexer().then((each) => each.poke(), notSaidHere)
    },
    caughtUp: () => catchUp(),
    tidied: () => void wanted.made()?.then(({ hot }) => hot.drop(), notSaidHere),
    recall,
    ...keepers,
    forgetting,
    stats: async () => report(deps, (await indexer.made())?.fault() ?? null, (await vectors.made())?.fault() ?? readers.questionFault()),
    reindex: async (signal) => reindex(deps, { indexer, vectors: config.embedder === 'none' ? null : vectors }, signal),
    async close() {
      await readLast(indexer.made(), options.lastIndexMs)
      ending.abort()
      await closeAll(readers, indexer.made())
    },
  }
}

/** A service is paid for each vector. */
function isMadeHere({ embedder }: MemoryOptions['config']): boolean {
  return /^(?:words-50k|hash|(?:folder|onnx):.+)$/s.test(embedder)
}

function lazyTurnRecall(deps: KeepDeps, recall: () => Promise<Recall>, config: MemoryOptions['config']): Once<TurnRecall> {
  const { recall_results: limit, recall_tokens: tokens } = config
  return once(async () => (await import('./recall/turn-recall.ts')).createTurnRecall(deps, { recall, limit, tokens }))
}

/** Whether the journal has records that no indexer has read. */
async function isBehind(store: Store): Promise<boolean> {
  const [cursor, head] = await Promise.all([store.memory.cursor('journal'), store.head()])
  return cursor < head.seq
}

async function openIndex(deps: KeepDeps, own: Pick<JournalIndexDeps, 'keeps' | 'settle' | 'catchUpMs'>): Promise<JournalIndex> {
  return (await import('./keep/journal-index.ts')).createJournalIndex({ ...deps, ...own })
}

/** Resolves when older notes of plugins have their author. A store that cannot be written now is mended at a later start. */
function lazyClaim(deps: KeepDeps, presence: MemoryPresence, ending: AbortSignal): () => Promise<void> {
  const claim = once(async (): Promise<void> => {
    if (await presence.hasAny()) await (await import('./keep/plugin-notes.ts')).claimPluginNotes(deps)
  })
  return async () => (ending.aborted ? undefined : claim().catch(notSaidHere))
}

/** The writing parts: notes and corrections, documents, import and export, tidying; and what shows single memories. */
function lazyKeepers(
  deps: KeepDeps,
  config: MemoryOptions['config'],
): Pick<Memory, 'notes' | 'corrections' | 'documents' | 'transfer' | 'undo' | 'tidy' | 'learning' | 'why' | 'map' | 'embed'> {
  const notes = once(async () => (await import('./keep/notes.ts')).createNotes(deps))
  return {
    notes,
    corrections: once(async () => (await import('./keep/corrections.ts')).createCorrections(deps, await notes())),
    documents: once(async () => (await import('./keep/documents.ts')).createDocuments(deps)),
    transfer: once(async () => (await import('./keep/transfer.ts')).createTransfer(deps)),
    undo: once(async () => (await import('./keep/undo-notes.ts')).createUndoNotes(deps)),
    tidy: once(async () => (await import('./tidy/tidy.ts')).createTidy(deps, { speed: config.consolidation.fading })),
    learning: once(async () => (await import('./tidy/learn.ts')).createLearning(deps)),
    async why(id, caller) {
      const { explain, reachOf } = await import('./keep/provenance.ts')
      const kept = await notes()
      await kept.assertReached([id], caller, false)
      return explain(deps, await kept.find(id), reachOf(caller).persona)
    },
    embed: async (texts) => (await deps.text()).embed(texts),
    async map(kinds, limit, caller) {
      const [{ makeMap }, { reachOf }] = await Promise.all([import('./recall/memory-map.ts'), import('./keep/provenance.ts')])
      return makeMap({ ...deps, hasOwnVectors: isMadeHere(config) }, { kinds, ...reachOf(caller) }, limit)
    },
  }
}

interface Reindexing {
  readonly indexer: () => Promise<JournalIndex>
  /** Null without an embedder. */
  readonly vectors: (() => Promise<VectorIndex>) | null
}

async function reindex(deps: KeepDeps, { indexer, vectors }: Reindexing, signal: AbortSignal): Promise<Reindexed> {
  const messages = await (await indexer()).rebuild(signal)
  const { rereadWritten } = await import('./keep/journal-index.ts')
  const written = await rereadWritten(deps, signal)
  // With a service this may take long; the report says why it has stopped.
  await vectors?.().then((index) => void index.rebuild().catch(() => {}))
  return { messages, written, vectors: vectors !== null }
}

/** The reading parts: recall, ranking, vectors. */
interface Readers {
  readonly text: Once<TextEngine>
  readonly wanted: Once<Wanted>
  readonly recall: Once<Recall>
  readonly vectors: Once<VectorIndex>
  /** Why queries have no vector; null while they have one. */
  questionFault(): unknown
}

function lazyReaders(options: MemoryOptions, writer: ExclusiveWriter, embed: EmbeddingService['embed']): Readers {
  const { store, clock } = options
  const text = once(options.text ?? (() => startText(options, { embed })))
  const vectors = once(async (): Promise<VectorIndex> => {
    const [{ createVectorIndex }, { isServiceName }, { lastVectorsMs }] = await Promise.all([
      import('./embed/vector-index.ts'),
      import('./text/text-engine.ts'),
      import('./embed/embed-limits.ts'),
    ])
    const lastMs = isServiceName(options.config.embedder) ? 0 : (options.lastVectorsMs ?? lastVectorsMs)
    return createVectorIndex({ memory: await vectorMemory(store, text), text, monotonicMs: clock.monotonicMs, lastMs })
  })
  const wanted = once(async () => (await import('./recall/wanted.ts')).createWanted(writer, clock))
  let fault = (): unknown => null
  const recall = once(async (): Promise<Recall> => {
    const { createQueryEngine } = await import('./embed/vector-index.ts')
    const { meanwhile, poke } = await vectors()
    // A guest that only searches also resumes work that a stop left unfinished.
    poke()
    const engine = await text()
    const asking = createQueryEngine(engine, { meanwhile, monotonicMs: clock.monotonicMs, patienceMs: options.questionMs })
    const { memorySource: source } = store
    fault = asking.fault
    if (source === undefined || !isThread(engine)) {
      const { createRecall } = await import('./recall/create-recall.ts')
      return (await wanted()).counting(createRecall({ store: store.memory, text: asking, now: clock.now }))
    }
    const { createThreadRecall } = await import('./recall/thread-recall.ts')
    const inThread = createThreadRecall({ text: engine, source, asking, meanwhile, now: clock.now })
    fault = inThread.fault
    return (await wanted()).counting(inThread)
  })
  return { text, wanted, recall, vectors, questionFault: () => fault() }
}

function isThread(engine: TextEngine): engine is ThreadEngine {
  return 'recall' in engine
}

/** Passages without a vector are looked for in the thread that makes them. */
async function vectorMemory({ memory, memorySource: source }: Store, text: () => Promise<TextEngine>): Promise<MemoryStore> {
  const engine = await text()
  if (source === undefined || !isThread(engine)) return memory
  return { ...memory, withoutVector: async (model, limit) => engine.withoutVector(await source(), model, limit) }
}

async function startText({ config }: MemoryOptions, service: EmbeddingService): Promise<TextEngine> {
  const { createTextEngine } = await import('./text/text-thread.ts')
  return createTextEngine({ embedder: config.embedder, service })
}

/** A failure of the store or of loading rejects the next request. */
function notSaidHere(): void {}

function withoutHost(store: Store): MemoryHost {
  return {
    erase: (seqs, reason) => store.erase(seqs, reason),
    eraseDerived: async () => 0,
    embed: (model) =>
      Promise.reject(
        new OxbowError('bad_config', `The embedder ${model} is a service, which cannot be reached from here.`, {
          hint: 'Set memory.embedder to words-50k, or ask a running guest.',
        }),
      ),
  }
}

/** A guest that is started for one message ends sooner than the linger of its indexer. */
async function readLast(index: Promise<JournalIndex> | null, ms: number = lastIndexMs): Promise<void> {
  if (ms > 0) await index?.then((each) => each.caughtUp(ms), notSaidHere)
}

/** Stops indexing and vectors after their current step; does not wait for a service. */
async function closeAll({ text, wanted, vectors }: Readers, index: Promise<JournalIndex> | null): Promise<void> {
  await (await wanted.made())?.close()
  await (await index)?.close()
  await (await vectors.made())?.lastOnes()
  const ended = vectors.made()?.then((made) => made.close())
  await (await text.made())?.close()
  await ended
}

/** @param indexing why new messages are not found @param embedding why search uses words only */
async function report({ memory, store }: KeepDeps, indexing: unknown, embedding: unknown): Promise<MemoryReport> {
  const [stats, indexed, head] = await Promise.all([memory.stats(), memory.cursor('journal'), store.head()])
  const active = stats.models.find(({ state }) => state === 'active')
  const messageOf = (fault: unknown): string => toFailure(fault, 'internal_failure', '').message
  return {
    ...stats,
    indexed,
    journal: head.seq,
    waiting: active === undefined ? 0 : Math.max(0, stats.passages - active.vectors),
    problem: indexing !== null ? messageOf(indexing) : embedding !== null ? `found by words only: ${messageOf(embedding)}` : null,
  }
}
