/** The text engine over whoever answers its questions: a thread, or the same one. */
import {
  builtInEmbedder,
  builtInNameOf,
  type EmbedderFacts,
  type EmbedPurpose,
  type TextEngine,
  type TextQuestions,
} from './text-engine.ts'

export type Ask = <Name extends keyof TextQuestions>(name: Name, ask: TextQuestions[Name]['ask']) => Promise<TextQuestions[Name]['answer']>

/** An embedder that is asked elsewhere. */
export interface RemoteEmbedder {
  facts(): Promise<EmbedderFacts>
  readonly embed: TextEngine['embed']
}

/** @param remote makes the vectors in place of whoever is asked */
export function engineOver(ask: Ask, close: () => Promise<void>, remote: RemoteEmbedder | null = null): TextEngine {
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
    cut: (texts) => ask('cut', { texts }),
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
    close,
  }
}

function asPurpose(purpose: EmbedPurpose | undefined): { readonly purpose?: EmbedPurpose } {
  return purpose === undefined ? {} : { purpose }
}
