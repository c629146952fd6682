/** `oxbow memory search`, `why` and `stats`. */
import type { Terminal } from '../terminal.ts'
import { askAndPrint, type MemoryChoice } from './memory-ask.ts'
import { searchText, type ShownHit, type ShownStats, type ShownWhy, statsText, whyText } from './memory-text.ts'

export interface SearchOptions extends MemoryChoice {
  readonly limit: number
  readonly tag?: readonly string[] | undefined
  readonly notes?: boolean | undefined
  readonly asOf?: string | undefined
  readonly why?: boolean | undefined
}

export async function memorySearch(words: readonly string[], options: SearchOptions, terminal: Terminal): Promise<number> {
  const input = {
    query: words.join(' '),
    top_k: Math.max(1, options.limit),
    include_conversation: options.notes !== true,
    ...(options.tag !== undefined && { tags: options.tag }),
    ...(options.asOf !== undefined && { as_of: options.asOf }),
  }
  const show = (hits: readonly ShownHit[]): string => searchText(hits, options.why === true)
  return askAndPrint({ name: 'memory.search', input }, options, terminal, show)
}

export async function memoryWhy(id: string, options: MemoryChoice, terminal: Terminal): Promise<number> {
  return askAndPrint<ShownWhy>({ name: 'memory.why', input: { note_id: id } }, options, terminal, whyText)
}

export async function memoryStats(options: MemoryChoice, terminal: Terminal): Promise<number> {
  return askAndPrint<ShownStats>({ name: 'memory.stats', input: {} }, options, terminal, statsText)
}
