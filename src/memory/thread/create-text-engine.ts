/** Makes the text engine: in a thread, and in process for tests. Vectors of a service are asked for from the main side. */
import { openServiceEmbedder, type EmbeddingService } from '../embed/service-embedder.ts'
import { builtInEmbedder, builtInNameOf, isServiceName } from '../embed/embedder-name.ts'
import type { EmbedderFacts, EmbedPurpose, TextEngine } from '../text-engine.ts'
import type { TextQuestions } from './text-message.ts'
import { createTextThread } from './text-thread.ts'
import { threadIdleMs } from './thread-limits.ts'

export interface TextEngineOptions {
  /** `memory.embedder` of the configuration. */
  readonly embedder: string
  /** Serves `provider/model`. Absent: such a name is refused. */
  readonly service?: EmbeddingService
  readonly idleMs?: number
}

/** Nothing is started or read before the first question. A bad name of an embedder fails when the embedder is asked for. */
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
  // They never change, and every question begins with them; a failure is not kept.
  let known: Promise<EmbedderFacts | null> | null = null
  const ownFacts = (): Promise<EmbedderFacts | null> => {
    if (known !== null) return known
    const asked = ask('embedder', {})
    known = asked
    asked.catch(() => (known = null))
    return asked
  }
  return {
    cut: (text, format) => ask('cut', { text, format }),
    terms: (text) => ask('terms', { text }),
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
