/** `costs.show`: what models cost, by day, model, session, agent, program or user, from the sums that are kept of each day. */
import { z } from 'zod'
import type { Core } from '../../kernel/index.ts'
import { type Clock, OxbowError } from '../../base/index.ts'
import { type Call, defineCall, userScope } from '../../protocol/index.ts'
import { addSum, countOn, countRecords, dayOf, type DaySums, type Group, noSum, readSums, type Sum, type SumsDeps } from './day-sums.ts'
import { usualOf } from './high-day.ts'
import { maxCostLines, usualDays } from './limits.ts'

interface CostCallDeps extends SumsDeps, Pick<Core, 'user'> {}

export const costGroups = ['day', 'model', 'session', 'agent', 'program', 'user'] as const

const sumFields = {
  micro_dollars: z.int(),
  tokens: z.int(),
  calls: z.int().describe('Requests to models and other calls that cost.'),
  unpriced_tokens: z.int().describe('Of the tokens, what models without a known price used: it counts as 0 dollars.'),
  unpriced_calls: z.int(),
  background_micro_dollars: z.int().describe('Of the money, what was not part of a turn: titles, summaries, memory.'),
}

const costLine = z.strictObject({
  key: z.string().describe('The day, model, session, actor or user; empty: no program.'),
  ...sumFields,
})

const shown = z.strictObject({
  by: z.enum(costGroups),
  since: z.string().describe('The first day; empty: all.'),
  until: z.string().describe('The last day.'),
  lines: z.array(costLine).describe('Days in order; anything else by its cost, the dearest first.'),
  more: z.int().describe('Lines that were left out; the sums have them.'),
  sum: z.strictObject(sumFields).describe('Of the days that were asked for.'),
  today: z.strictObject({
    micro_dollars: z.int(),
    usual_micro_dollars: z.int().nullable().describe('Of a day with costs; null: too few days to say.'),
  }),
  ledger: z
    .strictObject({
      micro_dollars: z.int().describe('What the user’s budget has counted, of all days.'),
      tokens: z.int(),
      counted_micro_dollars: z.int().describe('What the sums have, of all days.'),
      counted_tokens: z.int(),
    })
    .describe('They are equal, except for what was erased before it was counted.'),
})

export type ShownCosts = z.infer<typeof shown>

export function costCalls(deps: CostCallDeps): readonly Call[] {
  return [showCall(deps), verifyCall(deps)]
}

const dayText = z.iso.date('must be a day such as 2026-11-01')
const shared = {
  tier: 'read_only',
  right: 'system.read',
  effect: 'none',
  audience: ['terminal'],
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

const showInput = z.strictObject({
  by: z.enum(costGroups).default('day').describe('What to sum by: day, model, session, agent, program or user.'),
  since: z
    .union([dayText, z.literal('all'), z.string().regex(/^[1-9]\d{0,3}d$/)], {
      error: 'must be a day such as 2026-11-01, a number of days such as 30d, or all',
    })
    .default('30d')
    .describe('The first day: 2026-11-01, 30d, or all.'),
  until: dayText.optional().describe('The last day; default: today.'),
  limit: z.int().min(1).max(maxCostLines).default(100).describe('Most lines to return.'),
})

function showCall(deps: CostCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'costs.show',
    routes: [{ method: 'GET', path: '/costs' }],
    summary: 'Shows what models cost, by day, model, session, agent, program or user, from settled records.',
    input: showInput,
    output: shown,
    example: { by: 'model', since: '30d', limit: 20 },
    // The first count of a long journal.
    timeoutMs: 10 * 60_000,
    recordOutput: ({ lines, sum }) => ({ lines: lines.length, micro_dollars: sum.micro_dollars }),
    async run({ by, since, until, limit }, { clock }) {
      await countOn(deps)
      const today = dayOf(clock.now())
      const first = firstDay(since, clock)
      const last = until ?? today
      if (first > last)
        throw new OxbowError('bad_input', `The first day, ${first}, is after the last one, ${last}.`, {
          hint: 'Give an earlier first day, or a later last one.',
        })
      // The usual days are read, too; they are few.
      const usualFrom = daysBefore(clock, usualDays)
      const [sums, ledger] = await Promise.all([
        readSums(deps, first === '' || first < usualFrom ? first : usualFrom),
        deps.store.spent(userScope(deps.user)),
      ])
      const asked = new Map([...sums.days].filter(([each]) => each >= first && each <= last))
      const lines = linesBy(by, asked, deps.user)
      return {
        output: {
          by,
          since: first,
          until: last,
          lines: lines.slice(0, limit),
          more: Math.max(0, lines.length - limit),
          sum: lineOf([...asked.values()].flat()),
          today: { micro_dollars: sumOf(sums.days.get(today) ?? []).microDollars, usual_micro_dollars: usualOf(sums, today) },
          ledger: {
            micro_dollars: ledger.microDollars,
            tokens: ledger.tokens,
            counted_micro_dollars: sums.total.microDollars,
            counted_tokens: sums.total.tokens,
          },
        },
      }
    },
  })
}

