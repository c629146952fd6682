/**
 * Makes vectors for passages that have none, in the background: what was put is found by its words at once, and by its meaning a
 * moment later. What it has still to do stands in the store and nowhere else, so a guest that was killed goes on where it stopped.
 *
 * Each vector belongs to a model. When another one is configured its vectors are made beside those that are there, and take their
 * place at once when they are complete; vectors of two models never meet.
 */
import type { MemoryChange, MemoryModel, MemoryStore } from '../../store/index.ts'
import { isOxbowError, OxbowError } from '../../types/index.ts'
import type { Embedder, EmbedderFacts, TextEngine } from '../text/text-engine.ts'
import { maxVectorBatch, minVectorBatch, questionPatienceMs, vectorBatchMs, vectorLingerMs, vectorRestMs } from './embed-limits.ts'

export interface VectorIndex {
  /** There may be passages without a vector. Costs nothing: the work comes later, and never keeps the process alive. */
  poke(): void
  /** Resolves when every passage has its vector and the model is active, or when that failed: see `fault`. Never rejects. */
  caughtUp(): Promise<void>
  /** Throws the vectors of the configured model away and makes them again; words find meanwhile. @throws as the store and the embedder */
  rebuild(): Promise<void>
  /** The model whose vectors are complete while those of the configured one are being made; null when that one is complete. */
  meanwhile(): string | null
  /** Why it stands still; null while it works. */
  fault(): unknown
  /** Gives what was put just now its vectors, as long as that takes no longer than `lastMs`. Never rejects. */
  lastOnes(): Promise<void>
  /** Ends after the batch under way. */
  close(): Promise<void>
}

export interface VectorIndexDeps {
  readonly memory: MemoryStore
  readonly text: () => Promise<TextEngine>
  readonly monotonicMs: () => number
  /** How long `lastOnes` may take. Default: it does nothing. */
  readonly lastMs?: number
  /** Waited for before each batch: lets what is more urgent go first. */
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
      // A service that is busy, a thread that died: what is left is tried again, also when nothing new is said.
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
      // After a failure it waits for better times.
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

/** Until nothing is without a vector of the configured model, and that model is the active one. */
async function fill({ memory, text, monotonicMs, turn }: VectorIndexDeps, state: State): Promise<void> {
  const engine = await text()
  const facts = await engine.embedder()
  if (facts === null) return
  state.meanwhile = await begin(memory, facts)
  // A batch takes as long as a person does not notice, whatever the model is.
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

/** A first model is active at once: there is nothing that it could take the place of. @returns the other one that is active */
async function begin(memory: MemoryStore, { id: model, dims }: EmbedderFacts): Promise<string | null> {
  const models = await memory.models()
  const own = models.find((each) => each.model === model)
  const active = models.find((each) => each !== own && isActive(each))
  if (own?.dims === dims) return active?.model ?? null
  // Vectors of another size under the same name were made by something else.
  const gone: MemoryChange[] = own === undefined ? [] : [{ change: 'model', model, dims: own.dims, state: 'dropped' }]
  await memory.change([...gone, { change: 'model', model, dims, state: active === undefined ? 'active' : 'building' }])
  return active?.model ?? null
}

/** The new model takes the place of all others, in one step. */
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
 * The text engine as recall asks it. While vectors of another model are being made, questions become vectors of the one that is
 * complete, where that can still be had. And where no vector can be had for a question, because a service is away or a budget is used
 * up, it is asked by its words alone, and for a while no service is asked in vain.
 */

export interface AskedEngine extends TextEngine {
  /** Why the newest question had no vector; null when it had. */
  fault(): unknown
}

export interface AskedDeps {
  /** Id of the model that is complete while another is being made; null when the configured one is. */
  readonly meanwhile: () => string | null
  readonly monotonicMs: () => number
  /** For tests. */
  readonly patienceMs?: number | undefined
}

/** Its vectors are empty where none can be had. @throws OxbowError `bad_config` still: a mistake is said and not hidden */
export function askedMeanwhile(text: TextEngine, deps: AskedDeps): AskedEngine {
  const { meanwhile, monotonicMs, patienceMs = questionPatienceMs } = deps
  let fault: unknown = null
  let restUntil = 0
  /** An answer that nobody waits for any more has not come yet: no other question waits for the same. */
  let late = false
  const complete = async (): Promise<Embedder | null> => {
    const model = meanwhile()
    return model === null ? null : text.embedderOf(model)
  }
  /** @returns null when it fails, or takes longer than a person who waits for an answer should wait for this */
  const tried = async <Value>(ask: () => Promise<Value>): Promise<Value | null> => {
    if (late || monotonicMs() < restUntil) return null
    const asked = ask()
    const settled = asked.then(
      () => (fault = null),
      (error: unknown) => {
        fault = error
        if (!isOxbowError(error, 'bad_config')) restUntil = monotonicMs() + vectorRestMs
      },
    )
    try {
      return await inTime(asked, patienceMs)
    } catch (error) {
      if (isOxbowError(error, 'bad_config')) throw error
      if (error !== tooLate) return null
      late = true
      fault = new OxbowError('model_stalled', `no vector of a question within ${patienceMs} ms`, {
        hint: 'It is asked again with a later question.',
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
async function inTime<Value>(asked: Promise<Value>, patienceMs: number): Promise<Value> {
  const end = Promise.withResolvers<never>()
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a mark, told apart by its identity and never shown
  const timer = setTimeout(() => end.reject(tooLate), patienceMs)
  try {
    return await Promise.race([asked, end.promise])
  } finally {
    clearTimeout(timer)
  }
}
