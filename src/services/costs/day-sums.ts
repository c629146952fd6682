/**
 * What models cost, summed by day, model, session, actor, and whether it was part of a turn. The sums are made from settled records by a follower
 * that keeps, in documents, how far it has come: a question reads the days that it asks about and the records since, never the whole journal.
 *
 * A day is a calendar day of this machine's time zone when its records were counted. Its groups are kept in documents of a limited
 * size, so that a day with many sessions rewrites only what has changed.
 */
import { type Core, type DocumentChange } from '../../kernel/index.ts'
import { parseErased, parseReference } from '../../store/index.ts'
import { addSpend, type JournalRecord, noSpend, type Spend } from '../../protocol/index.ts'
import { type CallId, isObject, type Json, type JsonObject } from '../../base/index.ts'
import { groupsOfDocument, pagesOfCount, recordsOfPage } from './limits.ts'

export const costCategory = 'system/costs'
/** How far the records were counted; sorts before every day. */
const cursorName = '!cursor'

/** What was spent, in how many calls, and how much of it has no known price. */
export interface Sum extends Spend {
  readonly calls: number
  /** Tokens and calls of models without a known price, which count as 0 dollars. */
  readonly unpricedTokens: number
  readonly unpricedCalls: number
}

export const noSum: Sum = { ...noSpend, calls: 0, unpricedTokens: 0, unpricedCalls: 0 }

export interface Group extends Sum {
  /** `provider/name`; for a call that asks no model, the name of the call. */
  readonly model: string
  readonly session: string
  readonly actor: string
  /** It was not part of a turn. */
  readonly background: boolean
}

/** A group as a document keeps it. */
type Kept = readonly [
  model: string,
  session: string,
  actor: string,
  background: 0 | 1,
  microDollars: number,
  tokens: number,
  calls: number,
  unpricedTokens: number,
  unpricedCalls: number,
]

interface Cursor extends Sum {
  readonly seq: number
  /** The day for which a notice was given last; empty: none. */
  readonly noticed: string
}

export interface DaySums {
  /** The last record that was counted. */
  readonly seq: number
  /** Of all days. */
  readonly total: Sum
  /** Groups by day, from `since` on, the days in order. */
  readonly days: ReadonlyMap<string, readonly Group[]>
  readonly noticed: string
}

export interface SumsDeps extends Pick<Core, 'store' | 'journal' | 'documents' | 'blobs' | 'newId' | 'engine'> {}

