/** `memory.search` and `memory.recall`: search notes, documents and conversations, and show why each result matches. */
import { z } from 'zod'
import { cleanTag, describeRecalled, type Memory, nearEnough, reachOf, type Recalled, recallReason, sourcesOf } from '../../memory/index.ts'
import type { CallId, Json, SessionId } from '../../base/index.ts'
import {
  type Call,
  type CallContext,
  defineCall,
  type Done,
  evident,
  labelSchema,
  searchMemoryCall,
  recallCall,
} from '../../protocol/index.ts'
import { changedNotes, matches, type PlannedNote } from './planned-notes.ts'
import { looking, moment, sha256, tags, toMoment } from './call-facts.ts'
import { defaultMemoryResults, maxMemoryQueryCharacters, maxMemoryResults, recallTimeoutMs, searchTokens } from '../limits.ts'

/** One result. The first eight fields except `weak` match the reference implementation. */
const searchHit = z.strictObject({
  note_id: z.string(),
  text: z.string(),
  match: z.string().describe('The best matching sentence.'),
  score: z.number(),
  weak: z.boolean().describe('True: only the nearest result, perhaps about something else.'),
  source: z.enum(['user_memory', 'conversation', 'document', 'summary']),
  tags: z.array(z.string()).readonly(),
  created_at: z.number(),
  updated_at: z.number(),
  author: z.string(),
  labels: z.array(labelSchema()).readonly(),
  holds: z.boolean().describe('False: superseded, or no longer valid.'),
  superseded_by: z.string(),
  contradicts: z.array(z.string()).readonly(),
  why: recallReason,
})

type SearchHit = z.infer<typeof searchHit>

const sources = { note: 'user_memory', fact: 'user_memory', message: 'conversation', document: 'document', summary: 'summary' } as const

export function searchCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: searchMemoryCall,
    routes: [{ method: 'GET', path: '/memory/search' }],
    reaches: { kind: 'tags', fields: ['tags'] },
    event: () => ({ kind: 'memory_recalled', fields: { source: 'search' } }),
    summary: 'Searches notes and documents; with include_conversation, also messages of all sessions.',
    input: z.strictObject({
      query: z.string().min(1).max(maxMemoryQueryCharacters).meta(evident('Words, names or a question; "exact phrases" in quotes.')),
      top_k: z.int().min(1).max(maxMemoryResults).default(defaultMemoryResults).meta(evident('Maximum number of results.')),
      include_conversation: z.boolean().default(false).meta(evident('Also search the messages of all sessions.')),
      tags: tags.optional().meta(evident('Only memories with all of these tags.')),
      as_of: moment.optional().describe('Only what was valid on this date, e.g. 2026-11-21.'),
    }),
    output: z.array(searchHit).readonly(),
    example: { query: 'which editor does the person prefer', top_k: 5, include_conversation: false },
    audience: ['model', 'terminal'],
    // A query may name what was forgotten or is secret: the journal has only its hash.
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
        ...reachOf(caller),
      }
      const { session } = caller
      const search = { text: query, filter, limit, tokens: searchTokens, withMatch: true, ...(session !== '' && { session }) }
      const found = await recall.recall(search)
      const entries = found.map(({ passage }) => passage.entry)
      const labels = [...new Set(entries.flatMap((entry) => entry.labels))].sort()
      const near = new Set(nearEnough(found))
      // Good matches first: a weak one between them would be read as a good one.
      const [strong, weak] = [found.filter((each) => near.has(each)), found.filter((each) => !near.has(each))]
      const tell = (all: readonly Recalled[]): readonly string[] => all.map((each) => describeRecalled(each, clock.now()))
      const parts = [
        ...(strong.length > 0 ? tell(strong) : [nothingFound(withTalk)]),
        ...(weak.length > 0 ? ['Weak matches, perhaps about something else:', ...tell(weak)] : []),
      ]
      const output = [...strong.map((each) => hitOf(each, false)), ...weak.map((each) => hitOf(each, true))]
      return {
        output,
        text: parts.join('\n\n'),
        labels,
        ...(labels.includes('private') && { origins: sourcesOf(entries, searchMemoryCall) }),
      }
    },
    async planned(input, plan, context) {
      const found: Done<readonly SearchHit[]> = await searchCall(memory).run(input, context)
      const changed = changedNotes(plan)
      if (changed.size === 0) return found
      const there = found.output.filter(({ note_id: id }) => changed.get(id) === undefined)
      const own = [...changed].flatMap(([id, note]) =>
        note !== null && matches(note, input.query, input.tags ?? []) ? [ownHit(id, note, context)] : [],
      )
      const output = [...own, ...there.filter(({ note_id: id }) => !changed.has(id))].slice(0, input.top_k)
      return { ...found, output, text: output.map(({ note_id: id, text }) => `${id}: ${text}`).join('\n\n') || nothingFound(false) }
    },
  })
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

/** A note that a plan has written. */
function ownHit(id: string, { text, tags: own }: PlannedNote, { clock, caller, labels }: CallContext): SearchHit {
  const now = clock.now()
  return {
    note_id: id,
    text,
    match: text,
    score: 1,
    weak: false,
    source: 'user_memory',
    tags: own,
    created_at: now,
    updated_at: now,
    author: caller.actor,
    labels: labels(),
    holds: true,
    superseded_by: '',
    contradicts: [],
    why: { textRank: 1, textScore: null, vectorRank: null, vectorScore: null, closeness: null, exact: [], prior: 0, standsFor: [] },
  }
}

function nothingFound(withTalk: boolean): string {
  return withTalk ? 'No matches found.' : 'No matches found. include_conversation also searches past messages.'
}

// `memory.recall` runs before each turn. Its outcome is part of the conversation, so that a replayed session sees the same.

export function recallingCall(memory: Memory): Call {
  return defineCall({
    ...looking,
    name: recallCall,
    reaches: { kind: 'tags', fields: ['tags'] },
    event: () => ({ kind: 'memory_recalled', fields: { source: 'turn' } }),
    summary: 'Recalls memories that match the newest message, before a turn.',
    timeoutMs: recallTimeoutMs,
    input: z.strictObject({
      text: z.string(),
      oldest: z.string().describe('Oldest message of a person that the model sees; empty: it sees the whole session.'),
      before: z.string().describe('The message: what is recalled stands before it in the conversation, whenever it was found.'),
      tags: tags.default([]),
      told: z.array(z.string()).default([]).describe('What the window and its summary show, of earlier recalls too.'),
    }),
    output: z.strictObject({ ids: z.array(z.string()).readonly(), before: z.string() }),
    example: { text: 'Which editor do I use?', oldest: '', before: '01890a5d-ac96-774b-bcce-b302099a8057', tags: [], told: [] },
    audience: ['runtime'],
    // The journal already has the text as the message.
    recordInput: ({ oldest }) => ({ oldest }),
    recordOutput: ({ ids, before }) => ({ ids, before }),
    async run({ text, oldest, before, tags: wanted, told }, { caller, signal }) {
      const session = caller.session as SessionId
      const question = {
        session,
        text,
        oldest: oldest as CallId | '',
        message: before as CallId,
        tags: wanted.map(cleanTag),
        told,
        signal,
        ...reachOf(caller),
      }
      const found = await memory.recallForTurn(question)
      const { labels, from } = found
      return { output: { ids: found.ids, before }, text: found.text, labels, ...(labels.includes('private') && { origins: from }) }
    },
  })
}
