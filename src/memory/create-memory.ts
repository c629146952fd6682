/** Puts memory together from its parts, each loaded when it is first asked for. */
import { createHasher, type Hasher } from '../store/index.ts'
import { once, type Once, OxbowError, toFailure } from '../types/index.ts'
import type { KeepDeps } from './keep-deps.ts'
import { createLoneWriter, type LoneWriter } from './lone-writer.ts'
import type { AskedEngine } from './embed/asked-meanwhile.ts'
import type { EmbeddingService } from './embed/service-embedder.ts'
import type { Memory, MemoryOptions, MemoryReport, Reindexed } from './memory.ts'
import type { Recall } from './recalled.ts'
import { createCensus } from './said/census.ts'
import type { JournalIndex, JournalIndexDeps } from './said/journal-index.ts'
import type { TurnRecall } from './said/turn-recall.ts'
import type { VectorIndex } from './embed/vector-index.ts'
import type { Forgetting } from './forget/forget.ts'
import type { EraseBodies, Eraser } from './forget/gone-fact.ts'
import type { TextEngine } from './text-engine.ts'
import type { Wanted } from './wanted/wanted.ts'

export function createMemory(options: MemoryOptions): Memory {
  const { store, config, clock } = options
  const census = createCensus(store.memory)
  let closed = false
  const ending = new AbortController()
  const lone = createLoneWriter(store.memory)
  const readers = lazyReaders(options, lone, (...asked) => embed(...asked))
  const { text, wanted, recall, vectors } = readers
  const makeVectors = (): void => {
    if (config.embedder !== 'none' && !closed) void vectors().then((each) => each.poke(), notSaidHere)
  }
  const deps: KeepDeps = {
    ...lone,
    store,
    text,
    hash: once((): Promise<Hasher> => createHasher()),
    clock,
    changed({ put = [], gone = [] }) {
      census.put(put)
      if (put.length > 0) makeVectors()
      if (gone.length > 0) void indexer.made()?.then((each) => each.dropHeld(), notSaidHere)
    },
  }
  const erasers: Eraser[] = []
  let embed: EmbeddingService['embed'] = notConnected
  let eraseBodies: EraseBodies = (seqs, reason) => store.erase(seqs, reason)
  const forgetting = lazyForgetting(deps, erasers)
  const indexer = once(() =>
    openIndex(deps, {
      keeps: config.index_messages,
      catchUpMs: options.catchUpMs,
      settle: async (owed) => (await forgetting()).settle(owed, { erase: eraseBodies, signal: ending.signal }),
    }),
  )
  const turnRecall = once(async (): Promise<TurnRecall> => {
    const { createTurnRecall } = await import('./said/turn-recall.ts')
    return createTurnRecall(deps, { recall, limit: config.recall_results, tokens: config.recall_tokens })
  })
  const keepers = lazyKeepers(deps, config)
  // Where messages are not kept, a turn that forgot something is waited for all the same.
  const reads = (): boolean => !closed && (config.index_messages || forgetting.made() !== null)
  return {
    hasOthers: (session) => config.recall && config.recall_tokens > 0 && census.hasOthers(session),
    poke() {
      // Once, for what a stop left undone; later ones follow from what is put.
      if (vectors.made() === null) void census.hasAny().then((has) => void (has && makeVectors()), notSaidHere)
      if (reads()) void indexer().then((each) => each.poke(), notSaidHere)
    },
    caughtUp: async () => void (reads() && (await (await indexer()).caughtUp())),
    recallForTurn: async (question) => (await wanted()).withHot(question, await (await turnRecall()).recall(question)),
    tidied: () => void wanted.made()?.then(({ hot }) => hot.drop(), notSaidHere),
    recall,
    ...keepers,
    forgetting,
    onForget: (eraser) => void erasers.push(eraser),
    why: async (id) => (await import('./keep/why.ts')).explain(deps, await keepers.notes(), id),
    async stats() {
      const embedding = (await vectors.made())?.fault() ?? readers.questionFault()
      return report(deps, (await indexer.made())?.fault() ?? null, embedding)
    },
    reindex: async (signal) => reindex(deps, { indexer, vectors: config.embedder === 'none' ? null : vectors }, signal),
    eraseBy: (erase) => void (eraseBodies = erase),
    embedBy: (by) => void (embed = by),
    async close() {
      closed = true
      ending.abort()
      await closeAll(readers, indexer.made())
    },
  }
}

function lazyForgetting(deps: KeepDeps, erasers: readonly Eraser[]): Once<Forgetting> {
  return once(async () => (await import('./forget/forget.ts')).createForgetting(deps, erasers))
}

async function openIndex(deps: KeepDeps, own: Pick<JournalIndexDeps, 'keeps' | 'settle' | 'catchUpMs'>): Promise<JournalIndex> {
  return (await import('./said/journal-index.ts')).createJournalIndex({ ...deps, ...own })
}

