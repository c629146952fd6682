/**
 * What belongs to a turn: the turns of agents and the graphs that it has started, theirs in turn, and what all of these did that versions do
 * not have.
 */
import { type AskRuns, readStarted, type Registry, sessionOfRun } from '../../kernel/index.ts'
import type { Store } from '../../store/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { Spend } from '../../protocol/index.ts'
import { documentRights, maxTurnParts, maxTurnRecords } from './limits.ts'
import type { VersionedTurn } from './version-schemas.ts'

export interface TurnPartsDeps {
  readonly store: Pick<Store, 'records'>
  readonly registry: Pick<Registry, 'find'>
  /** What services say of the runs that they start. */
  readonly runs: AskRuns
}

export interface TurnParts {
  /** The turn first, then those that it has started, directly or not. */
  readonly turns: readonly string[]
  /** When the turn began; undefined: the journal does not have it. */
  readonly startedAt: number | undefined
  /** Calls that changed something which versions do not have, by name, with how often they ran. */
  readonly others: ReadonlyMap<string, number>
  readonly spent: Spend
}

/** Rights of calls whose whole effect versions have. */
const versionedRights: ReadonlySet<string> = new Set(['file.write', 'version.write', ...documentRights])

/** @param versioned the turns that have versions */
export async function partsOf(deps: TurnPartsDeps, turn: string, versioned: readonly VersionedTurn[]): Promise<TurnParts> {
  const findStarted = await readStarted(deps.runs)
  const turns = new Set([turn])
  const others = new Map<string, number>()
  const spent = { tokens: 0, microDollars: 0 }
  let startedAt: number | undefined
  // It grows while it is walked.
  for (const id of turns) {
    const { at, calls } = await callsOf(deps, id)
    if (id === turn) startedAt = at
    for (const { name, spend, isOther } of calls.values()) {
      if (isOther) others.set(name, (others.get(name) ?? 0) + 1)
      spent.tokens += spend.tokens
      spent.microDollars += spend.microDollars
    }
    const ids: ReadonlySet<string> = new Set(calls.keys())
    const started = findStarted.map((startedBy) => startedBy(id, ids))
    const isStarted = (one: VersionedTurn): boolean => started.some(({ includes }) => includes?.(one.turn, one.session) === true)
    const begun = [
      ...started.flatMap(({ runs }) => runs),
      ...versioned.filter((one) => one.undoes === '' && isStarted(one)).map((one) => one.turn),
    ]
    for (const one of begun) if (turns.size < maxTurnParts) turns.add(one)
  }
  return { turns: [...turns], startedAt, others, spent }
}

interface TurnCall {
  readonly name: string
  readonly spend: Spend
  /** Whether it changed something that versions do not have. */
  readonly isOther: boolean
}

/** The calls of a turn that have ended, by their ids. */
async function callsOf(
  { store, registry, runs }: TurnPartsDeps,
  turn: string,
): Promise<{ readonly at: number | undefined; readonly calls: ReadonlyMap<string, TurnCall> }> {
  const [sent] = await store.records({ call: turn as CallId, phases: ['intent'], order: 'oldest_first', limit: 1, hydrate: false })
  const session: SessionId | '' = sent?.session ?? sessionOfRun(await runs(), turn)
  const calls = new Map<string, TurnCall>()
  if (session === '') return { at: sent?.at, calls }
  const records = await store.records({
    session,
    after: sent?.seq ?? 0,
    phases: ['outcome'],
    order: 'oldest_first',
    limit: maxTurnRecords,
    hydrate: true,
  })
  for (const { turn: of, call: id, name, body } of records) {
    if (of !== turn || id === turn) continue
    const call = registry.find(name)
    const isOwn = call === undefined || call.tier === 'read_only' || call.audience.every((one) => one === 'runtime')
    calls.set(id, { name, spend: spendIn(body), isOther: !isOwn && !versionedRights.has(call.right) })
  }
  return { at: sent?.at, calls }
}

function spendIn(body: string): Spend {
  const { spent } = JSON.parse(body) as { readonly spent?: Spend }
  return { tokens: spent?.tokens ?? 0, microDollars: spent?.microDollars ?? 0 }
}
