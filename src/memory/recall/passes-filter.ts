/** The filter of a search for passages that were not searched for: neighbours must not bring in what the question left out. */
import type { MemoryEntry, MemoryFilter } from '../../store/index.ts'

export function passesFilter(entry: MemoryEntry, filter: MemoryFilter): boolean {
  const { kinds, types, tiers, sessions, tags, withoutLabels, before } = filter
  if (kinds !== undefined && !kinds.includes(entry.kind)) return false
  if (types !== undefined && !types.includes(entry.type)) return false
  if (tiers !== undefined && !tiers.includes(entry.tier)) return false
  if (sessions !== undefined && !sessions.some((session) => session === entry.session)) return false
  if (filter.notSession !== undefined && entry.session === filter.notSession) return false
  if (tags !== undefined && !tags.every((tag) => entry.tags.includes(tag))) return false
  if (withoutLabels !== undefined && withoutLabels.some((label) => entry.labels.includes(label))) return false
  if (filter.createdAfter !== undefined && entry.createdAt <= filter.createdAfter) return false
  if (filter.createdBefore !== undefined && entry.createdAt >= filter.createdBefore) return false
  return before === undefined || entry.stream !== before.stream || entry.place <= before.place
}
