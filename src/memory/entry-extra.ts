/** What the maker of an entry leaves in it beside its text: where it comes from, and what became of it. */
import type { MemoryEntry } from '../store/index.ts'
import { maxRelations, maxSections, maxSessions } from './keep/keep-limits.ts'

export interface EntryExtra {
  /** The call that wrote it, and who made that call in which session and turn. */
  readonly call?: string
  readonly actor?: string
  readonly session?: string
  readonly turn?: string
  /** The first sessions in which it was wanted, distinct, `maxSessions` at most. */
  readonly sessions?: readonly string[]
  /** Ids of what it took the place of. */
  readonly supersedes?: readonly string[]
  /** A person who said that it may be trusted. */
  readonly promoted?: { readonly by: string; readonly at: number }
  /** Of a document: its title, and the hash of the file. */
  readonly title?: string
  readonly file?: string
  readonly sections?: number
}

/** Never throws: an import may have brought anything, and what is not fit is not there. */
export function extraOf(entry: Pick<MemoryEntry, 'extra'>): EntryExtra {
  try {
    const value: unknown = JSON.parse(entry.extra === '' ? '{}' : entry.extra)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
    return Object.fromEntries(Object.entries(value).filter(([name, each]) => fits(name, each)))
  } catch {
    return {}
  }
}

function fits(name: string, value: unknown): boolean {
  if (/^(?:call|actor|session|turn|title|file)$/.test(name)) return typeof value === 'string'
  if (name === 'supersedes') return Array.isArray(value) && value.length <= maxRelations && value.every((id) => typeof id === 'string')
  if (name === 'sessions') return Array.isArray(value) && value.length <= maxSessions && value.every((id) => typeof id === 'string')
  if (name === 'sections') return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= maxSections
  if (name !== 'promoted') return true
  const { by, at } = (typeof value === 'object' ? (value ?? {}) : {}) as { readonly by?: unknown; readonly at?: unknown }
  return typeof by === 'string' && typeof at === 'number'
}
