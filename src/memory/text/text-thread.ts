/**
 * The main-thread side of the text engine: sends requests to the worker thread, which starts with the first one and ends after being idle.
 * Vectors of a service are requested from here.
 */
import type { Worker } from 'node:worker_threads'
import { createIdleThread, OxbowError } from '../../base/index.ts'
import type { Embedded, Engine } from '../../protocol/index.ts'
import { maxDims, maxServiceTexts, strongWeights } from '../embed/embed-limits.ts'
import {
  builtInEmbedder,
  builtInNameOf,
  type Embedder,
  type EmbedderFacts,
  type EmbedPurpose,
  isServiceName,
  type TextEngine,
  type TextQuestion,
  type TextQuestions,
  type TextThreadRole,
  toUnit,
} from './text-engine.ts'
import { maxAskedUnits, threadIdleMs } from './text-limits.ts'

export interface TextEngineOptions {
  /** `memory.embedder` of the configuration. */
  readonly embedder: string
  /** Serves `provider/model`. Absent: such a name is refused. */
  readonly service?: EmbeddingService
  readonly idleMs?: number
}

/** Nothing is started or read before the first request. An invalid embedder name fails when the embedder is first used. */
export function createTextEngine(options: TextEngineOptions): TextEngine {
  const isService = isServiceName(options.embedder)
  const thread = createTextThread({ embedder: isService ? 'none' : options.embedder, idleMs: options.idleMs ?? threadIdleMs })
  return engineOver(
    (name, ask) => thread.ask(name, ask),
    options,
    () => thread.close(),
  )
}

/** The same without a thread, for tests: it blocks. */
export function createLocalTextEngine(options: Omit<TextEngineOptions, 'idleMs'>): TextEngine {
  const isService = isServiceName(options.embedder)
  const loading = import('./text-answers.ts').then(({ createTextAnswers }) => createTextAnswers(isService ? 'none' : options.embedder))
  const ask: Ask = async (name, question) => (await loading)[name](question)
  return engineOver(ask, options, async () => {
    await loading
  })
}

type Ask = <Name extends keyof TextQuestions>(name: Name, ask: TextQuestions[Name]['ask']) => Promise<TextQuestions[Name]['answer']>

function engineOver(ask: Ask, { embedder: name, service }: TextEngineOptions, close: () => Promise<void>): TextEngine {
  const remote = isServiceName(name) ? openServiceEmbedder(name, service) : null
  // Cached, because every query needs them and they never change; failures are not cached.
  let held: Promise<EmbedderFacts | null> | null = null
  const ownFacts = (): Promise<EmbedderFacts | null> => {
    if (held !== null) return held
    const asked = ask('embedder', {})
    held = asked
    asked.catch(() => (held = null))
    return asked
  }
  return {
    cut: (text, format) => ask('cut', { text, format }),
    terms: (text) => ask('terms', { text }),
    storedTerms: (text) => ask('storedTerms', { text }),
    read: (question) => ask('read', { question }),
    embedder: () => (remote === null ? ownFacts() : remote.facts()),
    embed: (texts, purpose) => (remote === null ? ask('embed', { texts, ...asPurpose(purpose) }) : remote.embed(texts, purpose)),
    closeness: ({ question, terms }, passages) =>
      ask('closeness', { question, terms, passages, ...(remote === null ? {} : { embedder: builtInEmbedder }) }),
    async embedderOf(model) {
      const own = builtInNameOf(model)
      const facts = own === null ? null : await ask('embedder', { embedder: own })
      if (own === null || facts === null || facts.id !== model) return null
      return { ...facts, embed: (texts, purpose) => ask('embed', { texts, embedder: own, ...asPurpose(purpose) }) }
    },
    async close() {
      remote?.close()
      await close()
    },
  }
}

function asPurpose(purpose: EmbedPurpose | undefined): { readonly purpose?: EmbedPurpose } {
  return purpose === undefined ? {} : { purpose }
}

/** Client of the text thread. */
interface TextThread {
  /** @throws OxbowError as the thread reports it; `limit_reached` for too long a text; `tool_failed` if the thread died; `cancelled` once closed */
  readonly ask: Ask
  /** Ends the thread; pending requests fail with `cancelled`. Never throws. */
  close(): Promise<void>
}

interface TextThreadOptions extends TextThreadRole {
  readonly idleMs: number
}

