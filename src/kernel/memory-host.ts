/** What memory needs of the kernel: erasing bodies of the journal on record, words of summaries and titles, and vectors of a service. */
import { type GoneFact, loadSummary, type MemoryHost } from '../memory/index.ts'
import { foldPhrase, type Store } from '../store/index.ts'
import { type CallId, isErased, type JournalRecord, type SessionId, type UserId } from '../types/index.ts'
import { createEmbed } from './background.ts'
import type { Summaries } from './conversation/summaries.ts'
import type { Gate } from './gate.ts'
import type { Journal } from './journal.ts'
import { maxSessionsRead } from './sessions.ts'
import { processRight, userCaller } from './stages/policy.ts'

interface MemoryHostDeps {
  readonly user: UserId
  readonly store: Store
  readonly journal: Journal
  readonly gate: Gate
  readonly summaries: Summaries
  readonly newId: () => string
}

export function createMemoryHost({ user, store, journal, gate, summaries, newId }: MemoryHostDeps): MemoryHost {
  return {
    erase(seqs, reason) {
      const caller = { actor: 'kernel', session: '', turn: '' } as const
      return journal.erase({ caller, call: newId() as CallId, name: 'memory.forget' }, seqs, reason)
    },
    async eraseDerived(gone) {
      const { forgetInSummary } = await loadSummary()
      let changed = 0
      for (const session of gone.sessions) {
        const by = { id: newId() as CallId, caller: userCaller(user, session, '') }
        if (await summaries.rewrite(session, (summary) => forgetInSummary(summary, gone), by)) changed++
      }
      return changed + (await forgetTitles({ user, store, journal, gate, newId }, gone))
    },
    embed: createEmbed({ user, gate, newId }),
  }
}

/**
 * Titles of sessions must not keep what was forgotten: one that says it goes, from the row and from the records that gave it. In the
 * sessions where it was said also a title that tells it in other words, since a model or a cut first line seldom repeat a phrase.
 */

interface ForgetTitlesDeps {
  readonly user: UserId
  readonly store: Store
  readonly journal: Journal
  readonly gate: Gate
  readonly newId: () => string
}

/** @returns how many titles went */
async function forgetTitles(deps: ForgetTitlesDeps, gone: GoneFact): Promise<number> {
  const { user, store, journal, gate, newId } = deps
  const { nearWords, readTitle } = await loadSummary()
  const near = nearWords(gone.texts)
  const said = new Set<SessionId>(gone.sessions)
  await journal.flushed()
  const telling = (await store.sessions(maxSessionsRead)).filter(
    ({ id, title, deleted }) => deleted === 0 && title !== '' && (gone.inText(title) || (said.has(id) && near.tells(title))),
  )
  if (telling.length === 0) return 0
  await eraseNaming(deps, new Set(telling.map(({ title }) => title)), readTitle)
  for (const { id } of telling) {
    const caller = { ...userCaller(user, id, ''), actor: 'kernel', rights: new Set([processRight]), audience: 'runtime' } as const
    await gate.call(caller, 'session.title', { clear: true }, { id: newId() as CallId, signal: null })
  }
  return telling.length
}

/** The records that gave these titles, whoever did. */
async function eraseNaming(
  { store, journal, newId }: ForgetTitlesDeps,
  titles: ReadonlySet<string>,
  readTitle: (answer: string) => string | null,
): Promise<void> {
  const phrases = [...titles].map((title) => foldPhrase(title.replace(/…$/u, ''))).filter((phrase) => phrase !== '')
  const seqs: number[] = []
  const end = (await store.head()).seq
  for (let after = 0; after < end;) {
    const { records, upto } = await store.scan({ after, before: end + 1, phrases })
    for (const record of records)
      if (gives(record, (text) => titles.has(text.trim()) || titles.has(readTitle(text) ?? ''))) seqs.push(record.seq)
    after = upto
  }
  const caller = { actor: 'kernel', session: '', turn: '' } as const
  if (seqs.length > 0) await journal.erase({ caller, call: newId() as CallId, name: 'memory.forget' }, seqs, 'forgotten by memory.forget')
}

const naming: ReadonlySet<string> = new Set(['session.create', 'session.rename', 'session.fork', 'session.title', 'model.complete'])

/** Bodies of these are short and stand in the journal itself. */
function gives({ name, body }: JournalRecord, isTitle: (text: string) => boolean): boolean {
  if (!naming.has(name)) return false
  const value: unknown = JSON.parse(body)
  return !isErased(value) && textsIn(value, 0).some(isTitle)
}

const maxDepth = 4

function textsIn(value: unknown, depth: number): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || depth > maxDepth) return []
  return Object.values(value).flatMap((each) => textsIn(each, depth + 1))
}
