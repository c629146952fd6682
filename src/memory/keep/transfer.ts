/**
 * Export and import as JSON lines, one for each memory; an import restores exactly what was exported. Vectors are left out: they belong to a
 * model and are rebuilt.
 */
import { z } from 'zod'
import type { MemoryChange, MemoryEntry, MemoryItem } from '../../store/index.ts'
import type { Caller } from '../../protocol/index.ts'
import type { SessionId } from '../../base/index.ts'
import type { KeepDeps } from './exclusive-writer.ts'
import { wholeText } from './memory-item.ts'
import { mayRecall, reachOf } from './provenance.ts'
import { byItsPlugin } from './plugin-notes.ts'
import { maxNameCharacters, maxRelations, maxTagCharacters, maxTags, transferPage } from './keep-limits.ts'
import { eraseEntries } from '../forget/erase-entries.ts'
import { memoryTypes } from '../tidy/decay.ts'

export const exportPage = z.strictObject({
  lines: z.array(z.string()).readonly(),
  next: z.string().nullable().describe('Cursor of the next page; null at the end.'),
})

export type ExportPage = z.infer<typeof exportPage>

export const imported = z.strictObject({
  added: z.number(),
  replaced: z.number(),
  unchanged: z.number(),
  conflicts: z.array(z.string()).readonly().describe('Ids that exist with different content and were not changed.'),
  refused: z
    .array(z.strictObject({ line: z.number(), why: z.string() }))
    .readonly()
    .describe('Invalid lines, from 1, with the reason.'),
})

export type Imported = z.infer<typeof imported>

export interface Transfer {
  /** Newest first. @param after `next` of the page before, empty for the first. @throws OxbowError `bad_input` */
  exportPage(after: string, caller: Caller): Promise<ExportPage>
  /** In the order of `ids`; unknown ones, and those that the caller does not reach, are left out. */
  exportItems(ids: readonly string[], caller: Caller): Promise<readonly string[]>
  /**
   * Overwrites only if asked to. An invalid line does not affect others.
   * @param how `untrusted`: labels every entry untrusted, whatever its line says
   */
  importLines(
    lines: readonly string[],
    how: { readonly overwrite: boolean; readonly untrusted: boolean },
    caller: Caller,
  ): Promise<Imported>
  /** Erases entries whole; unknown ids are left out. @returns how many there were */
  remove(ids: readonly string[]): Promise<number>
}

const time = z.int().min(-8.64e15).max(8.64e15)
/** Separator of lists in the store. */
const listed = z
  .string()
  .min(1)
  .refine((text) => !text.includes('\u001f'), 'it holds the character U+001F')
const id = listed.max(200)
const name = z.string().max(maxNameCharacters)
const longestPassage = 64 * 1024

/** Format version of a line. */
const lineSchema = z.strictObject({
  oxbow_memory: z.literal(1),
  id,
  kind: z.enum(['message', 'note', 'fact', 'document', 'summary']),
  type: z.enum(memoryTypes as [MemoryEntry['type']]),
  session: z.string().max(100),
  stream: name,
  place: z.int().min(0),
  author: name,
  tags: z.array(listed.max(maxTagCharacters)).max(maxTags),
  labels: z.array(z.enum(['untrusted', 'private'])).max(2),
  created_at: time,
  updated_at: time,
  valid_from: time,
  valid_to: time.nullable(),
  superseded_by: z.string().max(200),
  contradicts: z.array(id).max(maxRelations),
  confirmed_by: z.array(id).max(maxRelations),
  importance: z.number().min(0).max(1),
  tier: z.enum(['hot', 'warm', 'cold']),
  protection: z.enum(['none', 'low', 'medium', 'high', 'permanent']),
  accesses: z.int().min(0),
  accessed_at: time,
  seq: z.int().min(0),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  extra: z.string().max(64 * 1024),
  passages: z
    .array(z.strictObject({ start: z.int().min(0), text: z.string().max(longestPassage), context: z.string().max(longestPassage) }))
    .min(1)
    .max(10_000),
})

type Line = z.infer<typeof lineSchema>

