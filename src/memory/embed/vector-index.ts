/**
 * Creates missing vectors in the background: a new entry is found by its words at once, and by meaning a moment later. Only the store
 * tracks which passages lack a vector, so a killed guest continues where it stopped.
 *
 * Each vector belongs to a model. After a change of model, new vectors are built while the old ones are in use, and replace them in one step when
 * complete; vectors of two models are never compared.
 */
import type { MemoryChange, MemoryModel, MemoryStore } from '../../store/index.ts'
import { isOxbowError, OxbowError } from '../../base/index.ts'
import type { Embedder, EmbedderFacts, TextEngine } from '../text/text-engine.ts'
import { maxVectorBatch, minVectorBatch, questionPatienceMs, vectorBatchMs, vectorLingerMs, vectorRestMs } from './embed-limits.ts'

export interface VectorIndex {
  /** Schedules a run; returns at once and never keeps the process alive. */
  poke(): void
  /** Resolves when every passage has a vector and the model is active, or on failure: see `fault`. Never rejects. */
  caughtUp(): Promise<void>
  /** Rebuilds all vectors of the configured model; meanwhile search uses words only. @throws as the store and the embedder */
  rebuild(): Promise<void>
  /** The model with complete vectors while the configured one's are built; null once these are complete. */
  meanwhile(): string | null
  /** Why it has stopped; null while it works. */
  fault(): unknown
  /** Creates pending vectors for at most `lastMs`. Never rejects. */
  lastOnes(): Promise<void>
  /** Stops after the current batch. */
  close(): Promise<void>
}

export interface VectorIndexDeps {
  readonly memory: MemoryStore
  readonly text: () => Promise<TextEngine>
  readonly monotonicMs: () => number
  /** How long `lastOnes` may take. Default: it does nothing. */
  readonly lastMs?: number
  /** Awaited before each batch, so that urgent work can go first. */
  readonly turn?: () => Promise<void>
}

interface State {
  closed: boolean
  wanted: boolean
  fault: unknown
  meanwhile: string | null
}

export function createVectorIndex(deps: VectorIndexDeps): VectorIndex {
  const state: State = { closed: false, wanted: false, fault: null, meanwhile: null }
  let running: Promise<void> | null = null
  let timer: NodeJS.Timeout | null = null

  const work = async (): Promise<void> => {
    try {
      do {
        state.wanted = false
        await fill(deps, state)
      } while (state.wanted && !state.closed)
      state.fault = null
    } catch (error) {
      state.fault = error
    }
  }
  const start = (): Promise<void> => {
    state.wanted = true
    return (running ??= work().finally(() => {
      running = null
      // Retry after a busy service or a dead thread, even without new entries.
      if (isOxbowError(state.fault) && (state.fault.retryable || state.fault.code === 'tool_failed')) later(vectorRestMs)
    }))
  }
  const later = (afterMs: number): void => {
    if (timer !== null || state.closed) return
    timer = setTimeout(() => {
      timer = null
      void start()
    }, afterMs).unref()
  }
  const settled = async (): Promise<void> => {
    if (!state.closed) await start()
  }
  return {
    poke() {
      state.wanted = true
      if (running === null) later(state.fault === null ? vectorLingerMs : vectorRestMs)
    },
    caughtUp: settled,
    async rebuild() {
      await running
      const facts = await (await deps.text()).embedder()
      if (facts === null) return
      const { id: model, dims } = facts
      await deps.memory.change([
        { change: 'model', model, dims, state: 'dropped' },
        { change: 'model', model, dims, state: 'active' },
      ])
      await settled()
      if (state.fault !== null) throw state.fault
    },
    meanwhile: () => state.meanwhile,
    fault: () => state.fault,
    async lastOnes() {
      const { lastMs = 0 } = deps
      if (lastMs === 0) return
      // After a failure the retry timer decides.
      if (timer !== null && state.fault === null) void start()
      const over = setTimeout(() => (state.closed = true), lastMs)
      await running
      clearTimeout(over)
    },
    async close() {
      state.closed = true
      if (timer !== null) clearTimeout(timer)
      await running
    },
  }
}

/** Runs until every passage has a vector of the configured model, then activates it. */
async function fill({ memory, text, monotonicMs, turn }: VectorIndexDeps, state: State): Promise<void> {
  const engine = await text()
  const facts = await engine.embedder()
  if (facts === null) return
  state.meanwhile = await begin(memory, facts)
  // Batch size adapts so that a batch takes about `vectorBatchMs`.
  let size = minVectorBatch
  while (!state.closed) {
    await turn?.()
    const passages = await memory.withoutVector(facts.id, size)
    if (passages.length === 0) break
    const began = monotonicMs()
    const vectors = await engine.embed(
      passages.map((passage) => passage.text),
      'document',
    )
    const tookMs = Math.max(1, monotonicMs() - began)
    await memory.change([
      {
        change: 'vectors',
        model: facts.id,
        vectors: passages.map(({ id }, place) => ({ passage: id, vector: vectors[place] ?? zeros(facts) })),
      },
    ])
    size = Math.round(Math.min(maxVectorBatch, Math.max(minVectorBatch, (passages.length * vectorBatchMs) / tookMs)))
  }
  if (state.closed) return
  await finish(memory, facts)
  state.meanwhile = null
}

