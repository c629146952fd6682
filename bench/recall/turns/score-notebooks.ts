/** What the prompts of messages get of a notebook, and how much of it is right. */
import { createLocalTextEngine, type TextEngine } from '../../../src/memory/index.ts'
import { createRecall } from '../../../src/memory/recall/create-recall.ts'
import { termsOfDay } from '../../../src/memory/recall/day-terms.ts'
import type { Recall } from '../../../src/memory/recall/recalled.ts'
import { createTurnRecall } from '../../../src/memory/recall/turn-recall.ts'
import { type MemoryChange, openMemoryStore, type Store } from '../../../src/store/index.ts'
import { type CallId, type SessionId, systemClock, type UserId } from '../../../src/base/index.ts'
import {
  messageClasses,
  type Notebook,
  type NotebookMessage,
  type NotebookNote,
} from '../../../test/recall-bench/notebooks/read-notebooks.ts'
import { messageEntry } from '../../memory/memory-data.ts'
import { createHasher } from '../../../src/store/index.ts'
import { addVectors } from '../indexed-dialogue.ts'

const dayMs = 86_400_000
/** Between two notes. */
const apartMs = 5 * dayMs
/** As configured by default. */
const limit = 8
const tokens = 1_000
/** Characters of a token, about. */
const tokenUnits = 4

export interface NotebookBed extends AsyncDisposable {
  readonly store: Store
  readonly text: TextEngine
  readonly recall: Recall
}

export async function openNotebook({ notes }: Notebook, text: TextEngine): Promise<NotebookBed> {
  const store = await openMemoryStore({ user: 'bench' as UserId })
  const began = Date.now() - notes.length * apartMs
  for (const [i, note] of notes.entries()) await store.memory.change(await putsOf(note, began + i * apartMs, text))
  await addVectors(store, text)
  const recall = createRecall({ store: store.memory, text, now: Date.now })
  return { store, text, recall, [Symbol.asyncDispose]: () => store.close() }
}

/** What is said is answered, as in a conversation. */
async function putsOf({ id, text: told, kind }: NotebookNote, at: number, text: TextEngine): Promise<MemoryChange[]> {
  const hash = await createHasher()
  const session = `session-${id}` as SessionId
  const put = async (said: string, place: number, more: object): Promise<MemoryChange> => {
    const before = place === 0 ? '' : await text.terms(told)
    const entry = messageEntry({
      id: place === 0 ? id : `${id}-answer`,
      session,
      stream: session,
      author: 'user',
      place,
      at,
      hash: hash(said),
    })
    const context = [before, ...termsOfDay(at)].join(' ').trim()
    const passages = [{ part: 0, start: 0, text: said, terms: await text.storedTerms(said), context }]
    return { change: 'put', item: { entry: { ...entry, ...more }, passages } }
  }
  if (kind === 'note') return [await put(told, 0, { kind: 'note', author: 'agent', stream: '' })]
  return [await put(told, 0, {}), await put('Noted.', 1, { author: 'agent' })]
}

/** What one message was given. */
export interface GivenNotes {
  readonly message: NotebookMessage
  /** Ids of notes; of anything else its text. */
  readonly given: readonly string[]
  readonly tokens: number
}

async function askNotebook(notebook: Notebook, text: TextEngine): Promise<readonly GivenNotes[]> {
  await using bed = await openNotebook(notebook, text)
  const turns = createTurnRecall({ memory: bed.store.memory, clock: systemClock }, { recall: async () => bed.recall, limit, tokens })
  const ask = async (message: NotebookMessage, session: string, place: number): Promise<GivenNotes> => {
    const call = `${session}-${place}` as CallId
    // The window holds all of the session, and what it was told stays in it.
    const found = await turns.recall({ session: session as SessionId, text: message.text, oldest: '', message: call })
    return { message, given: found.ids, tokens: Math.ceil(found.text.length / tokenUnits) }
  }
  const given: GivenNotes[] = []
  for (const [i, message] of notebook.asked.entries()) given.push(await ask(message, `asked-${i}`, 0))
  for (const [i, message] of notebook.talk.entries()) given.push(await ask(message, 'talk', i))
  return given
}

export interface NotebookScore {
  readonly messages: number
  /** Of what was given, the share that is needed or allowed; of what is needed, the share that was given. */
  readonly precision: number
  readonly recall: number
  /** Of the messages that need nothing, those that are given something. */
  readonly falseFires: number
  readonly needNothing: number
  /** Of the others, those that are given all that they need and nothing else. */
  readonly exact: number
  readonly needSomething: number
  readonly tokens: number
}

export function scoreNotebooks(all: readonly GivenNotes[]): NotebookScore {
  let [given, right, needed, found, fires, exact, tokensGiven] = [0, 0, 0, 0, 0, 0, 0]
  for (const { message, given: ids, tokens: each } of all) {
    const { needs, allows } = message
    const good = ids.filter((id) => needs.includes(id) || allows.includes(id)).length
    const has = needs.filter((id) => ids.includes(id)).length
    given += ids.length
    right += good
    needed += needs.length
    found += has
    tokensGiven += each
    if (needs.length === 0) fires += ids.length > 0 ? 1 : 0
    else if (has === needs.length && good === ids.length) exact += 1
  }
  const needNothing = all.filter(({ message }) => message.needs.length === 0).length
  return {
    messages: all.length,
    precision: right / Math.max(1, given),
    recall: found / Math.max(1, needed),
    falseFires: fires,
    needNothing,
    exact,
    needSomething: all.length - needNothing,
    tokens: tokensGiven / Math.max(1, all.length),
  }
}

export async function askNotebooks(notebooks: readonly Notebook[]): Promise<readonly GivenNotes[]> {
  const text = createLocalTextEngine({ embedder: 'words-50k' })
  try {
    const all: GivenNotes[] = []
    for (const notebook of notebooks) all.push(...(await askNotebook(notebook, text)))
    return all
  } finally {
    await text.close()
  }
}

/** By class of the messages. */
export function scoresByClass(all: readonly GivenNotes[]): ReadonlyMap<string, NotebookScore> {
  return new Map(messageClasses.map((what) => [what, scoreNotebooks(all.filter(({ message }) => message.what === what))]))
}