/** What writes: notes and what becomes of them, documents, whole files, and the tidying. */
function lazyKeepers(
  deps: KeepDeps,
  { consolidation }: MemoryOptions['config'],
): Pick<Memory, 'notes' | 'corrections' | 'documents' | 'transfer' | 'tidy'> {
  const notes = once(async () => (await import('./keep/notes.ts')).createNotes(deps))
  return {
    notes,
    corrections: once(async () => (await import('./keep/corrections.ts')).createCorrections(deps, await notes())),
    documents: once(async () => (await import('./keep/documents.ts')).createDocuments(deps)),
    transfer: once(async () => (await import('./keep/transfer.ts')).createTransfer(deps)),
    tidy: once(async () => (await import('./tidy/tidy.ts')).createTidy(deps, { speed: consolidation.fading })),
  }
}

interface Reindexing {
  readonly indexer: () => Promise<JournalIndex>
  /** Null: nothing has vectors. */
  readonly vectors: (() => Promise<VectorIndex>) | null
}

async function reindex(deps: KeepDeps, { indexer, vectors }: Reindexing, signal: AbortSignal): Promise<Reindexed> {
  const messages = await (await indexer()).rebuild(signal)
  const { rereadWritten } = await import('./said/reread.ts')
  const written = await rereadWritten(deps, signal)
  // With a service they take as long as they take; why they stand still is in the report.
  await vectors?.().then((index) => void index.rebuild().catch(() => {}))
  return { messages, written, vectors: vectors !== null }
}

/** What reads, ranks and makes vectors. */
interface Readers {
  readonly text: Once<TextEngine>
  readonly wanted: Once<Wanted>
  readonly recall: Once<Recall>
  readonly vectors: Once<VectorIndex>
  /** Why questions are asked without a vector; null while they have one. */
  questionFault(): unknown
}

function lazyReaders(options: MemoryOptions, lone: LoneWriter, embed: EmbeddingService['embed']): Readers {
  const { store, clock } = options
  const text = once(options.text ?? (() => startText(options, { embed })))
  const vectors = once(async (): Promise<VectorIndex> => {
    const [{ createVectorIndex }, { isServiceName }, { lastVectorsMs }] = await Promise.all([
      import('./embed/vector-index.ts'),
      import('./embed/embedder-name.ts'),
      import('./embed/embed-limits.ts'),
    ])
    const lastMs = isServiceName(options.config.embedder) ? 0 : (options.lastVectorsMs ?? lastVectorsMs)
    return createVectorIndex({ memory: store.memory, text, monotonicMs: clock.monotonicMs, lastMs })
  })
  const wanted = once(async () => (await import('./wanted/wanted.ts')).createWanted(lone, clock))
  let asking: AskedEngine | null = null
  const recall = once(async (): Promise<Recall> => {
    const [{ createRecall }, { askedMeanwhile }] = await Promise.all([
      import('./recall/create-recall.ts'),
      import('./embed/asked-meanwhile.ts'),
    ])
    const { meanwhile, poke } = await vectors()
    // A guest that only answers goes on with what a stop left undone, too.
    poke()
    asking = askedMeanwhile(await text(), { meanwhile, monotonicMs: clock.monotonicMs, patienceMs: options.questionMs })
    return (await wanted()).counting(createRecall({ store: store.memory, text: asking, now: clock.now }))
  })
  return { text, wanted, recall, vectors, questionFault: () => asking?.fault() ?? null }
}

async function startText({ config }: MemoryOptions, service: EmbeddingService): Promise<TextEngine> {
  const { createTextEngine } = await import('./thread/create-text-engine.ts')
  return createTextEngine({ embedder: config.embedder, service })
}

/** A store that fails, or what cannot be loaded, says so to whoever asks next. */
function notSaidHere(): void {}

/** Until the kernel says how a service is asked. */
const notConnected: EmbeddingService['embed'] = (model) =>
  Promise.reject(
    new OxbowError('bad_config', `The embedder ${model} is a service, and none can be asked here.`, {
      hint: 'Set memory.embedder to words-50k, or ask a running guest.',
    }),
  )

/** What counts, indexes and makes vectors has its last words; a service that is being asked for vectors is not waited for. */
async function closeAll({ text, wanted, vectors }: Readers, index: Promise<JournalIndex> | null): Promise<void> {
  await (await wanted.made())?.close()
  await (await index)?.close()
  await (await vectors.made())?.lastOnes()
  const ended = vectors.made()?.then((made) => made.close())
  await (await text.made())?.close()
  await ended
}

/** @param indexing why nothing new is found @param embedding why what is found is found by words only */
async function report({ memory, store }: KeepDeps, indexing: unknown, embedding: unknown): Promise<MemoryReport> {
  const [stats, indexed, head] = await Promise.all([memory.stats(), memory.cursor('journal'), store.head()])
  const active = stats.models.find(({ state }) => state === 'active')
  const said = (fault: unknown): string => toFailure(fault, 'internal_failure', '').message
  return {
    ...stats,
    indexed,
    journal: head.seq,
    waiting: active === undefined ? 0 : Math.max(0, stats.passages - active.vectors),
    problem: indexing !== null ? said(indexing) : embedding !== null ? `found by words only: ${said(embedding)}` : null,
  }
}
