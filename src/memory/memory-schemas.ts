/** Schemas of what memory says of itself; the types follow from them. */
import { z } from 'zod'
import type { MemoryType } from '../store/index.ts'
import { idSchema, labelSchema } from '../protocol/index.ts'
import { memoryTypes } from './tidy/decay.ts'

const kind = z.enum(['message', 'note', 'fact', 'document', 'summary'])
const labels = z.array(labelSchema()).readonly()

const related = z.strictObject({ id: z.string(), text: z.string() })

/** A related memory. */
export type Related = z.infer<typeof related>

const recordOf = z.strictObject({
  seq: z.int(),
  at: z.number(),
  actor: z.string(),
  session: z.string(),
  turn: z.string(),
  call: z.string(),
  name: z.string(),
  phase: z.string(),
  hash: z.string(),
  erased: z.boolean().describe('The body was erased; its hash remains.'),
})

export type RecordOf = z.infer<typeof recordOf>

export const provenance = z.strictObject({
  id: z.string(),
  kind,
  type: z.enum(memoryTypes as [MemoryType]),
  text: z.string(),
  tags: z.array(z.string()).readonly(),
  labels,
  importance: z.number(),
  tier: z.enum(['hot', 'warm', 'cold']),
  protection: z.enum(['none', 'low', 'medium', 'high', 'permanent']),
  accesses: z.int(),
  created_at: z.number(),
  updated_at: z.number(),
  valid_from: z.number(),
  valid_to: z.number().nullable(),
  holds: z.boolean(),
  by: z
    .strictObject({ actor: z.string(), session: z.string(), turn: z.string(), call: z.string(), author: z.string() })
    .describe('Who wrote it: the caller, in which session and turn, by which call. Empty texts: unknown.'),
  record: recordOf.nullable().describe('The record it was made from, or null.'),
  promoted: z
    .strictObject({ by: z.string(), at: z.number() })
    .nullable()
    .describe('The person who removed the label `untrusted`, and when.'),
  superseded_by: related.nullable(),
  supersedes: z.array(related).readonly(),
  contradicts: z.array(related).readonly(),
  confirmed_by: z.array(related).readonly(),
  learned_by: z.enum(['rule', 'model']).exactOptional().describe('What read it in the message that it comes from; absent: it was written.'),
})

export type Provenance = z.infer<typeof provenance>

export const memoryReport = z.strictObject({
  entries: z.int(),
  passages: z.int(),
  byKind: z.partialRecord(kind, z.int()).readonly(),
  models: z.array(z.strictObject({ model: z.string(), dims: z.int(), state: z.enum(['building', 'active']), vectors: z.int() })).readonly(),
  bytes: z.number().describe('Bytes that memory takes, as far as the store can tell.'),
  indexed: z.int().describe('Last record that was indexed.'),
  journal: z.int().describe('The newest record of the journal.'),
  waiting: z.int().describe('Passages without a vector of the active model.'),
  problem: z.string().nullable().describe('Why indexing has stopped; null while it works.'),
})

export type MemoryReport = z.infer<typeof memoryReport>

export const reindexed = z.strictObject({
  messages: z.int().describe('Of conversations.'),
  written: z.int().describe('Notes, facts, sections of documents, summaries.'),
  vectors: z.boolean().describe('True while vectors are being rebuilt; false without an embedder.'),
})

export type Reindexed = z.infer<typeof reindexed>

const mapPoint = z.strictObject({
  id: z.string(),
  kind,
  text: z.string(),
  tags: z.array(z.string()).readonly(),
  created_at: z.number(),
  x: z.number().describe('0 to 1.'),
  y: z.number().describe('0 to 1.'),
})

export type MapPoint = z.infer<typeof mapPoint>

export const memoryMap = z.strictObject({
  by: z.enum(['meaning', 'time']).describe('What near means.'),
  points: z.array(mapPoint).readonly().describe('Newest first.'),
})

export type MemoryMap = z.infer<typeof memoryMap>

const forgettable = z.strictObject({
  entries: z.array(z.strictObject({ id: z.string(), kind: z.string(), text: z.string() })).readonly(),
  records: z.array(z.strictObject({ seq: z.int(), at: z.number(), name: z.string(), phase: z.string(), session: z.string() })).readonly(),
  marks: z
    .array(z.strictObject({ text: z.string(), entries: z.int() }))
    .readonly()
    .describe('Matching tags and titles, and how many remaining entries lose them.'),
  labels: labels.describe('Labels of the entries, to be shown with their text.'),
})

/** What is to be erased, or was. */
export type Forgettable = z.infer<typeof forgettable>

const forgotten = forgettable.extend({
  bodies: z.int().describe('Erased bodies of the journal.'),
  blobs: z.int().describe('Erased blobs of the journal.'),
  derived: z.int().describe('Changed summaries, titles, tags and other derived data.'),
  later: z.array(z.int()).readonly().describe('Records of running calls and turns: their bodies are erased when these end.'),
  running: z
    .array(idSchema('TurnId'))
    .readonly()
    .describe('Running turns in the same sessions: what they say about it and their exchanges are erased when they end.'),
  left: z.int().describe('Matching entries, tags and records found by repeating the search, without `later`. 0 proves the erasure.'),
})

export type Forgotten = z.infer<typeof forgotten>

export const forgetOutput = z.union([forgettable.extend({ dry_run: z.literal(true) }), forgotten.extend({ dry_run: z.literal(false) })])

export type ForgetOutput = z.infer<typeof forgetOutput>

export const recallReason = z.strictObject({
  textRank: z.int().nullable().describe('Rank from 1 in the list of words; null when it is not in it.'),
  textScore: z.number().nullable(),
  vectorRank: z.int().nullable().describe('The same in the list of vectors.'),
  vectorScore: z.number().nullable(),
  closeness: z
    .number()
    .nullable()
    .describe("How close its words are to the question's, one by one, 0 to 1; null where no table of words compared them."),
  exact: z.array(z.string()).readonly().describe('Quoted phrases and identifiers of the question that stand in it.'),
  prior: z.number().describe('What recency and importance added to the fused score.'),
  standsFor: z.array(z.string()).readonly().describe('Ids of near-duplicates that it stands for.'),
})

export type RecallReason = z.infer<typeof recallReason>
