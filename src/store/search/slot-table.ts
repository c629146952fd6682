/**
 * The columns that a search needs of every passage, in memory: one slot for each passage, about 50 bytes. This makes filters part of
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
  /** Author of a memory that one persona keeps for itself; empty for any other. */
  persona: string,
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
  /** Number of words of a passage; -1 if it has no slot. */
  lengthOf(passage: number): number
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
  image(): SlotImage
}

/** What few distinct entries differ in: a slot has the number of one of these. */
const scopeColumns = ['kind', 'type', 'tier', 'session', 'stream', 'tags', 'labels', 'persona'] as const
type Scope = Readonly<Record<(typeof scopeColumns)[number], string>>

const numberColumns = ['length', 'place', 'createdAt', 'entry', 'scope'] as const
type NumberColumn = (typeof numberColumns)[number]
type Columns = Record<NumberColumn, Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>

function columnsOf(room: number): Columns {
  const [place, createdAt] = [new Float64Array(room), new Float64Array(room)]
  return { place, createdAt, length: new Uint32Array(room), entry: new Uint32Array(room), scope: new Uint32Array(room) }
}

/** The table as it is written to a snapshot. */
export interface SlotImage {
  /** By slot; 0 for a free one. */
  readonly passages: Float64Array
  readonly columns: Readonly<Columns>
  /** In the order of `scopeColumns`. */
  readonly scopes: readonly (readonly string[])[]
  /** Slots whose entries hold from another time than their creation, or not without end. */
  readonly valid: readonly (readonly [slot: number, from: number, to: number | null])[]
}

const firstSlots = 1_024

export function createSlotTable(opened?: SlotImage): SlotTable {
  let room = Math.max(firstSlots, opened?.passages.length ?? 0)
  /** Number of words of all passages. */
  let total = 0
  const places = createPlaces()
  const { passageOf, slotOf } = places
  const columns = columnsOf(room)
  const scopes = createScopes()
  const valid = new Map<number, readonly [from: number, to: number]>()
  const scopeOf = (slot: number): number => columns.scope[slot] ?? 0
  const streams = createStreamOrder({
    placeOf: (slot) => columns.place[slot] ?? 0,
    entryOf: (slot) => columns.entry[slot] ?? 0,
    streamOf: (slot) => scopes.streamOf(scopeOf(slot)),
    passageOf,
  })
  const grow = (): void => {
    room *= 2
    for (const name of numberColumns) columns[name] = widerColumn(columns[name], room)
  }
  const join = (slot: number): void => {
    total += columns.length[slot] ?? 0
    if (scopes.of(scopeOf(slot))?.stream !== '') streams.put(slot)
  }
  if (opened !== undefined) {
    for (const name of numberColumns) columns[name].set(opened.columns[name])
    for (const names of opened.scopes) scopes.numberOf(names)
    for (const [slot, from, to] of opened.valid) valid.set(slot, [from, to ?? Infinity])
    for (const passage of opened.passages) places.next(passage)
    for (let slot = 0; slot < places.high(); slot++) if (passageOf(slot) >= 0) join(slot)
  }
  return {
    set(row) {
      const slot = places.take(row[0])
      if (slot >= room) grow()
      total -= columns.length[slot] ?? 0
      fillColumns(columns, slot, row, scopes)
      const [createdAt, validFrom, validTo] = [row[10], row[11], row[12]]
      if (validFrom === createdAt && validTo === null) valid.delete(slot)
      else valid.set(slot, [validFrom, validTo ?? Infinity])
      join(slot)
      return slot
    },
    drop(passage) {
      const slot = slotOf(passage)
      if (slot < 0) return -1
      streams.drop(slot)
      places.free(passage, slot)
      total -= columns.length[slot] ?? 0
      columns.length[slot] = 0
      valid.delete(slot)
      return slot
    },
    slotOf,
    passageOf,
    high: places.high,
    count: places.count,
    lengthOf: (passage) => lengthIn(columns, slotOf(passage)),
    averageLength: () => total / Math.max(1, places.count()),
    passing: (filter) => passingTest(filter, { columns, scopes, valid, passageOf }),
    beside: (slot, before, after) => streams.beside(slot, before, after).map(passageOf),
    entryOf: (slot) => columns.entry[slot] ?? 0,
    earlier: (slot, limit) => streams.earlier(slot, limit).map((each) => columns.entry[each] ?? 0),
    goesFirst(a, b) {
      const newer = (columns.createdAt[a] ?? 0) - (columns.createdAt[b] ?? 0)
      return newer === 0 ? passageOf(a) < passageOf(b) : newer > 0
    },
    image: () => imageOf({ columns, scopes, valid, passageOf }, places.high()),
  }
}

