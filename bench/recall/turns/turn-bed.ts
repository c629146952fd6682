/** A memory of facts as they were told, each in a session of its own, and perhaps of a longer past. */
import type { TextEngine } from '../../../src/memory/index.ts'
import { termsOfDay } from '../../../src/memory/recall/day-terms.ts'
import { createHasher, type MemoryChange, type Store } from '../../../src/store/index.ts'
import type { SessionId } from '../../../src/base/index.ts'
import { messageEntry } from '../../memory/memory-data.ts'
import { addVectors } from '../indexed-dialogue.ts'

const hourMs = 3_600_000
const answer = 'Noted.'

/** @param told a message of a person each @param talks what was said in older sessions, person and agent in turn */
export async function fillTurnBed(
  store: Store,
  told: readonly string[],
  talks: readonly (readonly string[])[],
  text: TextEngine,
): Promise<void> {
  const sessions = [...talks, ...told.map((each) => [each, answer])]
  const began = Date.now() - (sessions.length + 1) * hourMs
  for (const [number, said] of sessions.entries()) await store.memory.change(await putsOf(said, number, began + number * hourMs, text))
  await addVectors(store, text)
}

async function putsOf(said: readonly string[], number: number, at: number, text: TextEngine): Promise<MemoryChange[]> {
  const hash = await createHasher()
  const session = `session-${number}` as SessionId
  return Promise.all(
    said.map(async (each, place): Promise<MemoryChange> => {
      const before = place === 0 ? '' : await text.terms(said[place - 1] ?? '')
      const context = [before, ...termsOfDay(at)].join(' ').trim()
      const facts = { id: `message:${number}:${place}`, session, stream: session, place, hash: hash(each) }
      const entry = messageEntry({ ...facts, author: place % 2 === 0 ? 'user' : 'agent', at })
      return { change: 'put', item: { entry, passages: [{ part: 0, start: 0, text: each, terms: await text.storedTerms(each), context }] } }
    }),
  )
}
