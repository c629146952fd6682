/** Memory for tidying tests: a store, a settable clock, messages and notes. */
import { createHasher, type MemoryItem, openMemoryStore, type Store } from '../../store/index.ts'
import type { Clock, SessionId, UserId } from '../../base/index.ts'
import type { Label } from '../../protocol/index.ts'
import { freshFacts, makeItem } from '../keep/memory-item.ts'
import { createExclusiveWriter, type KeepDeps } from '../keep/exclusive-writer.ts'
import type { AskModel } from '../summary/make-summary.ts'
import { createLocalTextEngine } from '../text/text-thread.ts'
import type { PruneLimits } from './prune.ts'
import type { Tidied, TidyStep } from './tidy-change.ts'
import { createTidy, type Tidy } from './tidy.ts'

/** A later place means that the message comes from another journal. */
export const journalEnd = 10_000
export const day: number = 24 * 60 * 60 * 1_000
const session = '01890a5d-ac96-774b-bcce-b302099a8057' as SessionId

export interface House extends AsyncDisposable {
  readonly deps: KeepDeps
  readonly store: Store
  readonly tidy: Tidy
  readonly clock: { at: number }
  readonly steps: TidyStep[]
  says(text: string, labels?: readonly Label[]): Promise<string>
  note(text: string, more?: Partial<MemoryItem['entry']>): Promise<string>
  run(ask?: AskModel | null, record?: (step: TidyStep) => Promise<number>): Promise<Tidied>
  /** Notes and facts, newest first. */
  entries(most?: number): Promise<readonly (MemoryItem['entry'] & { readonly text: string })[]>
}

/** Simulates a journal: messages have places in it. */
function withJournal(store: Store): Store {
  const head: Store['head'] = async () => ({ ...(await store.head()), seq: journalEnd })
  return Object.assign(Object.create(store) as Store, { head })
}

export async function openHouse(limits?: PruneLimits): Promise<House> {
  const store = await openMemoryStore({ user: 'ada' as UserId })
  const text = createLocalTextEngine({ embedder: 'none' })
  const clock = { at: 1_000 * day }
  const now: Clock = { now: () => clock.at, monotonicMs: () => clock.at }
  const given = { store: withJournal(store), text: async () => text, hash: createHasher, clock: now, changed: () => {} }
  const writer = createExclusiveWriter(store.memory)
  const deps: KeepDeps = { memory: writer.memory, writer, ...given }
  const tidy = createTidy(deps, limits)
  const steps: TidyStep[] = []
  let seq = 0
  const put = async (id: string, words: string, entry: Partial<MemoryItem['entry']>): Promise<string> => {
    const whole = {
      ...freshFacts,
      stream: '',
      author: 'user',
      createdAt: clock.at,
      updatedAt: clock.at,
      validFrom: clock.at,
      importance: 0.5,
      accessedAt: clock.at,
      extra: '',
    }
    const item = await makeItem(deps, {
      entry: { ...whole, id, kind: 'note', type: 'fact', ...entry },
      text: words,
      format: 'text',
      before: '',
    })
    await store.memory.change([{ change: 'put', item }])
    return id
  }
  return {
    deps,
    store,
    tidy,
    clock,
    steps,
    async says(words, labels = []) {
      clock.at += 1_000
      seq++
      return put(`m${seq}`, words, { kind: 'message', type: 'conversation', session, stream: session, place: seq, seq, labels })
    },
    async note(words, more = {}) {
      clock.at += 1_000
      return put(`note-${clock.at}`, words, more)
    },
    run: (ask = null, record = async (step) => steps.push(step)) => tidy.run({ ask, record, signal: new AbortController().signal }),
    async entries(most = 1_000) {
      const listed: MemoryItem['entry'][] = []
      for (let after: { createdAt: number; id: string } | undefined; listed.length < most;) {
        const page = await store.memory.list({ kinds: ['fact', 'note'] }, 500, after)
        listed.push(...page)
        const last = page.at(-1)
        if (last === undefined || page.length < 500) break
        after = { createdAt: last.createdAt, id: last.id }
      }
      const items = await store.memory.items(listed.map(({ id }) => id))
      return items.map(({ entry, passages }) => ({ ...entry, text: passages.map((passage) => passage.text).join('') }))
    },
    async [Symbol.asyncDispose]() {
      await text.close()
      await store.close()
    },
  }
}
