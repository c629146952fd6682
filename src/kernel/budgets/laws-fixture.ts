/**
 * Laws of budgets, under random interleavings: calls of a tree of agents reserve, extend, settle and are released, agents get budgets carved
 * from their parents' and end, time passes, and the guest dies and starts again. Whatever happens, no budget is exceeded, neither in
 * memory nor in the store, and nothing that was spent is lost or counted twice.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { BudgetUse, Projection } from '../../store/index.ts'
import { derivedId, type SessionId, type UserId } from '../../base/index.ts'
import {
  addSpend,
  amountKinds,
  type Caller,
  type Charged,
  type Hold,
  inUse,
  noSpend,
  sessionScope,
  type Spend,
  userScope,
} from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { type Budgets, createBudgets, type Extended } from '../stages/budgets.ts'
import { userCaller } from '../policy/policy.ts'
import type { DocumentChange } from '../state/documents.ts'
import { carvedOf } from './book.ts'
import { budgetCategory, budgetName, carve, type Definition, giveBack } from './definitions.ts'

const user = 'ada' as UserId
const sessions = [
  'root' as SessionId,
  ...['one', 'two', 'three', 'four'].map((name) => derivedId('agent', name) as SessionId),
] as readonly SessionId[]
/** Who spawned whom, by index. */
const spawners = [-1, 0, 0, 1, 3] as const
const limits = { user: 1_000, session: 700 }
const set: readonly Definition[] = [
  { scope: 'user', window: '60s', limits: { tokens: 300, calls: 20 }, since: 0 },
  { scope: 'agent', window: '600s', limits: { tokens: 400 }, since: 0 },
  { scope: 'agent:a1', window: '600s', limits: { tokens: 0, calls: 10 }, since: 0 },
  { scope: sessionScope(sessions[2]!), window: 'total', limits: { tokens: 150 }, since: 0 },
]

type Step =
  | { readonly do: 'reserve' | 'carve' | 'end'; readonly who: number; readonly tokens: number }
  | { readonly do: 'extend' | 'settle' | 'release'; readonly which: number; readonly tokens: number }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'kill' }

const who = fc.nat({ max: sessions.length - 1 })
const tokens = fc.nat({ max: 250 })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('reserve' as const), who, tokens }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('extend' as const, 'release' as const), which: fc.nat(), tokens }) },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(), tokens }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('carve' as const, 'end' as const), who, tokens }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.nat({ max: 90_000 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'kill' } as const) },
)

/** What is durable: the tables that records change, and the intents without an outcome. */
function createDisk() {
  const spent = new Map<string, Spend>()
  const used = new Map<string, BudgetUse>()
  const documents = new Map<string, string>()
  for (const definition of set) documents.set(budgetName(definition.scope, definition.window), JSON.stringify(definition))
  return {
    used,
    spentOf: (scope: string): Spend => spent.get(scope) ?? noSpend,
    definitions: (): readonly Definition[] => [...documents.values()].map((body) => JSON.parse(body) as Definition),
    change({ name, value }: DocumentChange): void {
      if (value === null) documents.delete(name)
      else documents.set(name, JSON.stringify(value))
    },
    apply(projections: readonly Projection[]): void {
      for (const projection of projections) {
        if (projection.kind === 'spend') spent.set(projection.scope, addSpend(spent.get(projection.scope) ?? noSpend, projection.spend))
        if (projection.kind !== 'use') continue
        const { budget, use } = projection
        const before = used.get(budget)
        if (before === undefined || before.since < use.since) used.set(budget, use)
        else if (before.since === use.since)
          used.set(budget, { since: use.since, ...addSpend(before, use), calls: before.calls + use.calls, ms: before.ms + use.ms })
      }
    },
    store: {
      spent: async (scope: string) => spent.get(scope) ?? noSpend,
      used: async (budget: string) => used.get(budget) ?? null,
      documents: async ({ after = '', limit }: { after?: string; limit: number }) =>
        [...documents]
          .filter(([name]) => name > after)
          .sort(([a], [b]) => (a < b ? -1 : 1))
          .slice(0, limit)
          .map(([name, body]) => ({ category: budgetCategory, name, body, seq: [...documents.keys()].indexOf(name), at: 0 })),
      async document(category: string, name: string) {
        const at = sessions.indexOf(name as SessionId)
        const above = spawners[at] ?? -1
        if (above < 0) return null
        return { category, name, body: JSON.stringify({ home: sessions[above], spawner: actorOf(above) }), seq: 1, at: 0 }
      },
    },
  }
}

const actorOf = (at: number): string => `agent:a${at}`
const callerOf = (at: number): Caller => ({ ...userCaller(user, sessions[at]!, ''), actor: actorOf(at), audience: 'model' })
const call = { name: 'model.generate', reserve: () => noSpend }
const config = configSchema.parse({ budget: { user: { tokens: limits.user }, session: { tokens: limits.session } } }).budget

interface OpenCall {
  readonly at: number
  readonly hold: Hold
  /** What its intent, and the records that extended its reservation, say. */
  charged: Charged | undefined
  reserved: Spend
}

/** Records an extension. */
function extend(of: OpenCall, { to }: Extended): void {
  of.reserved = of.hold.spend
  if (of.charged !== undefined && to !== undefined) of.charged = { ...of.charged, to }
}

