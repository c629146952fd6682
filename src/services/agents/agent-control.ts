/** Pausing agents, and raising their budgets. What a pause is remembered in is the record, so that it survives a restart. */
import { type Limits } from '../../protocol/index.ts'
import { type AgentProfile, budgetCategory, budgetName, type Definition, profileCategory } from '../../kernel/index.ts'
import { type CallId, OxbowError, type SessionId } from '../../base/index.ts'
import { isOver } from './agent-record.ts'
import { type AgentTable, type By, descendantsOf, type Held, save } from './agent-table.ts'

/** Each pauses before its next step. @returns those that were not paused before */
export async function pause(table: AgentTable, held: Held, by: By): Promise<readonly CallId[]> {
  const running = [held, ...descendantsOf(table, held)].filter(({ record }) => !isOver(record) && record.paused !== true)
  for (const each of running) each.pause ??= Promise.withResolvers<void>()
  await Promise.all(running.map((each) => save(table, each, { paused: true }, by)))
  return running.map(({ record }) => record.id)
}

/** @returns those that were paused */
export async function resume(table: AgentTable, held: Held, by: By): Promise<readonly CallId[]> {
  const paused = [held, ...descendantsOf(table, held)].filter(({ record }) => record.paused === true)
  await Promise.all(paused.map((each) => save(table, each, { paused: undefined }, by)))
  for (const each of paused) release(table, each)
  return paused.map(({ record }) => record.id)
}

/** Lets it go on, or end. */
export function release({ deps }: AgentTable, held: Held): void {
  held.beat = deps.clock.now()
  held.pause?.resolve()
  held.pause = null
}

/** Whose budgets an agent's budget was carved from. */
export async function payerOf(
  { deps }: AgentTable,
  { record }: Held,
): Promise<{ readonly session: SessionId | ''; readonly actor: string }> {
  const profile = await deps.documents.get<AgentProfile>(profileCategory, record.session)
  return { session: record.home, actor: profile?.value.spawner ?? '' }
}

const kinds = ['tokens', 'micro_dollars', 'calls', 'seconds'] as const

/** @param more is added to what the budget limits; what it does not limit stays without a limit @returns the new budget */
export async function raise(table: AgentTable, held: Held, more: Limits, by: By): Promise<Limits> {
  const { id } = held.record
  const name = budgetName(`child:${id}`, 'total')
  const found = await table.deps.documents.get<Definition>(budgetCategory, name)
  if (found === null || held.record.budget === undefined)
    throw new OxbowError('not_found', `${held.record.name} has no budget of its own.`, {
      hint: 'Raise the budgets above it: `oxbow budget list` shows them.',
    })
  const limited = kinds.filter((kind) => (found.value.limits[kind] ?? 0) > 0)
  const limits = Object.fromEntries(limited.map((kind) => [kind, found.value.limits[kind]! + (more[kind] ?? 0)]))
  await save(table, held, { budget: limits }, by, [{ category: budgetCategory, name, value: { ...found.value, limits } }])
  return limits
}
