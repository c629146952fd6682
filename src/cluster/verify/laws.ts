/**
 * What must hold of a user's journal whatever was done to a cluster, and of what others know of the same user: clients of what was
 * acknowledged to them, a service outside of what has arrived there. A fold of records; tests with faults and `oxbow cluster verify` use the same.
 */
import { isObject, type Json, type JsonObject, textIn } from '../../base/index.ts'
import { isEnd, isMessage, isTurn, type JournalRecord } from '../../protocol/index.ts'

/** `journal`: the chain, its ends and its projections. `lease`: who may write. `load`: what this program itself has sent. */
type Law = 'journal' | 'call' | 'message' | 'schedule' | 'effect' | 'budget' | 'lease' | 'load'

/** Something that does not hold, in words for a person. */
export interface Finding {
  readonly user: string
  readonly law: Law
  readonly detail: string
}

/** What others than Oxbow know of a user. */
export interface Told {
  /** Texts of messages that were acknowledged; each was sent once. */
  readonly acknowledged?: readonly string[]
  /** How often each effect has arrived outside, by the text that its call had as `field`. */
  readonly effects?: { readonly call: string; readonly field: string; readonly arrived: ReadonlyMap<string, number> }
  /** Most tokens that models may have used for the user. */
  readonly maxTokens?: number
}

interface Known {
  readonly name: string
  readonly what: string
  intents: number
  readonly ends: string[]
}

export interface Laws {
  /** In the order of the journal; bodies as they are stored, or hydrated. */
  take(record: JournalRecord): void
  /** Calls that have begun and not ended. */
  open(): number
  readonly records: () => number
  findings(told?: Told): readonly Finding[]
}

/** @param effectField the input of `once` calls by which `Told.effects` knows them */
export function createLaws(user: string, effectField = ''): Laws {
  const calls = new Map<string, Known>()
  /** Turns by schedule, due time and attempt. */
  const runs = new Map<string, Set<string>>()
  let records = 0
  let tokens = 0
  const takeCall = (record: JournalRecord, body: JsonObject): void => {
    const input = isObject(body['input']) ? body['input'] : {}
    const known = calls.get(record.call)
    if (record.phase === 'intent') {
      if (known !== undefined) known.intents += 1
      else {
        const what = isMessage(record) ? textIn(input, 'text') : body['effect'] === 'once' ? textIn(input, effectField) : ''
        calls.set(record.call, { name: record.name, what, intents: 1, ends: [] })
      }
    } else if (isEnd(record)) {
      const end = textIn(body, 'code') || textIn(body, 'status') || record.phase
      if (known !== undefined) known.ends.push(end)
      else calls.set(record.call, { name: record.name, what: '', intents: 0, ends: [end] })
    }
  }
  return {
    take(record) {
      records += 1
      const body = parse(record.body)
      const spent = body['spent']
      if (isObject(spent) && typeof spent['tokens'] === 'number') tokens += spent['tokens']
      takeCall(record, body)
      for (const { key, turn } of startedRuns(body)) runs.set(key, (runs.get(key) ?? new Set()).add(turn))
    },
    open: () => [...calls.values()].filter(({ intents, ends }) => intents > 0 && ends.length === 0).length,
    records: () => records,
    findings(told = {}) {
      const found = (law: Law, details: readonly string[]): readonly Finding[] => details.map((detail) => ({ user, law, detail }))
      const all = [...calls.values()]
      return [
        ...found('call', all.flatMap(endsOnce)),
        ...found(
          'schedule',
          [...runs].flatMap(([key, turns]) => (turns.size > 1 ? [`the run ${key} began as ${turns.size} turns`] : [])),
        ),
        ...found('message', messageFaults(all, told.acknowledged ?? [])),
        ...found('effect', told.effects === undefined ? [] : effectFaults(all, told.effects)),
        ...found(
          'budget',
          told.maxTokens !== undefined && tokens > told.maxTokens
            ? [`models used ${tokens} tokens, and ${told.maxTokens} were allowed`]
            : [],
        ),
      ]
    },
  }
}

/** A body that is a reference, or was erased, says nothing here. */
function parse(body: string): JsonObject {
  const value = JSON.parse(body) as Json
  return isObject(value) ? value : {}
}

const runCategory = 'system/schedule_runs'

function startedRuns(body: JsonObject): readonly { readonly key: string; readonly turn: string }[] {
  const { documents } = body
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document) => {
    if (!isObject(document) || document['category'] !== runCategory || !isObject(document['value'])) return []
    const { schedule, due_at: due, attempt, turn } = document['value']
    if (typeof turn !== 'string' || turn === '' || typeof due !== 'number') return []
    return [{ key: `${JSON.stringify(schedule)} of ${new Date(due).toISOString()}, attempt ${Number(attempt)}`, turn }]
  })
}

function endsOnce({ name, what, intents, ends }: Known): readonly string[] {
  const of = what === '' ? name : `${name} (${what})`
  return [
    ...(intents > 1 ? [`a call of ${of} began ${intents} times`] : []),
    ...(ends.length > 1 ? [`a call of ${of} ended ${ends.length} times: ${ends.join(', ')}`] : []),
  ]
}

function messageFaults(calls: readonly Known[], acknowledged: readonly string[]): readonly string[] {
  const byText = Map.groupBy(
    calls.filter((call) => isTurn(call) && call.intents > 0),
    ({ what }) => what,
  )
  return acknowledged.flatMap((text) => {
    const own = byText.get(text) ?? []
    if (own.length !== 1) return [`${own.length} turns of the acknowledged message “${text}”`]
    const bad = own[0]!.ends.filter((end) => end !== 'ok' && end !== 'merged')
    return bad.length === 0 ? [] : [`the turn of “${text}” ended with ${bad.join(', ')}`]
  })
}

/** An effect has arrived once where its call says so, at most once where nobody knows, and never without a call that was written down before. */
function effectFaults(calls: readonly Known[], { call: name, arrived }: NonNullable<Told['effects']>): readonly string[] {
  const byWhat = Map.groupBy(
    calls.filter((call) => call.name === name),
    ({ what }) => what,
  )
  const counted = [...arrived].flatMap(([what, count]) => [
    ...(count > 1 ? [`“${what}” arrived ${count} times`] : []),
    ...(byWhat.has(what) ? [] : [`“${what}” arrived without a record of it`]),
  ])
  const said = [...byWhat].flatMap(([what, own]) => {
    const isDone = own.some(({ ends }) => ends.includes('ok'))
    return [
      ...(isDone && !arrived.has(what) ? [`“${what}” is said to be done and never arrived`] : []),
      ...(own.length > 1 ? [`“${what}” was asked for ${own.length} times`] : []),
    ]
  })
  return [...counted, ...said]
}
