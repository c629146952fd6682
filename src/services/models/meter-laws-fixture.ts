/**
 * Laws of what generations cost, in random orders: many of them at once against one cap, each with retries and fallbacks of other prices,
 * services that report nothing, less or more than was reserved, and cancels. Whatever happens: no request leaves that the budget does not
 * cover, no cap is exceeded by what services report, and each request that left is booked at the price of the model it went to.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { SessionId, UserId } from '../../base/index.ts'
import {
  addSpend,
  type Caller,
  costOf,
  type Hold,
  type ModelFacts,
  modelLabel,
  type ModelUsage,
  noSpend,
  plainFacts,
  reservationOf,
  type Spend,
  type Usage,
  userScope,
} from '../../protocol/index.ts'
import { configSchema } from '../../services/index.ts'
import { type Budgets, createBudgets } from '../../kernel/stages/budgets.ts'
import { userCaller } from '../../kernel/policy/policy.ts'
import { createMeter } from './generation.ts'

const user = 'ada' as UserId
const cap = 50_000
const config = configSchema.parse({ budget: { user: { micro_dollars: cap } } }).budget
const prices = [0, 1, 40, 300] as const
const chain: readonly ModelFacts[] = prices.map((price, at) =>
  plainFacts({
    name: `m${at}`,
    provider: 'p',
    contextTokens: 100_000,
    maxOutputTokens: 400,
    price: { inputPerMillion: price * 1_000_000, outputPerMillion: 2 * price * 1_000_000, cacheWritePerMillion: 1.25 * price * 1_000_000 },
  }),
)
const caller: Caller = { ...userCaller(user, 's' as SessionId, ''), audience: 'runtime' }
const call = { name: 'model.generate', reserve: () => noSpend }
const reserved = { inputTokens: 100, outputTokens: 200 }
const clock = { now: () => 1_000, monotonicMs: () => 1_000 }

/** What one generation does next: asks a model, the try ends as its service says, or the generation ends. */
type Step =
  | { readonly do: 'ask'; readonly who: number; readonly model: number }
  | { readonly do: 'fail'; readonly who: number; readonly usage: Usage }
  | { readonly do: 'end' | 'cancel'; readonly who: number; readonly usage: Usage }

const who = fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 19 }))
const counted = fc.record({ inputTokens: fc.nat({ max: 400 }), outputTokens: fc.nat({ max: 600 }), estimated: fc.constant(false) })
const guessed = fc.record({ inputTokens: fc.nat({ max: 400 }), outputTokens: fc.nat({ max: 200 }), estimated: fc.constant(true) })
const usage: fc.Arbitrary<Usage> = fc.oneof(counted, guessed, fc.constant({ inputTokens: 0, outputTokens: 0, estimated: false }))
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('ask' as const), who, model: fc.nat({ max: chain.length - 1 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('fail' as const), who, usage }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('end' as const, 'cancel' as const), who, usage }) },
)

/** One generation that runs. */
interface Open {
  readonly hold: Hold
  readonly meter: ReturnType<typeof createMeter>
  /** The model that was asked and has not ended its try. */
  asked: ModelFacts | null
  /** Tries that have ended. */
  readonly ended: ModelUsage[]
}

function start(budgets: Budgets): Open | null {
  const facts = chain[1]!
  const hold = budgets.reserve(caller, call, reservationOf({ ...reserved, facts }))
  assert.ok(hold !== null)
  if ('code' in hold) return null
  const context = {
    reserveMore: (more: Spend) => budgets.extend(hold, more),
    reserveUpTo: (more: Spend) => budgets.extendUpTo(hold, more),
  }
  const meter = createMeter({ context, facts, reserved, moneyIsLimited: () => true, inputFor: async () => reserved.inputTokens })
  return { hold, meter, asked: null, ended: [] }
}

/** Ends a generation: what its tries used is charged, as `generation.ts` does. @returns what it cost, and what its services say */
function finish(open: Open, budgets: Budgets): { readonly spent: Spend; readonly said: Spend } {
  for (const each of open.ended) open.meter.charge(each)
  const said = open.ended.reduce((sum, { model, usage: used }) => {
    const facts = chain.find((each) => modelLabel(each) === model)!
    const inputTokens = used.estimated ? Math.min(used.inputTokens, reserved.inputTokens) : used.inputTokens
    return addSpend(sum, costOf(facts, { ...used, inputTokens }))
  }, noSpend)
  budgets.settle(open.hold, open.meter.spent())
  return { spent: open.meter.spent(), said }
}

async function runSteps(steps: readonly Step[]): Promise<void> {
  const store = { spent: async () => noSpend, used: async () => null, documents: async () => [], document: async () => null }
  const budgets = createBudgets(store, user, { budget: config, only_tighten: [] }, clock)
  await budgets.load(caller)
  const open = new Map<number, Open>()
  let total = 0
  const check = (): void => {
    const { spent, reserved: held } = budgets.view(userScope(user))
    assert.equal(spent.microDollars, total, 'what was charged is booked')
    assert.ok(spent.microDollars + held.microDollars <= cap, `${spent.microDollars} and ${held.microDollars} of ${cap}`)
    assert.ok(held.microDollars >= 0 && held.tokens >= 0)
  }
  for (const each of steps) {
    const running = open.get(each.who) ?? start(budgets)
    if (running === null) continue
    open.set(each.who, running)
    if (each.do === 'ask') {
      if (running.asked !== null) continue
      const facts = chain[each.model]!
      const refused = await running.meter.admit({ facts, maxOutputTokens: 400, unreported: running.ended })
      if (refused === null) running.asked = facts
      else assert.equal(refused.code, 'budget_exhausted')
      // What has left is covered: what was used before, and the most that this request is expected to cost.
      const most = reservationOf({ ...reserved, facts })
      if (refused === null) assert.ok(running.hold.spend.microDollars >= most.microDollars, 'reserved at its own price')
    } else {
      if (running.asked !== null) running.ended.push({ model: modelLabel(running.asked), usage: each.usage })
      running.asked = null
      if (each.do !== 'fail') {
        const { spent, said } = finish(running, budgets)
        open.delete(each.who)
        total += spent.microDollars
        const { spent: all, reserved: held } = budgets.view(userScope(user))
        assert.ok(spent.microDollars <= said.microDollars)
        if (spent.microDollars < said.microDollars) assert.equal(all.microDollars + held.microDollars, cap, 'all that was left is charged')
      }
    }
    check()
  }
  for (const running of open.values()) total += finish(running, budgets).spent.microDollars
  check()
  assert.equal(budgets.view(userScope(user)).reserved.microDollars, 0)
}

/** @param runs number of orders */
export function checkMeterLaws(runs: number): Promise<void> {
  return fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 80, size: 'max' }), runSteps), { numRuns: runs })
}
