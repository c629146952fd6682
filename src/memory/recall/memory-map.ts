/**
 * A map of memory: memories with similar meaning stand near each other. Their vectors are projected on the two directions in which they
 * differ most (principal components, by power iteration). Where vectors are missing or would cost money, the axes are time and kind.
 */
import { setImmediate as breathe } from 'node:timers/promises'
import type { MemoryFilter, MemoryKind, MemoryStore } from '../../store/index.ts'
import { truncate } from '../../base/index.ts'
import type { MapPoint, MemoryMap } from '../memory-schemas.ts'
import { wholeText } from '../keep/memory-item.ts'
import type { TextEngine } from '../text/text-engine.ts'

export interface MapDeps {
  readonly memory: MemoryStore
  readonly text: () => Promise<TextEngine>
  /** Whether a vector costs nothing: it is made on this machine. */
  readonly hasOwnVectors: boolean
}

const shownCharacters = 200
const embeddedCharacters = 1_000
/** By then the directions have settled to less than a pixel. */
const iterations = 24

export async function makeMap(
  { memory, text, hasOwnVectors }: MapDeps,
  filter: Pick<MemoryFilter, 'kinds' | 'persona'>,
  limit: number,
): Promise<MemoryMap> {
  const entries = await memory.list({ ...filter, validAt: Date.now() }, limit)
  const items = await memory.items(entries.map(({ id }) => id))
  const texts = items.map(({ passages }) => wholeText(passages))
  const vectors =
    hasOwnVectors && items.length > 2 ? await (await text()).embed(texts.map((each) => each.slice(0, embeddedCharacters))) : null
  const places = vectors === null ? placesByTime(items.map(({ entry }) => entry)) : await project(vectors)
  const points = items.map(({ entry: { id, kind, tags, createdAt } }, index): MapPoint => {
    const [x, y] = places[index] ?? [0.5, 0.5]
    return { id, kind, text: truncate(texts[index] ?? '', shownCharacters), tags, created_at: createdAt, x, y }
  })
  return { by: vectors === null ? 'time' : 'meaning', points }
}

type Place = readonly [x: number, y: number]

const rows: readonly MemoryKind[] = ['note', 'fact', 'document', 'summary', 'message']

function placesByTime(entries: readonly { readonly createdAt: number; readonly kind: MemoryKind }[]): readonly Place[] {
  const xs = spread(entries.map(({ createdAt }) => createdAt))
  return entries.map(({ kind }, index) => [xs[index]!, (rows.indexOf(kind) + 0.5) / rows.length])
}

/** @returns places between 0 and 1. Leaves the event loop free between iterations. */
export async function project(vectors: readonly Float32Array[]): Promise<readonly Place[]> {
  const dims = vectors[0]?.length ?? 0
  const mean = new Float64Array(dims)
  for (const vector of vectors) for (let d = 0; d < dims; d += 1) mean[d]! += vector[d]! / vectors.length
  const centred = vectors.map((vector) => vector.map((value, d) => value - mean[d]!))
  const first = await direction(centred, null)
  const second = await direction(centred, first)
  const [xs, ys] = [spread(centred.map((vector) => dot(vector, first))), spread(centred.map((vector) => dot(vector, second)))]
  return vectors.map((_, index) => [xs[index]!, ys[index]!])
}

/** The direction in which the vectors differ most, at right angles to another one. */
async function direction(vectors: readonly Float32Array[], other: Float64Array | null): Promise<Float64Array> {
  const dims = vectors[0]?.length ?? 0
  // The same start each time, so that the map of the same memories is the same.
  let current: Float64Array = Float64Array.from({ length: dims }, (_, d) => Math.sin(d * 12.9898 + (other === null ? 1 : 2)))
  for (let step = 0; step < iterations; step += 1) {
    const next = new Float64Array(dims)
    for (const vector of vectors) {
      const share = dot(vector, current)
      for (let d = 0; d < dims; d += 1) next[d]! += share * vector[d]!
    }
    if (other !== null) {
      const share = dot(next, other)
      for (let d = 0; d < dims; d += 1) next[d]! -= share * other[d]!
    }
    const length = Math.sqrt(dot(next, next))
    if (length === 0) return current
    current = next.map((value) => value / length)
    await breathe()
  }
  return current
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0
  for (let d = 0; d < a.length; d += 1) sum += a[d]! * b[d]!
  return sum
}

/** Half by value and half by rank: groups stay groups, and one far point does not press all others together. */
function spread(values: readonly number[]): readonly number[] {
  const sorted = values.toSorted((a, b) => a - b)
  const [least = 0, most = 0] = [sorted[0], sorted.at(-1)]
  const rankOf = new Map(sorted.map((value, rank) => [value, rank / Math.max(1, sorted.length - 1)]))
  return values.map((value) => (most === least ? 0.5 : (value - least) / (most - least) / 2 + rankOf.get(value)! / 2))
}
