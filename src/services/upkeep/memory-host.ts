/** What memory needs of the kernel: erasing bodies of the journal on record, words of summaries and titles, and vectors of a service. */
import { type Core, maxSessionsRead, processRight, userCaller } from '../../kernel/index.ts'
import { type GoneFact, loadSummary, type MemoryHost } from '../../memory/index.ts'
import { foldPhrase } from '../../store/index.ts'
import { type CallId, type SessionId, toError } from '../../base/index.ts'
import {
  titleCalls,
  completionCall,
  forgetCall,
  type Caller,
  type CallOutcome,
  type Embedded,
  type EmbedOptions,
  type Engine,
  isErased,
  type JournalRecord,
} from '../../protocol/index.ts'

type Deps = Pick<Core, 'user' | 'store' | 'journal' | 'gate' | 'summaries' | 'newId'>

export function createMemoryHost({ user, store, journal, gate, summaries, newId }: Deps): MemoryHost {
  return {
    erase(seqs, reason) {
      const caller = { actor: 'kernel', session: '', turn: '' } as const
      return journal.erase({ caller, call: newId() as CallId, name: forgetCall }, seqs, reason)
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

type ForgetTitlesDeps = Omit<Deps, 'summaries'>

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
  if (seqs.length > 0) await journal.erase({ caller, call: newId() as CallId, name: forgetCall }, seqs, 'forgotten by memory.forget')
}

/** A model has made a title, too, before a call kept it. */
const names = (call: string): boolean => titleCalls.has(call) || call === completionCall

/** Their bodies are short and are in the journal itself. */
function gives({ name, body }: JournalRecord, isTitle: (text: string) => boolean): boolean {
  if (!names(name)) return false
  const value: unknown = JSON.parse(body)
  return !isErased(value) && textsIn(value, 0).some(isTitle)
}

const maxDepth = 4

function textsIn(value: unknown, depth: number): readonly string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null || depth > maxDepth) return []
  return Object.values(value).flatMap((each) => textsIn(each, depth + 1))
}

/** @returns a function that embeds texts by the call `model.embed` on behalf of the user. It throws a refusal, before anything was sent. */
function createEmbed({ user, gate, newId }: Pick<Deps, 'user' | 'gate' | 'newId'>): Engine['embed'] {
  const rights: ReadonlySet<string> = new Set([processRight])
  const caller: Caller = { user, actor: 'kernel', rights, audience: 'runtime', session: '', turn: '', process: '' }
  return async (model, texts, { purpose = 'document' }: EmbedOptions, signal) => {
    const id = newId() as CallId
    const outcome = (await gate.call(caller, 'model.embed', { model, texts, purpose }, { id, signal })) as CallOutcome<Embedded>
    if (outcome.status === 'ok') return outcome.output
    throw toError(outcome.failure)
  }
}