/** One guest after another, on the same disk. */
async function runSteps(steps: readonly Step[]): Promise<void> {
  const disk = createDisk()
  let now = 1_000_000
  let total = 0
  const clock = { now: () => now, monotonicMs: () => now }
  const start = (): Budgets => createBudgets(disk.store, user, { budget: config, only_tighten: [] }, clock)
  let budgets = start()
  let open: OpenCall[] = []
  const take = (which: number): OpenCall | undefined => open.splice(open.length === 0 ? 0 : which % open.length, 1)[0]
  const record = (session: SessionId, spent: Spend, charged: Charged | undefined): void => {
    total += spent.tokens
    disk.apply(budgets.projections(session, { spent, charged, at: 0, ms: 0 }))
  }
  const kill = (): void => {
    budgets = start()
    for (const { at, reserved, charged } of open) {
      budgets.reconcile(sessions[at]!, reserved, charged)
      record(sessions[at]!, reserved, charged)
    }
    open = []
  }

  for (const each of steps) {
    if (each.do === 'pass') now += each.ms
    else if (each.do === 'kill') kill()
    else if ('who' in each) {
      await budgets.load(callerOf(each.who))
      const book = await budgets.book()
      if (each.do === 'reserve') {
        const spend = { tokens: each.tokens, microDollars: 0 }
        const hold = budgets.reserve(callerOf(each.who), call, spend)
        assert.ok(hold !== null)
        if (!('code' in hold)) open.push({ at: each.who, hold, reserved: spend, charged: budgets.recorded(hold).charged })
      } else if (each.who > 0) {
        // Agents never share an id: one that is carved again here stands for another, of another moment.
        now += 1
        const id = `a${each.who}`
        const isCarved = disk.definitions().some(({ scope }) => scope === `child:${id}`)
        const above = spawners[each.who]!
        await budgets.load(callerOf(above))
        const budget = { tokens: Math.max(1, each.tokens), calls: 5 }
        const change =
          each.do === 'end'
            ? giveBack('child', id)
            : carve('child', id, budget, now, { session: sessions[each.who]!, above: sessions[above]!, actor: actorOf(above) })
        const fits = each.do === 'end' || book.uncovered(callerOf(above), carvedOf(budget)) === null
        if (isCarved === (each.do === 'end') && fits) {
          budgets.observe([change])
          disk.change(change)
        }
      }
    } else {
      const of = take(each.which)
      if (of === undefined) continue
      const { hold, at } = of
      if (each.do === 'extend') {
        if (budgets.extend(hold, { tokens: each.tokens, microDollars: 0 })) extend(of, budgets.extended(hold))
        open.push(of)
      } else if (each.do === 'release') budgets.release(hold)
      else {
        const spent = { tokens: Math.min(each.tokens, hold.spend.tokens), microDollars: 0 }
        record(sessions[at]!, spent, budgets.settle(hold, spent).charged)
      }
    }
    await check(budgets, disk, total)
  }
  // What is left is settled, and a last guest finds what the one before left.
  kill()
  await check(budgets, disk, total)
}

async function check(budgets: Budgets, disk: ReturnType<typeof createDisk>, total: number): Promise<void> {
  assert.equal(disk.spentOf(userScope(user)).tokens, total, 'nothing is lost or counted twice')
  assert.ok(total <= limits.user)
  for (const session of sessions) {
    const { tokens: own } = disk.spentOf(sessionScope(session))
    const below = disk.used.get(`${sessionScope(session)}/agents`)?.tokens ?? 0
    // A total that a person set takes the place of the one in the configuration.
    assert.ok(own + below <= limits.session, `${session}: ${own} and ${below} below`)
  }
  for (const { scope, window, limits: own, since } of disk.definitions()) {
    const use = disk.used.get(budgetName(scope, window))
    // What was used before a budget was given again does not count in it.
    if (use === undefined || use.since < since) continue
    assert.ok(own.tokens === undefined || own.tokens === 0 || use.tokens <= own.tokens, `${scope}/${window}: ${use.tokens}`)
    assert.ok(own.calls === undefined || use.calls <= own.calls, `${scope}/${window}: ${use.calls} calls`)
  }
  // Nobody is below the second agent, so its budget has what its session has.
  const second = sessionScope(sessions[2]!)
  assert.equal(
    disk.used.get(budgetName(second, 'total'))?.tokens ?? 0,
    disk.spentOf(second).tokens,
    'a budget is charged with all that was spent',
  )
  const book = await budgets.book()
  for (const [at] of sessions.entries()) {
    await book.load(callerOf(at))
    for (const account of book.chain(sessions[at]!, actorOf(at)))
      for (const kind of amountKinds) {
        assert.ok(inUse(account, kind) <= account.limit[kind], `${account.key}: ${kind}`)
        assert.ok(Math.min(account.spent[kind], account.reserved[kind]) >= 0, `${account.key}: ${kind} below nothing`)
      }
  }
}

/** A reservation that was made in one window and extended in the next belongs to the latter after a crash. */
const extendedLater: readonly Step[] = [
  { do: 'reserve', who: 0, tokens: 5 },
  { do: 'settle', which: 0, tokens: 5 },
  { do: 'reserve', who: 0, tokens: 110 },
  { do: 'reserve', who: 0, tokens: 58 },
  { do: 'pass', ms: 20_000 },
  { do: 'extend', which: 0, tokens: 128 },
  { do: 'kill' },
]

/** @param runs number of interleavings */
export function checkLaws(runs: number): Promise<void> {
  return fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), runSteps), {
    numRuns: runs,
    examples: [[[...extendedLater]]],
  })
}
