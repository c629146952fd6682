/**
 * The columns that a search needs of every passage, in memory: one slot for each passage, about 80 bytes. This makes filters part of
 * ranking: a passage that does not pass is never scored, and a search never returns fewer hits than exist.
 */
import type { MemoryFilter } from '../memory.ts'
import { textList } from '../memory/memory-rows.ts'
import { createStreamOrder } from './stream-order.ts'

/** A passage and its entry, in the order of the columns of the query. */
export type SlotRow = readonly [
  passage: number,
  length: number,
  kind: string,
  type: string,
  tier: string,
  session: string,
  stream: string,
  tags: string,
  labels: string,
  place: number,
  createdAt: number,
  validFrom: number,
  validTo: number | null,
  entry: number,
]

export interface SlotTable {
  set(row: SlotRow): number
  /** @returns the freed slot, or -1 if the passage had none */
  drop(passage: number): number
  slotOf(passage: number): number
  passageOf(slot: number): number
  /** All slots in use are below this one. */
  high(): number
  count(): number
  /** Number of words of a passage. */
  length(slot: number): number
  averageLength(): number
  /** @returns a function that tells whether the passage of a slot passes; false for a free slot */
  passing(filter: MemoryFilter): (slot: number) => boolean
  /** @returns passages of the entries next to a slot's in its stream, in order: `before` entries before it and `after` entries after it */
  beside(slot: number, before: number, after: number): readonly number[]
  /** Number of the entry of a slot's passage. */
  entryOf(slot: number): number
  /** @returns the entries before a slot's in its stream, the nearest first */
  earlier(slot: number, limit: number): readonly number[]
  /** Order of equal scores: the newer entry first, then the earlier passage. @returns whether `a` comes before `b` */
  goesFirst(a: number, b: number): boolean
}

const codedColumns = ['kind', 'type', 'tier', 'session', 'stream', 'tags', 'labels'] as const
type Coded = (typeof codedColumns)[number]

/** Texts encoded as small numbers: kinds, sessions, sets of tags and others with few distinct values. */
interface CodedColumn {
  codes: Int32Array<ArrayBuffer>
  readonly names: string[]
  readonly codeOf: Map<string, number>
}

const numberColumns = ['length', 'place', 'createdAt', 'validFrom', 'validTo', 'entry'] as const
type Numbers = Record<(typeof numberColumns)[number], Float64Array<ArrayBuffer>>

const firstSlots = 1_024

export function createSlotTable(): SlotTable {
  let room = firstSlots
  /** Number of words of all passages. */
  let total = 0
  const places = createPlaces()
  const { passageOf, slotOf } = places
  const coded = emptyColumns(room)
  const numbers = Object.fromEntries(numberColumns.map((column) => [column, new Float64Array(room)])) as Numbers
  const streams = createStreamOrder({
    placeOf: (slot) => numbers.place[slot] ?? 0,
    entryOf: (slot) => numbers.entry[slot] ?? 0,
    streamOf: (slot) => coded.stream.codes[slot] ?? 0,
    passageOf,
  })
  const grow = (): void => {
    room *= 2
    for (const column of codedColumns) coded[column].codes = widerColumn(coded[column].codes, room)
    for (const column of numberColumns) numbers[column] = widerColumn(numbers[column], room)
  }
  return {
    set([passage, words, kind, type, tier, session, stream, tags, labels, at, createdAt, validFrom, validTo, entry]) {
      const slot = places.take(passage)
      if (slot >= room) grow()
      const texts: Record<Coded, string> = { kind, type, tier, session, stream, tags, labels }
      for (const column of codedColumns) coded[column].codes[slot] = codeOf(coded[column], texts[column])
      // SQLite's full-text index contains kind, session and tags as words and counts them.
      const length = words + 2 + textList(tags).length
      total += length - (numbers.length[slot] ?? 0)
      numbers.length[slot] = length
      numbers.place[slot] = at
      numbers.createdAt[slot] = createdAt
      numbers.validFrom[slot] = validFrom
      numbers.validTo[slot] = validTo ?? Infinity
      numbers.entry[slot] = entry
      if (stream !== '') streams.put(slot)
      return slot
    },
    drop(passage) {
      const slot = slotOf(passage)
      if (slot < 0) return -1
      streams.drop(slot)
      places.free(passage, slot)
      total -= numbers.length[slot] ?? 0
      numbers.length[slot] = 0
      return slot
    },
    slotOf,
    passageOf,
    high: places.high,
    count: places.count,
    length: (slot) => numbers.length[slot] ?? 0,
    averageLength: () => total / Math.max(1, places.count()),
    passing(filter) {
      const tests = filterTests(filter, coded, numbers)
      if (tests.length === 0) return (slot) => passageOf(slot) >= 0
      return (slot) => passageOf(slot) >= 0 && tests.every((test) => test(slot))
    },
    beside: (slot, before, after) => streams.beside(slot, before, after).map(passageOf),
    entryOf: (slot) => numbers.entry[slot] ?? 0,
    earlier: (slot, limit) => streams.earlier(slot, limit).map((each) => numbers.entry[each] ?? 0),
    goesFirst(a, b) {
      const newer = (numbers.createdAt[a] ?? 0) - (numbers.createdAt[b] ?? 0)
      return newer === 0 ? passageOf(a) < passageOf(b) : newer > 0
    },
  }
}

