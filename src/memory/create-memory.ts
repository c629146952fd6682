/** Puts memory together from its parts, each loaded when it is first asked for. */
import { createHasher, type Hasher } from '../store/index.ts'
import { toFailure } from '../types/index.ts'
import type { KeepDeps } from './keep/keep-item.ts'
import type { Memory, MemoryOptions, MemoryReport } from './memory.ts'
import type { Recall } from './recalled.ts'
import { createCensus } from './said/census.ts'
import type { JournalIndex } from './said/journal-index.ts'
import type { TurnRecall } from './said/turn-recall.ts'
import type { VectorIndex } from './embed/vector-index.ts'
import type { EraseBodies, Eraser, Forgetting } from './forget/forget.ts'
import type { TextEngine } from './text-engine.ts'
import type { Wanted } from './wanted/wanted.ts'

export function createMemory(options: MemoryOptions): Memory {
  const { store, config, clock } = options
  const census = createCensus(store.memory)
  let closed = false
  let index: Promise<JournalIndex> | null = null
  const { text, wanted, recall, vectors } = lazyReaders(options)
  const makeVectors = (): void => {
    if (config.embedder !== 'none' && !closed) void vectors().then((each) => each.poke())
  }
  const deps: KeepDeps = {
    memory: store.memory,
    store,
    text,
    hash: once((): Promise<Hasher> => createHasher()),
    clock,
    changed({ put = [], gone = [] }) {
      census.put(put)
      if (put.length > 0) makeVectors()
      if (gone.length > 0) void index?.then((each) => each.dropHeld())
    },
  }
  const erasers: Eraser[] = []
  let eraseBodies: EraseBodies = (seqs, reason) => store.erase(seqs, reason)
  const forgetting = once(async (): Promise<Forgetting> => {
    const { createForgetting } = await import('./forget/forget.ts')
    return createForgetting(deps, erasers)
  })
  const indexer = (): Promise<JournalIndex> =>
    (index ??= import('./said/journal-index.ts').then(({ createJournalIndex }) =>
      createJournalIndex({ ...deps, owed: async (seqs) => (await eraseBodies(seqs, 'forgotten by memory.forget')).kept }),
    ))
  const turnRecall = once(async (): Promise<TurnRecall> => {
    const { createTurnRecall } = await import('./said/turn-recall.ts')
    return createTurnRecall(deps, { recall, limit: config.recall_results, tokens: config.recall_tokens })
  })
  const keepers = lazyKeepers(deps)
  const caughtUp = async (): Promise<void> => {
    if (config.index_messages && !closed) await (await indexer()).caughtUp()
  }
  return {
    hasOthers: (session) => config.recall && config.recall_tokens > 0 && census.hasOthers(session),
    poke() {
      // Once, for what a stop left undone; later ones follow from what is put.
      if (vectors.made() === null) makeVectors()
      if (config.index_messages && !closed) void indexer().then((each) => each.poke())
    },
    caughtUp,
    recallForTurn: async (question) => (await wanted()).withHot(question, await (await turnRecall()).recall(question)),
    tidied: () => void wanted.made()?.then(({ hot }) => hot.drop()),
    recall,
    ...keepers,
    forgetting,
    onForget: (eraser) => void erasers.push(eraser),
    why: async (id) => (await import('./keep/why.ts')).explain(deps, await keepers.notes(), id),
    stats: async () => report(deps, await (index ?? null), await (vectors.made() ?? null)),
    reindex: async (signal) => (await indexer()).rebuild(signal),
    eraseBy: (erase) => void (eraseBodies = erase),
    async close() {
      closed = true
      await (await wanted.made())?.close()
      if (index !== null) await (await index).close()
      const made = vectors.made()
      if (made !== null) await (await made).close()
      await closeText(text)
    },
  }
}

/** What writes: notes and what becomes of them, documents, whole files, and the tidying. */
function lazyKeepers(deps: KeepDeps): Pick<Memory, 'notes' | 'corrections' | 'documents' | 'transfer' | 'tidy'> {
  const notes = once(async () => (await import('./keep/notes.ts')).createNotes(deps))
  return {
    notes,
    corrections: once(async () => (await import('./keep/corrections.ts')).createCorrections(deps, await notes())),
    documents: once(async () => (await import('./keep/documents.ts')).createDocuments(deps)),
    transfer: once(async () => (await import('./keep/transfer.ts')).createTransfer(deps)),
    tidy: once(async () => (await import('./tidy/tidy.ts')).createTidy(deps)),
  }
}

/** What reads, ranks and makes vectors. */
function lazyReaders(options: MemoryOptions): {
  readonly text: Once<TextEngine>
  readonly wanted: Once<Wanted>
  readonly recall: Once<Recall>
  readonly vectors: Once<VectorIndex>
} {
  const { store, clock } = options
  const text = once(options.text ?? (() => startText(options)))
  const vectors = once(async (): Promise<VectorIndex> => {
    const { createVectorIndex } = await import('./embed/vector-index.ts')
    return createVectorIndex({ memory: store.memory, text, monotonicMs: clock.monotonicMs })
  })
  const wanted = once(async () => (await import('./wanted/wanted.ts')).createWanted(store.memory, clock))
  const recall = once(async (): Promise<Recall> => {
    const [{ createRecall }, { askedMeanwhile }] = await Promise.all([
      import('./recall/create-recall.ts'),
      import('./embed/asked-meanwhile.ts'),
    ])
    const asked = askedMeanwhile(await text(), (await vectors()).meanwhile)
    return (await wanted()).counting(createRecall({ store: store.memory, text: asked, now: clock.now }))
  })
  return { text, wanted, recall, vectors }
}

async function startText({ config, service }: MemoryOptions): Promise<TextEngine> {
  const { createTextEngine } = await import('./thread/create-text-engine.ts')
  return createTextEngine({ embedder: config.embedder, service })
}

/** Made on first use, once; a failure is not kept. */
interface Once<Value> {
  (): Promise<Value>
  /** What was made, without making it. */
  made(): Promise<Value> | null
}

function once<Value>(make: () => Promise<Value>): Once<Value> {
  let made: Promise<Value> | null = null
  const ask = (): Promise<Value> => {
    if (made !== null) return made
    const making = make()
    made = making
    making.catch(() => {
      if (made === making) made = null
    })
    return making
  }
  return Object.assign(ask, { made: () => made })
}

async function closeText(text: Once<TextEngine>): Promise<void> {
  const made = text.made()
  if (made !== null) await (await made).close()
}

async function report({ memory, store }: KeepDeps, index: JournalIndex | null, vectors: VectorIndex | null): Promise<MemoryReport> {
  const [stats, indexed, head] = await Promise.all([memory.stats(), memory.cursor('journal'), store.head()])
  const active = stats.models.find(({ state }) => state === 'active')
  const fault = index?.fault() ?? vectors?.fault() ?? null
  return {
    ...stats,
    indexed,
    journal: head.seq,
    waiting: active === undefined ? 0 : Math.max(0, stats.passages - active.vectors),
    problem: fault === null ? null : toFailure(fault, 'internal_failure', '').message,
  }
}
