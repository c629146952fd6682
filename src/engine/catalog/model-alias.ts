/** Other names of a known model, and the nearest known names to one that is not. */
import { maxModelNameChars, nearestNames } from '../limits.ts'

/** A day's snapshot of a model, as vendors name it: `-20250929`, `-2024-08-06`, `@20250929`. */
const dated = /[-@](?:20\d{6}|20\d\d-\d\d-\d\d)$/
/** Names that mean the newest: `-latest`, and `@default` of Vertex. */
const moving = /(?:-latest|@default)$/
/** Stable versions of Gemini: `gemini-2.0-flash-001`. */
const numbered = /-00\d$/

/**
 * Finds a model by another of its names: with `models/` before it, a snapshot of a model that is known without the date, or the
 * newest snapshot of a model that is known only with one. Never a guess: another version is another model.
 * @returns the id, or null
 */
export function findModelId(ids: ReadonlySet<string>, name: string): string | null {
  if (name.length > maxModelNameChars) return null
  if (ids.has(name)) return name
  const bare = name.replace(/^models\//, '')
  for (const part of [dated, moving, numbered, null]) {
    if (part !== null && !part.test(bare)) continue
    const base = part === null ? bare : bare.replace(part, '')
    if (ids.has(base)) return base
    // A certain day or number is never taken for another one.
    if (part === dated || part === numbered) continue
    if (ids.has(`${base}-latest`)) return `${base}-latest`
    const snapshots = [...ids].filter((id) => dated.test(id) && id.replace(dated, '') === base).sort()
    const newest = snapshots.at(-1)
    if (newest !== undefined) return newest
  }
  return null
}

/** @returns up to three of the ids that are most like the name, the nearest first; none that is not like it at all. */
export function nearestIds(ids: Iterable<string>, name: string): string[] {
  const wanted = plain(name.slice(0, maxModelNameChars))
  if (wanted === '') return []
  return [...ids]
    .map((id) => {
      const other = plain(id)
      // A part of a name is typed more often than a name is misspelt.
      const within = other.includes(wanted) || wanted.includes(other)
      return { id, distance: distanceOf(wanted, other) / Math.max(wanted.length, other.length) - (within ? 0.3 : 0) }
    })
    .filter(({ distance }) => distance < 0.5)
    .sort((a, b) => a.distance - b.distance || (a.id < b.id ? -1 : 1))
    .slice(0, nearestNames)
    .map(({ id }) => id)
}

function plain(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
}

/** Edits (insert, delete, replace) between two texts. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
