/**
 * The main-thread side of the text engine: sends requests to the worker thread, which starts with the first one and ends after being idle.
 * Vectors of a service are requested from here.
 */
import type { Worker } from 'node:worker_threads'
import { createIdleThread, OxbowError } from '../../base/index.ts'
import type { Embedded, Engine } from '../../protocol/index.ts'
import type { MemorySource } from '../../store/index.ts'
import { maxDims, maxServiceTexts, strongWeights } from '../embed/embed-limits.ts'
import type { RecallQuestion } from '../recall/recalled.ts'
import type { ThreadAsk, ThreadEngine, ThreadQuestions } from '../recall/thread-questions.ts'
import { engineOver, type RemoteEmbedder } from './engine-over.ts'
import { type EmbedderFacts, isServiceName, type TextEngine, type TextThreadRole, toUnit, type UncutText } from './text-engine.ts'
import { maxAskedUnits, threadIdleMs } from './text-limits.ts'

export interface TextEngineOptions {
  /** `memory.embedder` of the configuration. */
  readonly embedder: string
  /** Serves `provider/model`. Absent: such a name is refused. */
  readonly service?: EmbeddingService
  readonly idleMs?: number
}

/** Nothing is started or read before the first request. An invalid embedder name fails when the embedder is first used. */
export function createTextEngine({ embedder, service, idleMs = threadIdleMs }: TextEngineOptions): ThreadEngine {
  const remote = isServiceName(embedder) ? openServiceEmbedder(embedder, service) : null
  const thread = createTextThread({ embedder: remote === null ? embedder : 'none', idleMs })
  const close = async (): Promise<void> => {
    remote?.close()
    await thread.close()
  }
  return {
    ...engineOver((name, ask) => thread.ask(name, ask), close, remote),
    hasService: remote !== null,
    recall: (ask) => thread.ask('recall', ask),
    withoutVector: (source, model, limit) => thread.ask('memory', { source, model, limit }),
  }
}

/** The same without a thread, for tests: it blocks. */
export function createLocalTextEngine({ embedder, service }: Omit<TextEngineOptions, 'idleMs'>): TextEngine {
  const remote = isServiceName(embedder) ? openServiceEmbedder(embedder, service) : null
  const loading = import('./text-answers.ts').then(({ createTextAnswers }) => createTextAnswers(remote === null ? embedder : 'none'))
  const close = async (): Promise<void> => {
    remote?.close()
    await loading
  }
  return engineOver(async (name, question) => (await loading)[name](question), close, remote)
}

/** Client of the text thread. */
interface TextThread {
  /** @throws OxbowError as the thread reports it; `limit_reached` for too long a text; `tool_failed` if the thread died; `cancelled` once closed */
  ask<Name extends keyof ThreadQuestions>(name: Name, ask: ThreadQuestions[Name]['ask']): Promise<ThreadQuestions[Name]['answer']>
  /** Ends the thread; pending requests fail with `cancelled`. Never throws. */
  close(): Promise<void>
}

interface TextThreadOptions extends TextThreadRole {
  readonly idleMs: number
}

function createTextThread({ embedder, idleMs }: TextThreadOptions): TextThread {
  const thread = createIdleThread<ThreadAsk, never>({
    idleMs,
    start: () => startWorker({ embedder }),
    last: { name: 'leave' },
    lost(why, cause) {
      const hint = 'It is started again with the next text; nothing that was kept is lost.'
      return new OxbowError('tool_failed', `The thread that reads texts ended: ${why}.`, { hint, cause })
    },
    closed: () => new OxbowError('cancelled', 'Memory is closed.', { hint: 'Start the guest again.' }),
  })
  return {
    ask(name, ask) {
      const units = unitsOf(ask)
      if (units <= maxAskedUnits) return thread.ask({ name, ...ask } as ThreadAsk)
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
  readonly source?: MemorySource
  readonly text?: string
  readonly question?: string | RecallQuestion
  readonly texts?: readonly (string | UncutText)[]
  readonly embedder?: string
}

function unitsOf(ask: Asked): number {
  const asked = ask.text ?? ask.question ?? ''
  return (
    (typeof asked === 'string' ? asked : asked.text).length +
    (ask.texts ?? []).reduce((sum, each) => sum + (typeof each === 'string' ? each : each.text).length, 0)
  )
}

/**
 * Vectors of a model service, requested on the main thread by a call of the kernel, which journals and budgets it. Texts leave the machine:
 * used only if the configuration names a service. Failures go to the caller, who retries later.
 */

/** A service that makes vectors. */
export type EmbeddingService = Pick<Engine, 'embed'>

interface ServiceEmbedder extends RemoteEmbedder {
  /** Requests one vector the first time, to learn its size. @throws OxbowError of the service */
  facts(): Promise<EmbedderFacts>
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