/** The day of a time, as `2026-11-26`, in the time zone of this machine. */
export function dayOf(at: number): string {
  const day = new Date(at)
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`
}

export function addSum(a: Sum, b: Sum): Sum {
  return {
    ...addSpend(a, b),
    calls: a.calls + b.calls,
    unpricedTokens: a.unpricedTokens + b.unpricedTokens,
    unpricedCalls: a.unpricedCalls + b.unpricedCalls,
  }
}

/** Counts the records since the last time, and keeps the sums. */
export async function countOn(deps: SumsDeps): Promise<void> {
  const { documents } = deps
  for (;;) {
    let isLast = true
    // One count at a time: the next one goes on where this ends.
    await documents.update<JsonObject>(byFollower(deps), costCategory, cursorName, async (kept) => {
      const cursor = cursorOf(kept?.value)
      await deps.journal.flushed()
      const { days, seq, isWhole } = await countRecords(deps, cursor.seq)
      isLast = isWhole
      if (days.size === 0 && seq - cursor.seq < recordsOfPage) return []
      const changes: DocumentChange[] = []
      let total: Sum = plainSum(cursor)
      for (const [day, groups] of days) {
        for (const group of groups.values()) total = addSum(total, group)
        changes.push(...(await changesOfDay(deps, day, groups)))
      }
      return [...changes, { category: costCategory, name: cursorName, value: { ...total, seq, noticed: cursor.noticed } satisfies Cursor }]
    })
    if (isLast) return
  }
}

const byFollower = ({ newId }: Pick<SumsDeps, 'newId'>) =>
  ({ caller: { actor: 'kernel', session: '', turn: '' }, call: newId() as CallId, name: 'costs.count' }) as const

/** @returns whether the day had not been noticed */
export async function notice(deps: SumsDeps, day: string): Promise<boolean> {
  let isNew = false
  await deps.documents.change<JsonObject>(byFollower(deps), costCategory, cursorName, (kept) => {
    const cursor = cursorOf(kept?.value)
    isNew = kept !== null && cursor.noticed !== day
    return isNew ? { ...cursor, noticed: day } : undefined
  })
  return isNew
}

/** Reads the sums as they were counted last. @param since the first day; empty: all */
export async function readSums({ documents }: Pick<SumsDeps, 'documents'>, since: string): Promise<DaySums> {
  const cursor = cursorOf((await documents.get(costCategory, cursorName))?.value)
  const days = new Map<string, Group[]>()
  // Names of a day's documents are the day, a slash and a number.
  for (let after = since === '' ? cursorName : since, full = true; full;) {
    const page = await documents.list(costCategory, documentsOfPage, after)
    for (const { name, value } of page) {
      const day = name.slice(0, dayLength)
      days.set(day, [...(days.get(day) ?? []), ...groupsIn(value)])
    }
    after = page.at(-1)?.name ?? ''
    full = page.length === documentsOfPage
  }
  return { seq: cursor.seq, total: plainSum(cursor), days, noticed: cursor.noticed }
}

const documentsOfPage = 100
const dayLength = '2026-11-26'.length

type Groups = Map<string, Group>

interface Counted {
  readonly days: ReadonlyMap<string, Groups>
  /** The last record that was looked at. */
  readonly seq: number
  /** False where more records follow. */
  readonly isWhole: boolean
}

/** Sums what was spent in the records behind `after`, a limited number of them. */
export async function countRecords(deps: Omit<SumsDeps, 'documents'>, after: number): Promise<Counted> {
  const days = new Map<string, Groups>()
  /** Models that were asked, by the calls that have not ended. */
  const asked = new Map<string, string>()
  const isUnpriced = createPriceCheck(deps)
  let seq = after
  for (let pages = 0; pages < pagesOfCount; pages += 1) {
    const page = await deps.store.records({
      after: seq,
      phases: countedPhases,
      order: 'oldest_first',
      limit: recordsOfPage,
      hydrate: false,
    })
    for (const record of page) {
      seq = record.seq
      if (record.phase === 'intent') {
        const model = mayName(record) ? modelIn(fieldOf(parsed(record.body), 'input')) : ''
        if (model !== '') asked.set(record.call, model)
        continue
      }
      const body = await bodyOf(deps, record)
      const cost = spendIn(body)
      const known = asked.get(record.call)
      asked.delete(record.call)
      if (cost.microDollars === 0 && cost.tokens === 0) continue
      const model = modelIn(body) || known || (await modelAsked(deps, record)) || record.name
      const unpriced = cost.microDollars === 0 && (await isUnpriced(model))
      addTo(days, dayOf(record.at), groupOf(record, model, cost, unpriced))
    }
    if (page.length < recordsOfPage) return { days, seq, isWhole: true }
  }
  return { days, seq, isWhole: false }
}

const countedPhases = ['intent', 'outcome', 'refused', 'reconciled'] as const

function addTo(days: Map<string, Groups>, day: string, group: Group): void {
  const groups: Groups = days.get(day) ?? new Map<string, Group>()
  days.set(day, groups.set(keyOf(group), joinGroup(groups.get(keyOf(group)), group)))
}

function joinGroup(before: Group | undefined, group: Group): Group {
  return before === undefined ? group : { ...group, ...addSum(before, group) }
}

function groupOf({ session, actor, turn }: JournalRecord, model: string, cost: Spend, unpriced: boolean): Group {
  return {
    model,
    session,
    actor,
    background: turn === '',
    ...cost,
    calls: 1,
    unpricedTokens: unpriced ? cost.tokens : 0,
    unpricedCalls: unpriced ? 1 : 0,
  }
}

/** Whether a model has no price now. What asks no model costs what it says. */
function createPriceCheck({ engine }: Pick<SumsDeps, 'engine'>): (model: string) => Promise<boolean> {
  const known = new Map<string, Promise<boolean>>()
  return (model) => {
    const found = known.get(model) ?? engine.facts(model).then(({ price }) => price === null)
    // A service that is no longer configured has no prices either.
    known.set(
      model,
      found.catch(() => model.includes('/')),
    )
    return known.get(model)!
  }
}

/** The body of a record that may say what was spent; null where it does not, or was erased. */
async function bodyOf({ blobs }: Pick<SumsDeps, 'blobs'>, { body }: JournalRecord): Promise<Json | null> {
  const reference = parseReference(body)
  const bytes = reference === null ? null : await blobs.read(reference.blob)
  const text = reference === null ? body : bytes === null ? '' : Buffer.from(bytes).toString('utf8')
  return text.includes('"spent"') && parseErased(text) === null ? parsed(text) : null
}

/** The intent was counted before: the call ran while that count ended. */
async function modelAsked({ store }: Pick<SumsDeps, 'store'>, { call }: JournalRecord): Promise<string> {
  const [intent] = await store.records({ call, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  return intent === undefined ? '' : modelIn(fieldOf(parsed(intent.body), 'input'))
}

const mayName = ({ body }: JournalRecord): boolean => body.includes('"model"')

function modelIn(value: Json | undefined): string {
  const model = fieldOf(value, 'model')
  return typeof model === 'string' ? model : ''
}

function fieldOf(value: Json | undefined, name: string): Json | undefined {
  return isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
}

function spendIn(body: Json): Spend {
  const spent = fieldOf(body, 'spent')
  return { microDollars: wholeIn(fieldOf(spent, 'microDollars')), tokens: wholeIn(fieldOf(spent, 'tokens')) }
}

const wholeIn = (value: Json | undefined): number => (typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0)

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}

/** Adds to the documents of a day; only those that change are written. */
async function changesOfDay({ documents }: SumsDeps, day: string, counted: Groups): Promise<readonly DocumentChange[]> {
  const pieces: { readonly name: string; readonly groups: Groups; isChanged: boolean }[] = []
  for (let after = day, full = true; full;) {
    const page = await documents.list(costCategory, documentsOfPage, after)
    const own = page.filter(({ name }) => name.startsWith(`${day}/`))
    for (const { name, value } of own)
      pieces.push({ name, groups: new Map(groupsIn(value).map((group) => [keyOf(group), group])), isChanged: false })
    after = own.at(-1)?.name ?? ''
    full = own.length === documentsOfPage
  }
  for (const [key, group] of counted) {
    let piece = pieces.find(({ groups }) => groups.has(key)) ?? pieces.at(-1)
    if (piece === undefined || (!piece.groups.has(key) && piece.groups.size >= groupsOfDocument)) {
      // Numbers of the same length, so that names are in the order of the numbers.
      piece = { name: `${day}/${String(pieces.length).padStart(6, '0')}`, groups: new Map(), isChanged: true }
      pieces.push(piece)
    }
    piece.groups.set(key, joinGroup(piece.groups.get(key), group))
    piece.isChanged = true
  }
  return pieces
    .filter(({ isChanged }) => isChanged)
    .map(({ name, groups }) => ({ category: costCategory, name, value: { groups: [...groups.values()].map(keptOf) } }))
}

function keyOf({ model, session, actor, background }: Group): string {
  return JSON.stringify([model, session, actor, background])
}

function keptOf(group: Group): Kept {
  const { model, session, actor, background, microDollars, tokens, calls, unpricedTokens, unpricedCalls } = group
  return [model, session, actor, background ? 1 : 0, microDollars, tokens, calls, unpricedTokens, unpricedCalls]
}

function groupsIn(value: Json): readonly Group[] {
  const kept = fieldOf(value, 'groups')
  return (Array.isArray(kept) ? (kept as unknown as readonly Kept[]) : []).map(
    ([model, session, actor, background, microDollars, tokens, calls, unpricedTokens, unpricedCalls]) => ({
      model,
      session,
      actor,
      background: background === 1,
      microDollars,
      tokens,
      calls,
      unpricedTokens,
      unpricedCalls,
    }),
  )
}

function cursorOf(value: Json | undefined): Cursor {
  return { ...noSum, seq: 0, noticed: '', ...(isObject(value) ? (value as Partial<Cursor>) : {}) }
}

function plainSum({ microDollars, tokens, calls, unpricedTokens, unpricedCalls }: Sum): Sum {
  return { microDollars, tokens, calls, unpricedTokens, unpricedCalls }
}