function createTextThread({ embedder, idleMs }: TextThreadOptions): TextThread {
  const thread = createIdleThread<TextQuestion, never>({
    idleMs,
    start: () => startWorker({ embedder }),
    lost(why, cause) {
      const hint = 'It is started again with the next text; nothing that was kept is lost.'
      return new OxbowError('tool_failed', `The thread that reads texts ended: ${why}.`, { hint, cause })
    },
    closed: () => new OxbowError('cancelled', 'Memory is closed.', { hint: 'Start the guest again.' }),
  })
  return {
    ask(name, ask) {
      const units = unitsOf(ask)
      if (units <= maxAskedUnits) return thread.ask({ name, ...ask } as TextQuestion)
      const hint = `Give at most ${maxAskedUnits} characters at once.`
      return Promise.reject(new OxbowError('limit_reached', `${units} characters are too much to read at once.`, { hint }))
    },
    close: () => thread.close(),
  }
}

function startWorker(role: TextThreadRole): Worker {
  const { Worker } = process.getBuiltinModule('node:worker_threads')
  // The worker's file is next to this one: text-worker.ts in the sources, text-worker.js in the bundle.
  const file = import.meta.url.endsWith('.ts') ? './text-worker.ts' : './text-worker.js'
  return new Worker(new URL(file, import.meta.url), { workerData: role, name: 'oxbow-text', execArgv: [] })
}

interface Asked {
  readonly text?: string
  readonly question?: string
  readonly texts?: readonly string[]
  readonly embedder?: string
}

function unitsOf(ask: Asked): number {
  return (ask.text ?? ask.question ?? '').length + (ask.texts ?? []).reduce((sum, text) => sum + text.length, 0)
}

/**
 * Vectors of a model service, requested on the main thread by a call of the kernel, which journals and budgets it. Texts leave the machine:
 * used only if the configuration names a service. Failures go to the caller, who retries later.
 */

/** A service that makes vectors. */
export type EmbeddingService = Pick<Engine, 'embed'>

interface ServiceEmbedder {
  /** Requests one vector the first time, to learn its size. @throws OxbowError of the service */
  facts(): Promise<EmbedderFacts>
  readonly embed: Embedder['embed']
  /** Pending requests fail with `cancelled`. */
  close(): void
}

/** @param model `provider/model` @throws OxbowError `bad_config` on use, without a service */
function openServiceEmbedder(model: string, service: EmbeddingService | undefined): ServiceEmbedder {
  const closing = new AbortController()
  let held: EmbedderFacts | undefined
  const ask = async (texts: readonly string[], purpose: 'document' | 'query'): Promise<Embedded> => {
    if (service === undefined) {
      throw new OxbowError('bad_config', `The embedder ${model} is a service, and none can be reached from here.`, {
        hint: 'Set memory.embedder to words-50k, or ask a running guest.',
      })
    }
    const embedded = await service.embed(model, texts, { purpose }, closing.signal)
    if (embedded.dimensions > maxDims) {
      throw new OxbowError('bad_config', `${model} makes vectors of ${embedded.dimensions} numbers; at most ${maxDims} can be kept.`, {
        hint: 'Choose another embedding model.',
      })
    }
    if (held === undefined && embedded.dimensions > 0) {
      held = { id: `${model}@${embedded.dimensions}`, dims: embedded.dimensions, weights: strongWeights }
    }
    if (held !== undefined && embedded.vectors.some(({ length }) => length !== held?.dims)) {
      throw new OxbowError('model_garbled', `${model} made vectors of another size than before.`, { hint: 'Run oxbow memory reindex.' })
    }
    return embedded
  }
  return {
    async facts() {
      if (held === undefined) await ask(['ox'], 'document')
      if (held === undefined) throw new OxbowError('model_garbled', `${model} made no vector.`, { hint: 'Choose another embedding model.' })
      return held
    },
    async embed(texts, purpose = 'document') {
      if (texts.length === 0) return []
      // Services refuse empty texts.
      const filled = texts.map((text) => (text.trim() === '' ? '-' : text))
      const vectors: Float32Array<ArrayBuffer>[] = []
      for (let at = 0; at < filled.length; at += maxServiceTexts) {
        const made = await ask(filled.slice(at, at + maxServiceTexts), purpose)
        vectors.push(...made.vectors.map((vector) => toUnit(Float32Array.from(vector))))
      }
      return vectors
    },
    close: () => closing.abort(),
  }
}
