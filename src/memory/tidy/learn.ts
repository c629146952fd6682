/**
 * Learns from what a person has just said: facts by rules, and by a model about what the rules cannot read. Each fact is an entry with the
 * message that it comes from and the labels of that message; a later statement ends the earlier one that it contradicts. Nothing is learned
 * twice: the place up to which messages were read is committed with the facts, and what a model is still to read is named by the caller.
 */
import { isDerived, type SessionId } from '../../base/index.ts'
import type { MemoryChange, MemoryItem } from '../../store/index.ts'
import type { KeepDeps } from '../keep/exclusive-writer.ts'
import { itemsOf, wholeText } from '../keep/memory-item.ts'
import { comparable, findContradictions, type Known } from './compare.ts'
import { gatherStatements, messagesSince, modelQuestion, readStatements, type SourcedStatement } from './gather-facts.ts'
import { topicOf } from './statements.ts'
import { patchOf, type TidyStep } from './tidy-change.ts'
import { knownNow, planFacts } from './tidy.ts'
import { maxLearnChars, readAtOnce } from './tidy-limits.ts'
import { isWorthReading } from './worth-reading.ts'

/** What was kept. */
export interface LearnedNow {
  readonly learned: number
  readonly confirmed: number
  readonly superseded: number
  readonly flagged: number
}

/** Resolves when the step is durably recorded. */
type Record = (step: TidyStep) => Promise<unknown>

/** What a model is asked about messages of one session, with the same labels. */
export interface LearnQuestion {
  /** The messages that it is about. */
  readonly ids: readonly string[]
  readonly system: string
  readonly text: string
}

export interface Learning {
  /** Learns by rules from all messages since the last time. @param queue keeps what a model may read, by session, before the messages count as read */
  byRules(record: Record, queue: (unread: ReadonlyMap<SessionId, readonly string[]>) => Promise<void>): Promise<LearnedNow>
  /** @returns what to ask a model about messages; those that were forgotten meanwhile are left out */
  questions(ids: readonly string[]): Promise<readonly LearnQuestion[]>
  /** Keeps what a model's answer says of these messages, as far as they say it. */
  take(question: LearnQuestion, answer: string, record: Record): Promise<LearnedNow>
}

/** Name of the cursor of the store: the seq of the last message that was read. */
const readTo = 'learn.read'

/** What runs and agents are sent in sessions of their own is no word of the person. */
export function createLearning(deps: KeepDeps): Learning {
  const { memory } = deps
  return {
    async byRules(record, queue) {
      const since = Math.max(await memory.cursor(readTo), await memory.cursor('tidy.gathered'))
      const messages = await messagesSince(deps, since)
      const newest = messages.reduce((seq, { entry }) => Math.max(seq, entry.seq), 0)
      const own = messages.filter(({ entry }) => entry.session !== '' && !isDerived(entry.session))
      const found = await gatherStatements(own, null)
      const cursor = newest > since ? [{ change: 'cursor', cursor: { name: readTo, seq: newest } } as const] : []
      const unread = own.filter(({ passages }) => isWorthReading(wholeText(passages)))
      const bySession = Map.groupBy(unread, ({ entry }) => entry.session as SessionId)
      if (bySession.size > 0) await queue(new Map([...bySession].map(([session, items]) => [session, items.map(({ entry }) => entry.id)])))
      return keep(deps, found, record, cursor)
    },
    async questions(ids) {
      const items = await itemsOf(
        memory,
        ids.map((id) => ({ id })),
        readAtOnce,
      )
      const alike = Map.groupBy(items, ({ entry }) => `${entry.session}\n${entry.labels.join(',')}`)
      return [...alike.values()].map((some) => questionOf(some))
    },
    async take({ ids }, answer, record) {
      const items = await itemsOf(
        memory,
        ids.map((id) => ({ id })),
        readAtOnce,
      )
      // As they were numbered: one that was forgotten since leaves its number empty.
      const sources = ids.map((id) => {
        const item = items.find(({ entry }) => entry.id === id)
        return item === undefined ? undefined : { entry: item.entry, text: textOf(item) }
      })
      return keep(deps, readStatements(answer, sources), record, [])
    },
  }
}

function questionOf(items: readonly MemoryItem[]): LearnQuestion {
  return { ids: items.map(({ entry }) => entry.id), ...modelQuestion(items.map(textOf)) }
}

function textOf({ passages }: MemoryItem): string {
  return wholeText(passages).slice(0, maxLearnChars)
}

/** Reads, records and writes while nobody else changes memories, so that nothing which was forgotten meanwhile comes back. */
async function keep(
  deps: KeepDeps,
  found: readonly SourcedStatement[],
  record: Record,
  also: readonly MemoryChange[],
): Promise<LearnedNow> {
  if (found.length === 0) {
    if (also.length > 0) await deps.memory.change(also)
    return { learned: 0, confirmed: 0, superseded: 0, flagged: 0 }
  }
  return deps.writer.run(async (exclusive) => {
    const there = new Set((await exclusive.items([...new Set(found.map(({ source }) => source.id))])).map(({ entry }) => entry.id))
    const known = await knownNow(deps)
    const plan = await planFacts(
      deps,
      found.filter(({ source }) => there.has(source.id)),
      known,
    )
    const topics = new Set(found.map(topicOf))
    const fresh = plan.items.map(({ item: { entry }, statement }): Known => ({
      entry,
      ...comparable(entry.hash, statement.text),
      statement,
    }))
    const concerned = [...known, ...fresh].filter(
      ({ statement }) => statement !== null && (topics.has(topicOf(statement)) || isTaste(statement)),
    )
    const { changes: ended, asks } = findContradictions(concerned, deps.clock.now())
    const changes = [...plan.changes, ...ended]
    if (changes.length > 0) await record({ phase: 'learn', changes, asks })
    await exclusive.change([...plan.writes, ...ended.map(patchOf), ...also])
    deps.changed({ put: fresh.map(({ entry }) => entry) })
    const count = (kind: string): number => changes.filter((change) => change.kind === kind).length
    return { learned: count('learned'), confirmed: count('confirmed'), superseded: count('superseded'), flagged: count('flagged') }
  })
}

/** Liking and disliking contradict each other under two topics. */
function isTaste({ attribute }: { readonly attribute: string }): boolean {
  return attribute === 'likes' || attribute === 'does not like'
}