export function createTransfer(deps: KeepDeps): Transfer {
  const { memory } = deps
  return {
    async exportPage(after, caller) {
      const [, at, last] = /^(-?\d+):(.+)$/.exec(after) ?? []
      const entries = await memory.list(
        reachOf(caller),
        transferPage,
        at === undefined ? undefined : { createdAt: Number(at), id: last ?? '' },
      )
      const items = await memory.items(entries.map((entry) => entry.id))
      const end = entries.at(-1)
      const next = end === undefined || entries.length < transferPage ? null : `${end.createdAt}:${end.id}`
      return { lines: items.map(lineOf), next }
    },
    exportItems: async (ids, caller) =>
      (await memory.items(ids)).filter(({ entry: { author } }) => mayRecall(author, reachOf(caller).persona)).map(lineOf),
    async importLines(lines, { overwrite, untrusted }, caller) {
      const { persona } = reachOf(caller)
      const refused: { line: number; why: string }[] = []
      const parsed = new Map<string, Line>()
      lines.forEach((text, i) => {
        const read = text.trim() === '' ? null : parseLine(text)
        const line = read === null || typeof read === 'string' || !untrusted ? read : distrusted(read)
        const isOthers = line !== null && typeof line !== 'string' && !mayRecall(line.author, persona)
        if (isOthers) refused.push({ line: i + 1, why: 'a persona keeps it for itself: the person imports it' })
        else if (typeof line === 'string') refused.push({ line: i + 1, why: line })
        else if (line !== null && parsed.has(line.id)) refused.push({ line: i + 1, why: 'the id was on a line before' })
        else if (line !== null) parsed.set(line.id, line)
      })
      const known = new Map((await memory.items([...parsed.keys()])).map((item) => [item.entry.id, item]))
      const conflicts: string[] = []
      const changes: MemoryChange[] = []
      let unchanged = 0
      for (const line of parsed.values()) {
        const there = known.get(line.id)
        if (there !== undefined && areDuplicates(parseLine(lineOf(there)), line)) unchanged += 1
        else if (there !== undefined && (!overwrite || !mayRecall(there.entry.author, persona))) conflicts.push(line.id)
        else changes.push({ change: 'put', item: await itemOf(deps, line) })
      }
      if (changes.length > 0) await memory.change(changes)
      const put = changes.flatMap((change) => (change.change === 'put' ? [change.item.entry] : []))
      deps.changed({ put })
      const replaced = put.filter((entry) => known.has(entry.id)).length
      return { added: put.length - replaced, replaced, unchanged, conflicts, refused }
    },
    async remove(ids) {
      const items = await memory.items(ids)
      await eraseEntries(deps, items)
      return items.length
    },
  }
}

/** Removes references to records of another journal. */
function distrusted(line: Line): Line {
  return { ...line, seq: 0, labels: [...new Set([...line.labels, 'untrusted' as const])].sort() }
}

function lineOf({ entry, passages }: MemoryItem): string {
  const line: Line = {
    oxbow_memory: 1,
    id: entry.id,
    kind: entry.kind,
    type: entry.type,
    session: entry.session,
    stream: entry.stream,
    place: entry.place,
    author: entry.author,
    tags: [...entry.tags],
    labels: [...entry.labels],
    created_at: entry.createdAt,
    updated_at: entry.updatedAt,
    valid_from: entry.validFrom,
    valid_to: entry.validTo,
    superseded_by: entry.supersededBy,
    contradicts: [...entry.contradicts],
    confirmed_by: [...entry.confirmedBy],
    importance: entry.importance,
    tier: entry.tier,
    protection: entry.protection,
    accesses: entry.accesses,
    accessed_at: entry.accessedAt,
    seq: entry.seq,
    hash: entry.hash,
    extra: entry.extra,
    passages: passages.map(({ start, text, context }) => ({ start, text, context })),
  }
  return JSON.stringify(line)
}

/** Ignores accesses, importance, tier and protection, so that an export does not conflict with entries that were only recalled since. */
function areDuplicates(there: Line | string, line: Line): boolean {
  if (typeof there === 'string') return false
  const { accesses, accessed_at, importance, tier, protection } = line
  return JSON.stringify({ ...there, accesses, accessed_at, importance, tier, protection }) === JSON.stringify(line)
}

/** @returns the parsed line, or why it is invalid. */
function parseLine(text: string): Line | string {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return 'it is not JSON'
  }
  const parsed = lineSchema.safeParse(value)
  if (parsed.success) return byItsPlugin(parsed.data)
  const [issue] = parsed.error.issues
  return issue === undefined ? 'it is no memory' : `${issue.path.join('.') || 'the line'}: ${issue.message}`
}

/** Recomputes terms and hash, which a line from elsewhere can misstate. */
async function itemOf({ text, hash }: KeepDeps, line: Line): Promise<MemoryItem> {
  const engine = await text()
  const terms = await Promise.all(line.passages.map((passage) => engine.storedTerms(passage.text)))
  const passages = line.passages.map((passage, part) => ({ ...passage, part, terms: terms[part] ?? '' }))
  const entry: MemoryEntry = {
    id: line.id,
    kind: line.kind,
    type: line.type,
    session: line.session as SessionId | '',
    stream: line.stream,
    place: line.place,
    author: line.author,
    tags: [...new Set(line.tags)].sort(),
    labels: [...new Set(line.labels)].sort(),
    createdAt: line.created_at,
    updatedAt: line.updated_at,
    validFrom: line.valid_from,
    validTo: line.valid_to,
    supersededBy: line.superseded_by,
    contradicts: [...new Set(line.contradicts)].sort(),
    confirmedBy: [...new Set(line.confirmed_by)].sort(),
    importance: line.importance,
    tier: line.tier,
    protection: line.protection,
    accesses: line.accesses,
    accessedAt: line.accessed_at,
    seq: line.seq,
    hash: line.kind === 'document' || line.passages.length > 1 ? line.hash : (await hash())(wholeText(line.passages)),
    extra: line.extra,
  }
  return { entry, passages }
}