const verified = z.strictObject({
  equal: z.boolean(),
  records: z
    .strictObject({ micro_dollars: z.int(), tokens: z.int(), calls: z.int() })
    .describe('From all records of the journal, counted again.'),
  sums: z.strictObject({ micro_dollars: z.int(), tokens: z.int(), calls: z.int() }).describe('From the sums that are kept.'),
  ledger: z.strictObject({ micro_dollars: z.int(), tokens: z.int() }).describe('What the user’s budget has counted.'),
  differs: z.array(z.string()).describe('Days whose sums are not what the records say; erased records say nothing any more.'),
})

function verifyCall(deps: CostCallDeps): Call {
  return defineCall({
    ...shared,
    name: 'costs.verify',
    routes: [{ method: 'POST', path: '/costs/verify' }],
    rare: true,
    summary: 'Counts all records again and compares them with the sums of each day and with the ledger.',
    input: z.strictObject({}),
    output: verified,
    example: {},
    timeoutMs: 30 * 60_000,
    async run(_, { signal }) {
      await countOn(deps)
      const kept = await readSums(deps, '')
      const again = new Map<string, Sum>()
      for (let after = 0; after < kept.seq;) {
        signal.throwIfAborted()
        const part = await countRecords(deps, after)
        for (const [each, groups] of part.days) again.set(each, addSum(again.get(each) ?? noSum, sumOf([...groups.values()])))
        if (part.isWhole) break
        after = part.seq
      }
      // Records that were appended meanwhile.
      await countOn(deps)
      const now = await readSums(deps, '')
      const ledger = await deps.store.spent(userScope(deps.user))
      const differs = [...new Set([...now.days.keys(), ...again.keys()])]
        .filter((each) => !isSame(sumOf(now.days.get(each) ?? []), again.get(each) ?? noSum))
        .sort()
      const records = [...again.values()].reduce(addSum, noSum)
      const equal = differs.length === 0 && now.total.microDollars === ledger.microDollars && now.total.tokens === ledger.tokens
      const short = ({ microDollars: micro_dollars, tokens, calls }: Sum) => ({ micro_dollars, tokens, calls })
      return {
        output: {
          equal,
          records: short(records),
          sums: short(now.total),
          ledger: { micro_dollars: ledger.microDollars, tokens: ledger.tokens },
          differs,
        },
      }
    },
  })
}

function isSame(a: Sum, b: Sum): boolean {
  return a.microDollars === b.microDollars && a.tokens === b.tokens && a.calls === b.calls
}

/** @returns the first day that is asked for; empty: all */
function firstDay(since: string, clock: Clock): string {
  if (since === 'all') return ''
  return since.endsWith('d') ? daysBefore(clock, Number(since.slice(0, -1)) - 1) : since
}

/** Not by hours: a day may have 23 or 25. */
function daysBefore(clock: Clock, days: number): string {
  const now = new Date(clock.now())
  return dayOf(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days).getTime())
}

function sumOf(groups: readonly Group[]): Sum {
  return groups.reduce<Sum>(addSum, noSum)
}

function linesBy(by: (typeof costGroups)[number], days: DaySums['days'], user: string): readonly z.infer<typeof costLine>[] {
  const keys: Readonly<Record<typeof by, (group: Group, day: string) => string>> = {
    day: (_, day) => day,
    model: ({ model }) => model,
    session: ({ session }) => session,
    agent: ({ actor }) => actor,
    program: ({ actor }) => (/^(?:program|plugin|key):/.test(actor) ? actor : ''),
    user: () => user,
  }
  const found = new Map<string, Group[]>()
  for (const [day, groups] of days)
    for (const group of groups) {
      const key = keys[by](group, day)
      found.set(key, [...(found.get(key) ?? []), group])
    }
  const lines = [...found].map(([key, groups]) => ({ key, ...lineOf(groups) }))
  if (by === 'day') return lines.sort((a, b) => (a.key < b.key ? -1 : 1))
  return lines.sort((a, b) => b.micro_dollars - a.micro_dollars || b.tokens - a.tokens || (a.key < b.key ? -1 : 1))
}

function lineOf(groups: readonly Group[]) {
  const sum = sumOf(groups)
  return {
    micro_dollars: sum.microDollars,
    tokens: sum.tokens,
    calls: sum.calls,
    unpriced_tokens: sum.unpricedTokens,
    unpriced_calls: sum.unpricedCalls,
    background_micro_dollars: sumOf(groups.filter(({ background }) => background)).microDollars,
  }
}
