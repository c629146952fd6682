/** `memory.search`: what was noted, ingested and said, with why it was found. */
import { z } from 'zod'
import { cleanTag, describeRecalled, type Memory, nearEnough, type Recalled } from '../../memory/index.ts'
import type { Call, CallId, Json, Label, SessionId } from '../../types/index.ts'
import { looking, moment, sha256, tags, toMoment } from './call-facts.ts'
import { defaultSearchResults, maxQueryCharacters, maxSearchResults, recallTimeoutMs, searchTokens } from './memory-limits.ts'

interface SearchInput {
  query: string
  top_k: number
  include_conversation: boolean
  tags?: string[] | undefined
  as_of?: string | undefined
}

/** One result. All but `weak` of the first eight fields are those of the reference. */
interface SearchHit {
  readonly note_id: string
  readonly text: string
  /** The sentence of it that fits best. */
  readonly match: string
  readonly score: number
  /** True: the nearest there was, and perhaps about something else. */
  readonly weak: boolean
  readonly source: 'user_memory' | 'conversation' | 'document' | 'summary'
  readonly tags: readonly string[]
  readonly created_at: number
  readonly updated_at: number
  readonly author: string
  readonly labels: readonly Label[]
  /** False: superseded, or past its time. */
  readonly holds: boolean
  readonly superseded_by: string
  readonly contradicts: readonly string[]
  readonly why: Recalled['why']
}

const sources = { note: 'user_memory', fact: 'user_memory', message: 'conversation', document: 'document', summary: 'summary' } as const

export function searchCall(memory: Memory): Call<SearchInput, readonly SearchHit[]> {
  return {
    ...looking,
    name: 'memory.search',
    summary: 'Searches what was noted and ingested, and with include_conversation what was said in any session.',
    input: z.strictObject({
      query: z.string().min(1).max(maxQueryCharacters).describe('Words, names or a question; "exact phrases" in quotes.'),
      top_k: z.int().min(1).max(maxSearchResults).default(defaultSearchResults).describe('Most results.'),
      include_conversation: z.boolean().default(false).describe('Also what was said, in any session.'),
      tags: tags.optional().describe('All of them must be there.'),
      as_of: moment.optional().describe('What held at this date, e.g. 2026-11-21.'),
    }),
    output: z.custom<readonly SearchHit[]>(),
    example: { query: 'which editor does the person prefer', top_k: 5, include_conversation: false },
    audience: ['model', 'terminal'],
    // What a person looks for may be what was forgotten, or what nobody is to know: the journal has its hash.
    recordInput: ({ query, ...rest }, { actor }) => ({
      ...(actor.startsWith('agent:') ? { query } : { query_sha256: sha256(query) }),
      ...(rest as { readonly [key: string]: Json }),
    }),
    recordOutput: (hits) => ({ hits: hits.map(({ note_id: id, score }) => ({ id, score })) }),
    async run({ query, top_k: limit, include_conversation: withTalk, tags: wanted, as_of: asOf }, { clock, caller }) {
      await memory.caughtUp()
      const recall = await memory.recall()
      const filter = {
        kinds: withTalk ? (['note', 'fact', 'document', 'message', 'summary'] as const) : (['note', 'fact', 'document'] as const),
        ...(wanted !== undefined && { tags: wanted.map(cleanTag).filter((tag) => tag !== '') }),
        ...(asOf !== undefined && { validAt: toMoment(asOf) }),
      }
      const { session } = caller
      const asked = { text: query, filter, limit, tokens: searchTokens, withMatch: true, ...(session !== '' && { session }) }
      const found = await recall.recall(asked)
      const labels = [...new Set(found.flatMap(({ passage }) => passage.entry.labels))].sort()
      const near = new Set(nearEnough(found))
      // What fits goes first: else a weak one between two that fit would be read as one of them.
      const [strong, weak] = [found.filter((each) => near.has(each)), found.filter((each) => !near.has(each))]
      const tell = (all: readonly Recalled[]): readonly string[] => all.map((each) => describeRecalled(each, clock.now()))
      const parts = [
        ...(strong.length > 0 ? tell(strong) : [nothingFound(withTalk)]),
        ...(weak.length > 0 ? ['The nearest beside that, perhaps about something else:', ...tell(weak)] : []),
      ]
      const output = [...strong.map((each) => hitOf(each, false)), ...weak.map((each) => hitOf(each, true))]
      return { output, text: parts.join('\n\n'), labels }
    },
  }
}

function hitOf({ id, text, match, score, holds, why, passage: { entry } }: Recalled, weak: boolean): SearchHit {
  return {
    note_id: id,
    text,
    match,
    score: Number(score.toFixed(4)),
    weak,
    source: sources[entry.kind],
    tags: entry.tags,
    created_at: entry.createdAt,
    updated_at: entry.updatedAt,
    author: entry.author,
    labels: entry.labels,
    holds,
    superseded_by: entry.supersededBy,
    contradicts: entry.contradicts,
    why,
  }
}

function nothingFound(withTalk: boolean): string {
  return withTalk ? 'Nothing was found that fits.' : 'Nothing was found that fits. include_conversation also searches what was said.'
}

// `memory.recall`: what the runtime asks before a turn. Its outcome is part of the conversation, so that it is the same when
// read back.

interface RecallInput {
  text: string
  /** Oldest message of a person that the model sees; empty: it sees all of the session. */
  oldest: string
}

interface RecallOutput {
  ids: readonly string[]
}

export function recallCall(memory: Memory): Call<RecallInput, RecallOutput> {
  return {
    ...looking,
    name: 'memory.recall',
    summary: 'Recalls what fits the newest message, before a turn.',
    timeoutMs: recallTimeoutMs,
    input: z.strictObject({ text: z.string(), oldest: z.string() }),
    output: z.strictObject({ ids: z.array(z.string()) }),
    example: { text: 'Which editor do I use?', oldest: '' },
    audience: ['runtime'],
    // The message is on record as what was sent.
    recordInput: ({ oldest }) => ({ oldest }),
    recordOutput: ({ ids }) => ({ ids }),
    async run({ text, oldest }, { caller }) {
      const found = await memory.recallForTurn({ session: caller.session as SessionId, text, oldest: oldest as CallId | '' })
      return { output: { ids: found.ids }, text: found.text, labels: found.labels }
    },
  }
}
