/** Lays one source over another, value by value, and remembers who said each. */
import type { ModelEntry } from './catalog-entry.ts'

/** Who said a value, the strongest last. `configuration` and `assumed` are of facts, which are made from entries. */
export type Origin = 'assumed' | 'package' | 'refreshed' | 'overlay' | 'configuration'

export interface LayeredEntry {
  readonly entry: ModelEntry
  /** By key of the entry, `limit.context`, `limit.output` and `modalities.input` with both. */
  readonly origins: Readonly<Record<string, Origin>>
}

export const nothingSaid: LayeredEntry = { entry: {}, origins: {} }

/** A cost is taken whole: prices of two sources do not belong together. */
const whole = ['name', 'reasoning', 'tool_call', 'temperature', 'structured_output', 'release_date', 'cost', 'status'] as const

export function layOver(below: LayeredEntry, above: ModelEntry, origin: Origin): LayeredEntry {
  const entry: Record<string, unknown> = { ...below.entry }
  const origins: Record<string, Origin> = { ...below.origins }
  for (const key of whole) {
    if (above[key] === undefined) continue
    entry[key] = above[key]
    origins[key] = origin
  }
  for (const [key, value] of Object.entries(above.limit ?? {})) if (value !== undefined) origins[`limit.${key}`] = origin
  for (const [key, value] of Object.entries(above.modalities ?? {})) if (value !== undefined) origins[`modalities.${key}`] = origin
  entry['limit'] = { ...below.entry.limit, ...said(above.limit) }
  entry['modalities'] = { ...below.entry.modalities, ...said(above.modalities) }
  return { entry, origins }
}

function said(values: object | undefined): object {
  return Object.fromEntries(Object.entries(values ?? {}).filter(([, value]) => value !== undefined))
}
