/** The turns that can be undone: those that have versions, and those whose calls have recorded how services put back what they changed. */
import { type CallId, isObject } from '../../../base/index.ts'
import type { JournalRecord } from '../../../protocol/index.ts'
import { maxScannedRecords, recordPage } from '../limits.ts'
import type { VersionedTurn } from '../version-schemas.ts'
import type { Versions } from '../versions.ts'
import { partsOf, subjectOf, type TurnPartsDeps, undoRecords } from './turn-parts.ts'
import { planParts } from './undo-parts.ts'

/** @returns turns and undos, the newest first */
export async function listUndoable(deps: TurnPartsDeps, versions: Pick<Versions, 'turns'>, limit: number): Promise<readonly VersionedTurn[]> {
  const [kept, noted] = await Promise.all([versions.turns({ limit }), noteTurns(deps)])
  const known = new Map(kept.map((one) => [one.turn, one]))
  const undone = new Set<string>()
  for (const { call, undoes } of noted.undos) if (!undone.has(call)) for (const one of undoes) undone.add(one)
  const ends = await endsOf(deps, kept)
  const found = kept.map((one, i) => ({ ...one, at: ends[i]!, undone: one.undone || undone.has(one.turn) }))
  for (const { call, undoes, record } of noted.undos) {
    const [of = ''] = undoes
    if (!known.has(call)) found.push({ ...factsOf(record), turn: call, subject: 'Undo', undoes: of, undone: undone.has(call) })
  }
  for (const [turn, record] of noted.turns) {
    if (known.has(turn) || found.length >= limit * 2) continue
    const described = await describe(deps, turn, record)
    if (described !== null) found.push({ ...described, undone: undone.has(turn) })
  }
  return found.toSorted((a, b) => b.at - a.at).slice(0, limit)
}

/**
 * Versions are made behind a turn, and know whole seconds: the records of a turn say when it ended. A run has no record of its own, and comes
 * after the version before it.
 */
async function endsOf({ store }: TurnPartsDeps, newestFirst: readonly VersionedTurn[]): Promise<readonly number[]> {
  const ends = await Promise.all(
    newestFirst.map(async ({ turn, at }) => {
      const [newest] = await store.records({ call: turn as CallId, order: 'newest_first', limit: 1, hydrate: false })
      return newest?.at ?? at
    }),
  )
  let before = 0
  return ends
    .reverse()
    .map((at) => (before = Math.max(before, at)))
    .reverse()
}

interface NotedUndo {
  readonly call: string
  readonly undoes: readonly string[]
  readonly record: JournalRecord
}

interface Noted {
  /** The newest such record of each turn. */
  readonly turns: ReadonlyMap<string, JournalRecord>
  /** The newest first. */
  readonly undos: readonly NotedUndo[]
}

async function noteTurns(deps: TurnPartsDeps): Promise<Noted> {
  const mayBeUndone = await undoRecords(deps)
  const turns = new Map<string, JournalRecord>()
  const undos: NotedUndo[] = []
  const said = new Set<string>()
  let before = Number.MAX_SAFE_INTEGER
  for (let scanned = 0; scanned < maxScannedRecords; scanned += recordPage) {
    const page = await deps.store.records({ phases: ['exchange'], before, order: 'newest_first', limit: recordPage, hydrate: false })
    for (const record of page) {
      if (!mayBeUndone(record)) continue
      if (record.turn !== '' && !turns.has(record.turn)) turns.set(record.turn, record)
      if (record.turn !== '' || record.name !== undoCallName || said.has(record.call)) continue
      const undoes = await undoesOf(deps, record)
      // The newest counts: an undo that could not change its files has taken itself back.
      if (undoes !== null) said.add(record.call)
      if (undoes !== null && undoes.length > 0) undos.push({ call: record.call, undoes, record })
    }
    if (page.length < recordPage) break
    before = page.at(-1)!.seq
  }
  return { turns, undos }
}

/** The call whose records are undos. */
export const undoCallName = 'version.undo'

async function undoesOf({ store }: TurnPartsDeps, { seq }: JournalRecord): Promise<readonly string[] | null> {
  const [record] = await store.records({ after: seq - 1, before: seq + 1, order: 'oldest_first', limit: 1, hydrate: true })
  const body: unknown = record === undefined ? null : JSON.parse(record.body)
  const undoes = isObject(body) ? body['undoes'] : null
  return Array.isArray(undoes) ? undoes.filter((one) => typeof one === 'string') : null
}

/** @returns null: no service puts back anything of it */
async function describe(deps: TurnPartsDeps, turn: string, record: JournalRecord): Promise<Omit<VersionedTurn, 'undone'> | null> {
  const facts = { ...factsOf(record), turn, subject: '', undoes: '', undone: false }
  const { records } = await partsOf(deps, turn, [facts])
  const planned = await planParts(await deps.parts(), records)
  if (planned.every(({ changes }) => changes.length === 0)) return null
  const [sent] = await deps.store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: true })
  return { ...facts, subject: subjectOf(sent) }
}

function factsOf({ session, actor, at }: JournalRecord): Pick<VersionedTurn, 'session' | 'author' | 'at' | 'commit'> {
  return { session, author: actor, at, commit: '' }
}
