/**
 * Who pays for mail: what an agent has spent on messages of others is taken from the budgets of those that wrote, and given back to its own. A
 * run with several messages is divided among them. Agents without a budget of their own spend from the nearest one above them.
 */
import { budgetCategory, budgetName, type Definition, type DocumentChange } from '../../../kernel/index.ts'
import type { CallId } from '../../../base/index.ts'
import { addSpend, type Limits, sessionScope, type Spend } from '../../../protocol/index.ts'
import { agentCategory, type AgentRecord, isOver } from '../agent-record.ts'
import type { AgentTable, Held } from '../agent-table.ts'

/** @returns what the session of an agent has spent so far */
export async function spentSoFar({ deps }: AgentTable, { record }: Held): Promise<Spend> {
  await deps.budgets.load({ session: record.session, actor: 'kernel' })
  const { tokens, microDollars } = deps.budgets.view(sessionScope(record.session)).spent
  return { tokens, microDollars }
}

/** @returns whether a run has a message that somebody else pays for */
export const owesPeers = ({ messages }: Pick<AgentRecord, 'messages'>): boolean => messages.some(({ peer }) => peer !== undefined)

/** Called at the end of a run, before its messages are forgotten. @returns changes that are recorded with that end */
export async function chargePeers(table: AgentTable, held: Held): Promise<readonly DocumentChange[]> {
  const { messages, spent_before: before } = held.record
  const peers = messages.flatMap(({ peer }) => (peer === undefined ? [] : [peer]))
  if (before === undefined) return []
  const spent = addSpend(await spentSoFar(table, held), before, -1)
  const part = (of: number): number => Math.max(0, Math.round(of / messages.length))
  const share: Spend = { tokens: part(spent.tokens), microDollars: part(spent.microDollars) }
  const own = payerOf(table, held)
  const changes: DocumentChange[] = []
  for (const peer of peers) {
    const sender = table.agents.get(peer)
    const payer = sender === undefined ? undefined : payerOf(table, sender)
    // Both spend from the same budget.
    if (payer === own) continue
    if (payer !== undefined) changes.push(...(await shift(table, payer, share, -1)))
    if (own !== undefined) changes.push(...(await shift(table, own, share, 1)))
  }
  return newest(changes)
}

/** @returns the agent, or the nearest above it, with a budget of its own; undefined: nobody there has one */
function payerOf({ agents }: AgentTable, held: Held): Held | undefined {
  for (let each: Held | undefined = held; each !== undefined; each = agents.get(each.record.parent as CallId))
    if (each.record.budget !== undefined) return each
  return undefined
}

/** Makes a budget larger or smaller; what it does not limit stays so. */
async function shift({ deps }: AgentTable, payer: Held, { tokens, microDollars }: Spend, sign: 1 | -1): Promise<readonly DocumentChange[]> {
  const budget = payer.record.budget ?? {}
  const name = budgetName(`child:${payer.record.id}`, 'total')
  const found = await deps.documents.get<Definition>(budgetCategory, name)
  if (found === null || isOver(payer.record)) return []
  // A limit of nothing would count as none.
  const moved = (limit: number | undefined, by: number): number | undefined =>
    limit === undefined ? undefined : Math.max(1, limit + sign * by)
  const limits: Limits = Object.fromEntries(
    Object.entries({ ...budget, tokens: moved(budget.tokens, tokens), micro_dollars: moved(budget.micro_dollars, microDollars) }).filter(
      ([, limit]) => limit !== undefined,
    ),
  )
  const record: AgentRecord = { ...payer.record, budget: limits }
  payer.record = record
  return [
    { category: budgetCategory, name, value: { ...found.value, limits } },
    { category: agentCategory, name: record.id, value: record },
  ]
}

/** Of several changes of a document, the last. */
function newest(changes: readonly DocumentChange[]): readonly DocumentChange[] {
  return [...new Map(changes.map((each) => [`${each.category}/${each.name}`, each])).values()]
}
