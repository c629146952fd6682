/** Memories as the page shows them, from the lines of an export and the results of a search. */
import type { OutputOf } from '../../../../src/client/browser-client.ts'

export type MemoryKind = 'note' | 'fact' | 'document' | 'summary' | 'message'

export interface MemoryRow {
  readonly id: string
  readonly kind: MemoryKind
  readonly text: string
  readonly tags: readonly string[]
  readonly created_at: number
  readonly isUntrusted: boolean
  /** False: superseded, or no longer valid. */
  readonly holds: boolean
  readonly isPinned: boolean
  /** Why a search has found it; empty: it did not search. */
  readonly found: string
}

export const kindTexts: Readonly<Record<MemoryKind, string>> = {
  note: 'Note',
  fact: 'Fact',
  document: 'Document',
  summary: 'Summary',
  message: 'Message',
}

interface ExportLine {
  readonly id: string
  readonly kind: MemoryKind
  readonly tags: readonly string[]
  readonly labels: readonly string[]
  readonly created_at: number
  readonly valid_to: number | null
  readonly superseded_by: string
  readonly protection: string
  readonly passages: readonly { readonly start: number; readonly text: string }[]
}

/** @param line of `memory.export` */
export function rowOfLine(line: string): MemoryRow {
  const entry = JSON.parse(line) as ExportLine
  const { id, kind, tags, created_at, superseded_by: newer, valid_to: validTo } = entry
  return {
    id,
    kind,
    tags,
    created_at,
    text: wholeText(entry.passages),
    isUntrusted: entry.labels.includes('untrusted'),
    holds: newer === '' && (validTo === null || validTo > Date.now()),
    isPinned: entry.protection === 'permanent',
    found: '',
  }
}

/** Passages overlap. */
function wholeText(passages: ExportLine['passages']): string {
  let whole = ''
  let end = 0
  for (const { start, text } of passages) {
    whole += start >= end ? `${whole === '' || start === end ? '' : ' '}${text}` : text.slice(end - start)
    end = Math.max(end, start + text.length)
  }
  return whole
}

export type SearchHit = OutputOf<'memory.search'>[number]

const kindsBySource: Readonly<Record<SearchHit['source'], MemoryKind>> = {
  user_memory: 'note',
  conversation: 'message',
  document: 'document',
  summary: 'summary',
}

export function rowOfHit(hit: SearchHit): MemoryRow {
  return {
    id: hit.note_id,
    kind: kindsBySource[hit.source],
    text: hit.text,
    tags: hit.tags,
    created_at: hit.created_at,
    isUntrusted: hit.labels.includes('untrusted'),
    holds: hit.holds,
    isPinned: false,
    found: [...(hit.weak ? ['nearest, perhaps about something else'] : []), ...reasonsOf(hit.why)].join(' · '),
  }
}

interface RecallReason {
  readonly textRank: number | null
  readonly vectorRank: number | null
  readonly closeness: number | null
  readonly exact: readonly string[]
}

/** Why it was found, in words. */
function reasonsOf({ textRank, vectorRank, closeness, exact }: RecallReason): readonly string[] {
  const ranks = [
    ...(textRank === null ? [] : [{ rank: textRank, by: 'words' }]),
    ...(vectorRank === null ? [] : [{ rank: vectorRank, by: 'meaning' }]),
  ]
  const best = ranks.filter(({ rank }) => rank === 1).map(({ by }) => by)
  return [
    ...(best.length === 0 ? [] : [`best match by ${best.join(' and ')}`]),
    ...ranks.flatMap(({ rank, by }) => (rank === 1 ? [] : [`number ${rank} by ${by}`])),
    ...(closeness === null ? [] : [`${Math.min(100, Math.round(closeness * 100))} % of the words are close`]),
    ...exact.map((phrase) => `has “${phrase}”`),
  ]
}
