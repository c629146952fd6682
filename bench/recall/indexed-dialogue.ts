/** Indexes a dialogue like a conversation: each turn is an entry, with the previous turn and dates as context. */
import type { TextEngine } from '../../src/memory/index.ts'
import { dayTerms, termsOfDay } from '../../src/memory/recall/day-terms.ts'
import { createHasher, type MemoryChange, openMemoryStore, type Store } from '../../src/store/index.ts'
import type { SessionId, UserId } from '../../src/base/index.ts'
import { messageEntry } from '../memory/memory-data.ts'
import type { Dialogue, Turn } from './dialogue.ts'

const vectorBatch = 500

/** @returns a store that the caller closes */
export async function indexDialogue(dialogue: Dialogue, text: TextEngine): Promise<Store> {
  const store = await openMemoryStore({ user: 'bench' as UserId })
  await addDialogue(store, dialogue, text, '')
  await addVectors(store, text)
  return store
}

/** Without vectors. @param prefix of ids and of the stream, for several dialogues in one memory */
export async function addDialogue(store: Store, dialogue: Dialogue, text: TextEngine, prefix: string): Promise<void> {
  const hash = await createHasher()
  const facts = { session: 'bench-dialogue' as SessionId, stream: `${prefix}dialogue`, author: 'user' } as const
  const changes: MemoryChange[] = []
  for (const [place, turn] of dialogue.turns.entries()) {
    const said = spokenText(turn)
    const before = dialogue.turns[place - 1]
    const beforeTerms = before?.sitting === turn.sitting ? await text.terms(before.text) : ''
    const context = [beforeTerms, ...termsOfDay(turn.at), ...dayTerms(turn.text, turn.at)].join(' ').trim()
    const entry = messageEntry({ ...facts, id: prefix + turn.id, place, at: turn.at, hash: hash(said) })
    const passages = [{ part: 0, start: 0, text: said, terms: await text.storedTerms(said), context }]
    changes.push({ change: 'put', item: { entry, passages } })
  }
  await store.memory.change(changes)
}

/** Does nothing without an embedder. */
export async function addVectors(store: Store, text: TextEngine): Promise<void> {
  const embedder = await text.embedder()
  if (embedder === null) return
  const { id: model, dims } = embedder
  await store.memory.change([{ change: 'model', model, dims, state: 'active' }])
  for (;;) {
    const wanting = await store.memory.withoutVector(model, vectorBatch)
    if (wanting.length === 0) return
    const made = await text.embed(wanting.map((passage) => passage.text))
    const vectors = wanting.flatMap((passage, i) => {
      const vector = made[i]
      return vector === undefined ? [] : [{ passage: passage.id, vector }]
    })
    await store.memory.change([{ change: 'vectors', model, vectors }])
  }
}

/** Includes the speaker, because questions contain names. */
export function spokenText({ speaker, text }: Turn): string {
  return speaker === '' ? text : `${speaker}: ${text}`
}