/** Registers the model; the first one is active at once. @returns the other active model */
async function begin(memory: MemoryStore, { id: model, dims }: EmbedderFacts): Promise<string | null> {
  const models = await memory.models()
  const own = models.find((each) => each.model === model)
  const active = models.find((each) => each !== own && isActive(each))
  if (own?.dims === dims) return active?.model ?? null
  // Vectors of another size with the same name are from a different model.
  const gone: MemoryChange[] = own === undefined ? [] : [{ change: 'model', model, dims: own.dims, state: 'dropped' }]
  await memory.change([...gone, { change: 'model', model, dims, state: active === undefined ? 'active' : 'building' }])
  return active?.model ?? null
}

/** Activates the new model and drops all others in one step. */
async function finish(memory: MemoryStore, { id: model, dims }: EmbedderFacts): Promise<void> {
  const models = await memory.models()
  const others = models.filter((each) => each.model !== model)
  const own = models.find((each) => each.model === model)
  if (own !== undefined && isActive(own) && others.length === 0) return
  await memory.change([
    { change: 'model', model, dims, state: 'active' },
    ...others.map((other): MemoryChange => ({ change: 'model', model: other.model, dims: other.dims, state: 'dropped' })),
  ])
}

function isActive({ state }: MemoryModel): boolean {
  return state === 'active'
}

function zeros({ dims }: EmbedderFacts): Float32Array<ArrayBuffer> {
  return new Float32Array(dims)
}

/**
 * The text engine as recall uses it. While vectors of a new model are built, queries are embedded with the old complete one if possible.
 * If a query cannot be embedded (service down, budget used up), search uses words only, and the service is not asked again for a while.
 */

export interface QueryEngine extends TextEngine {
  /** Why the latest query has no vector; null if it has one. */
  fault(): unknown
}

export interface QueryEngineDeps {
  /** Id of the complete model while another is built; null once the configured one is complete. */
  readonly meanwhile: () => string | null
  readonly monotonicMs: () => number
  /** For tests. */
  readonly patienceMs?: number | undefined
}

/** Vectors are empty on failure. @throws OxbowError `bad_config`: configuration mistakes are reported, not hidden */
export function createQueryEngine(text: TextEngine, deps: QueryEngineDeps): QueryEngine {
  const { meanwhile, monotonicMs, patienceMs = questionPatienceMs } = deps
  let fault: unknown = null
  let restUntil = 0
  /** A request timed out and is still pending: further queries do not wait for it. */
  let late = false
  const complete = async (): Promise<Embedder | null> => {
    const model = meanwhile()
    return model === null ? null : text.embedderOf(model)
  }
  /** @returns null on failure or timeout */
  const tried = async <Value>(ask: () => Promise<Value>): Promise<Value | null> => {
    if (late || monotonicMs() < restUntil) return null
    const request = ask()
    const settled = request.then(
      () => (fault = null),
      (error: unknown) => {
        fault = error
        if (!isOxbowError(error, 'bad_config')) restUntil = monotonicMs() + vectorRestMs
      },
    )
    try {
      return await inTime(request, patienceMs)
    } catch (error) {
      if (isOxbowError(error, 'bad_config')) throw error
      if (error !== tooLate) return null
      late = true
      fault = new OxbowError('model_stalled', `no vector of a question within ${patienceMs} ms`, {
        hint: 'A later query tries again.',
      })
      void settled.then(() => (late = false))
      return null
    }
  }
  return {
    ...text,
    async embedder() {
      const other = await complete()
      if (other === null) return tried(() => text.embedder())
      const { id, dims, weights } = other
      return { id, dims, weights }
    },
    async embed(texts, purpose) {
      const other = await complete()
      if (other !== null) return other.embed(texts, purpose)
      return (await tried(() => text.embed(texts, purpose))) ?? texts.map(() => new Float32Array(0))
    },
    fault: () => fault,
  }
}

const tooLate = Symbol('too late')

/** @throws `tooLate`, or as what was asked fails */
async function inTime<Value>(request: Promise<Value>, patienceMs: number): Promise<Value> {
  const end = Promise.withResolvers<never>()
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a mark, told apart by its identity and never shown
  const timer = setTimeout(() => end.reject(tooLate), patienceMs)
  try {
    return await Promise.race([request, end.promise])
  } finally {
    clearTimeout(timer)
  }
}