function emptyColumns(room: number): Record<Coded, CodedColumn> {
  const columns = codedColumns.map((column) => [
    column,
    { codes: new Int32Array(room), names: [], codeOf: new Map() } satisfies CodedColumn,
  ])
  return Object.fromEntries(columns) as Record<Coded, CodedColumn>
}

function codeOf({ names, codeOf: codes }: CodedColumn, name: string): number {
  const code = codes.get(name)
  if (code !== undefined) return code
  codes.set(name, names.length)
  names.push(name)
  return names.length - 1
}

type Test = (slot: number) => boolean

/** Tests each distinct text once, not once for each slot. */
function filterTests(filter: MemoryFilter, coded: Record<Coded, CodedColumn>, numbers: Numbers): readonly Test[] {
  const tests: Test[] = []
  const byText = (column: Coded, passes: (name: string) => boolean): void => {
    const { codes, names } = coded[column]
    const passing = Uint8Array.from(names, (name) => (passes(name) ? 1 : 0))
    tests.push((slot) => passing[codes[slot] ?? 0] === 1)
  }
  const { kinds, types, tiers, sessions, notSession, tags, withoutLabels, createdAfter, createdBefore, validAt, before } = filter
  const oneOf = (column: Coded, wanted: readonly string[] | undefined): void => {
    if (wanted !== undefined) byText(column, (name) => wanted.includes(name))
  }
  oneOf('kind', kinds)
  oneOf('type', types)
  oneOf('tier', tiers)
  oneOf('session', sessions)
  if (notSession !== undefined) byText('session', (name) => name !== notSession)
  if (tags !== undefined && tags.length > 0) {
    byText('tags', (name) => {
      const has = textList(name)
      return tags.every((tag) => has.includes(tag))
    })
  }
  if (withoutLabels !== undefined && withoutLabels.length > 0) {
    byText('labels', (name) => !textList(name).some((label) => (withoutLabels as readonly string[]).includes(label)))
  }
  if (createdAfter !== undefined) tests.push((slot) => (numbers.createdAt[slot] ?? 0) > createdAfter)
  if (createdBefore !== undefined) tests.push((slot) => (numbers.createdAt[slot] ?? 0) < createdBefore)
  if (validAt !== undefined) tests.push((slot) => (numbers.validFrom[slot] ?? 0) <= validAt && (numbers.validTo[slot] ?? 0) > validAt)
  if (before !== undefined) {
    const stream = coded.stream.codeOf.get(before.stream)
    const { codes } = coded.stream
    if (stream !== undefined) tests.push((slot) => codes[slot] !== stream || (numbers.place[slot] ?? 0) <= before.place)
  }
  return tests
}

/** Passages in one page of slots: neighbours are looked up together, and a lone passage costs little. */
const pagePassages = 256

interface Places {
  /** @returns the slot of the passage, allocated if needed */
  take(passage: number): number
  free(passage: number, slot: number): void
  slotOf(passage: number): number
  /** Passage by slot; -1 for a free slot. */
  passageOf(slot: number): number
  high(): number
  count(): number
}

export function createPlaces(): Places {
  /** By page: the slot of each passage plus one; 0 for none. */
  const pages = new Map<number, Int32Array>()
  const free: number[] = []
  let high = 0
  let count = 0
  let passages = new Float64Array(firstSlots)
  /** The last used page, which usually contains the next passage, too. */
  let last = -1
  let page: Int32Array | undefined
  const pageOf = (passage: number): Int32Array | undefined => {
    const number = Math.floor(passage / pagePassages)
    if (number !== last) {
      last = number
      page = pages.get(number)
    }
    return page
  }
  const slotOf = (passage: number): number => (pageOf(passage)?.[passage % pagePassages] ?? 0) - 1
  return {
    take(passage) {
      const taken = slotOf(passage)
      if (taken >= 0) return taken
      const slot = free.pop() ?? high++
      if (slot >= passages.length) passages = widerColumn(passages, passages.length * 2)
      let own = pageOf(passage)
      if (own === undefined) {
        own = page = new Int32Array(pagePassages)
        pages.set(last, own)
      }
      own[passage % pagePassages] = slot + 1
      passages[slot] = passage
      count++
      return slot
    },
    free(passage, slot) {
      const own = pageOf(passage)
      if (own !== undefined) own[passage % pagePassages] = 0
      passages[slot] = -1
      free.push(slot)
      count--
    },
    slotOf,
    passageOf: (slot) => (slot < high ? (passages[slot] as number) : -1),
    high: () => high,
    count: () => count,
  }
}

type Column = Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>

/** @returns a copy with this capacity, filled up with 0 */
export function widerColumn<Wider extends Column>(column: Wider, room: number): Wider {
  const wider = new (column.constructor as new (room: number) => Wider)(room)
  wider.set(column)
  return wider
}