function lengthIn({ length }: Columns, slot: number): number {
  return slot < 0 ? -1 : (length[slot] ?? 0)
}

function fillColumns(
  columns: Columns,
  slot: number,
  [, words, kind, type, tier, session, stream, tags, labels, place, createdAt, , , entry, persona]: SlotRow,
  scopes: Scopes,
): void {
  columns.scope[slot] = scopes.numberOf([kind, type, tier, session, stream, tags, labels, persona])
  // Kind, session and tags count as words.
  columns.length[slot] = words + 2 + textList(tags).length
  columns.place[slot] = place
  columns.createdAt[slot] = createdAt
  columns.entry[slot] = entry
}

interface Table {
  readonly columns: Columns
  readonly scopes: Scopes
  readonly valid: ReadonlyMap<number, readonly [from: number, to: number]>
  readonly passageOf: (slot: number) => number
}

function imageOf({ columns, scopes, valid, passageOf }: Table, high: number): SlotImage {
  const used = Object.fromEntries(numberColumns.map((name) => [name, columns[name].slice(0, high)])) as unknown as Columns
  const ends = [...valid].map(([slot, [from, to]]) => [slot, from, to === Infinity ? null : to] as const)
  const passages = Float64Array.from({ length: high }, (_, slot) => Math.max(0, passageOf(slot)))
  return { passages, columns: used, scopes: scopes.all(), valid: ends }
}

function passingTest(filter: MemoryFilter, { columns, scopes, valid, passageOf }: Table): (slot: number) => boolean {
  const tests = timeTests(filter, columns, valid)
  const { before } = filter
  const stream = before === undefined ? -1 : scopes.streamNamed(before.stream)
  if (before !== undefined && stream >= 0)
    tests.push((slot) => scopes.streamOf(columns.scope[slot] ?? 0) !== stream || (columns.place[slot] ?? 0) <= before.place)
  const test = scopeTest(filter)
  if (test === null && tests.length === 0) return (slot) => passageOf(slot) >= 0
  const passes = test === null ? null : scopes.passing(test)
  return (slot) => passageOf(slot) >= 0 && (passes === null || passes(columns.scope[slot] ?? 0)) && tests.every((each) => each(slot))
}

interface Scopes {
  /** @param names in the order of `scopeColumns` */
  numberOf(names: readonly string[]): number
  of(number: number): Scope | undefined
  /** Number of a scope's stream; -1 for a stream without entries. */
  streamOf(number: number): number
  streamNamed(stream: string): number
  /** Tests each scope once, not once for each slot. */
  passing(test: (scope: Scope) => boolean): (number: number) => boolean
  all(): readonly (readonly string[])[]
}

function createScopes(): Scopes {
  const scopes: Scope[] = []
  const streamNumbers: number[] = []
  const numbers = new Map<string, number>()
  const streams = new Map<string, number>()
  return {
    numberOf(names) {
      const key = names.join('\0')
      const known = numbers.get(key)
      if (known !== undefined) return known
      const scope = Object.fromEntries(scopeColumns.map((column, i) => [column, names[i] ?? ''])) as Scope
      const stream = streams.get(scope.stream) ?? streams.size
      streams.set(scope.stream, stream)
      numbers.set(key, scopes.length)
      streamNumbers.push(stream)
      return scopes.push(scope) - 1
    },
    of: (number) => scopes[number],
    streamOf: (number) => streamNumbers[number] ?? -1,
    streamNamed: (stream) => streams.get(stream) ?? -1,
    passing(test) {
      /** 0: not tested. */
      const tested = new Uint8Array(scopes.length)
      return (number) => (tested[number] ||= test(scopes[number] as Scope) ? 1 : 2) === 1
    },
    all: () => scopes.map((scope) => scopeColumns.map((column) => scope[column])),
  }
}

/** @returns null if every scope passes */
function scopeTest({
  kinds,
  types,
  tiers,
  sessions,
  notSession,
  tags = [],
  withoutLabels = [],
  persona,
}: MemoryFilter): ((scope: Scope) => boolean) | null {
  if (kinds === undefined && types === undefined && tiers === undefined && sessions === undefined && notSession === undefined)
    if (tags.length === 0 && withoutLabels.length === 0 && persona === undefined) return null
  const isOneOf = (name: string, wanted: readonly string[] | undefined): boolean => wanted === undefined || wanted.includes(name)
  return (scope) => {
    if (!isOneOf(scope.kind, kinds) || !isOneOf(scope.type, types) || !isOneOf(scope.tier, tiers)) return false
    if (!isOneOf(scope.session, sessions) || scope.session === notSession) return false
    if (persona !== undefined && scope.persona !== '' && scope.persona !== persona) return false
    const has = textList(scope.tags)
    return (
      tags.every((tag) => has.includes(tag)) &&
      !textList(scope.labels).some((label) => (withoutLabels as readonly string[]).includes(label))
    )
  }
}

type Test = (slot: number) => boolean

function timeTests(
  { createdAfter, createdBefore, validAt }: MemoryFilter,
  { createdAt }: Columns,
  valid: ReadonlyMap<number, readonly [from: number, to: number]>,
): Test[] {
  const tests: Test[] = []
  if (createdAfter !== undefined) tests.push((slot) => (createdAt[slot] ?? 0) > createdAfter)
  if (createdBefore !== undefined) tests.push((slot) => (createdAt[slot] ?? 0) < createdBefore)
  if (validAt !== undefined) {
    tests.push((slot) => {
      const [from, to] = valid.get(slot) ?? [createdAt[slot] ?? 0, Infinity]
      return from <= validAt && to > validAt
    })
  }
  return tests
}

/** Passages in one page of slots: neighbours are looked up together, and a lone passage costs little. */
const pagePassages = 256

interface Places {
  /** Takes the next slot for a passage that has none; for 0 the slot stays free. */
  next(passage: number): void
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
  const pages: (Int32Array | undefined)[] = []
  const free: number[] = []
  let high = 0
  let count = 0
  let passages = new Float64Array(firstSlots)
  const pageOf = (passage: number): Int32Array | undefined => pages[Math.floor(passage / pagePassages)]
  const slotOf = (passage: number): number => (pageOf(passage)?.[passage % pagePassages] ?? 0) - 1
  const nextSlot = (): number => {
    if (high >= passages.length) passages = widerColumn(passages, passages.length * 2)
    passages[high] = -1
    return high++
  }
  const fill = (slot: number, passage: number): number => {
    let own = pageOf(passage)
    if (own === undefined) {
      own = new Int32Array(pagePassages)
      pages[Math.floor(passage / pagePassages)] = own
    }
    own[passage % pagePassages] = slot + 1
    passages[slot] = passage
    count++
    return slot
  }
  return {
    next(passage) {
      const slot = nextSlot()
      if (passage > 0) fill(slot, passage)
      else free.push(slot)
    },
    take(passage) {
      const taken = slotOf(passage)
      return taken >= 0 ? taken : fill(free.pop() ?? nextSlot(), passage)
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

type Column = Float64Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>

/** @returns a copy with this capacity, filled up with 0 */
export function widerColumn<Wider extends Column>(column: Wider, room: number): Wider {
  const wider = new (column.constructor as new (room: number) => Wider)(room)
  wider.set(column)
  return wider
}
