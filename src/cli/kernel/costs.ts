/** `oxbow costs`: what models cost, by day, model, session, agent, program or user. */
import type { InputOf, OutputOf } from '../../protocol/index.ts'
import { openHome, usersOf } from '../../runner/index.ts'
import { type GuestChoice, outputOf, withGuest } from '../guest-connection.ts'
import { printLine, printText, type Terminal } from '../terminal.ts'
import { formatMoney, plainLine, table } from '../../terminal/index.ts'

type Costs = OutputOf<'costs.show'>
type Line = Costs['lines'][number]

export interface CostsOptions extends GuestChoice {
  readonly by: Costs['by']
  readonly since: string
  readonly until?: string | undefined
  readonly limit: number
  readonly verify?: boolean | undefined
}

/** @returns the exit code */
export async function showCosts(options: CostsOptions, terminal: Terminal): Promise<number> {
  if (options.verify === true) return verifyCosts(options, terminal)
  if (options.by === 'user') return costsOfUsers(options, terminal)
  return withGuest(options, terminal, async ({ gateway }) => {
    const costs = await outputOf(gateway, 'costs.show', inputOf(options))
    if (options.json === true) printLine(terminal, JSON.stringify(costs))
    else printText(terminal, costsText(costs))
    return 0
  })
}

function inputOf({ by, since, until, limit }: CostsOptions): InputOf<'costs.show'> {
  return { by, since, limit, ...(until !== undefined && { until }) }
}

/** Users one after the other: a guest is started for one that has none. */
async function costsOfUsers(options: CostsOptions, terminal: Terminal): Promise<number> {
  const all: Costs[] = []
  const users = [...usersOf(openHome(terminal.env))].sort()
  for (const user of users.length === 0 ? [options.user] : users)
    all.push(await withGuest({ ...options, user }, terminal, ({ gateway }) => outputOf(gateway, 'costs.show', inputOf(options))))
  const lines = all.flatMap((costs) => costs.lines).sort((a, b) => b.micro_dollars - a.micro_dollars || b.tokens - a.tokens)
  const { by, since, until } = all[0]!
  const sum = all.map((costs) => costs.sum).reduce(addLines)
  if (options.json === true) printLine(terminal, JSON.stringify({ by, since, until, lines, sum }))
  else printText(terminal, linesText(by, lines, sum))
  return 0
}

type Sum = Costs['sum']

function addLines(a: Sum, b: Sum): Sum {
  return {
    micro_dollars: a.micro_dollars + b.micro_dollars,
    tokens: a.tokens + b.tokens,
    calls: a.calls + b.calls,
    unpriced_tokens: a.unpriced_tokens + b.unpriced_tokens,
    unpriced_calls: a.unpriced_calls + b.unpriced_calls,
    background_micro_dollars: a.background_micro_dollars + b.background_micro_dollars,
  }
}

async function verifyCosts(options: CostsOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { equal, records, sums, ledger, differs } = await outputOf(gateway, 'costs.verify', {})
    if (options.json === true) printLine(terminal, JSON.stringify({ equal, records, sums, ledger, differs }))
    else if (equal)
      printText(terminal, `${exactMoney(sums.micro_dollars)} in ${sums.calls} calls: the sums, the records and the ledger are equal.`)
    else printText(terminal, differenceText({ equal, records, sums, ledger, differs }))
    return equal ? 0 : 1
  })
}

function differenceText({ records, sums, ledger, differs }: OutputOf<'costs.verify'>): string {
  const days = differs.length === 0 ? '' : `\nDays that differ: ${differs.slice(0, 20).join(', ')}${differs.length > 20 ? ', …' : ''}.`
  return [
    `The sums have ${exactMoney(sums.micro_dollars)} and ${sums.tokens} tokens,`,
    `the records ${exactMoney(records.micro_dollars)} and ${records.tokens} tokens,`,
    `the ledger ${exactMoney(ledger.micro_dollars)} and ${ledger.tokens} tokens.${days}`,
    'Sessions that were deleted keep their costs in the ledger, and in the sums if they were counted before. `oxbow audit verify` checks the ledger.',
  ].join('\n')
}

const exactMoney = (microDollars: number): string => `$${(microDollars / 1_000_000).toFixed(6)}`

const names: Readonly<Record<Costs['by'], string>> = {
  day: 'DAY',
  model: 'MODEL',
  session: 'SESSION',
  agent: 'AGENT',
  program: 'PROGRAM',
  user: 'USER',
}

function costsText({ by, lines, more, sum, today, ledger }: Costs): string {
  const { usual_micro_dollars: usual } = today
  const missing = ledger.micro_dollars - ledger.counted_micro_dollars
  return [
    linesText(by, lines, sum),
    ...(more > 0 ? [`${more} more; --limit shows them.`] : []),
    ...(usual !== null && today.micro_dollars >= 2 * usual
      ? [`Today has cost ${formatMoney(today.micro_dollars)}; ${formatMoney(usual)} is usual for a day.`]
      : []),
    ...(missing === 0 ? [] : [`${exactMoney(missing)} more is in the ledger: its records were erased before they were counted.`]),
  ].join('\n')
}

function linesText(by: Costs['by'], lines: readonly Line[], sum: Sum): string {
  if (lines.length === 0) return 'Nothing has cost anything in these days. `oxbow costs --since all` looks at all days.'
  const isUnpriced = sum.unpriced_tokens > 0
  const isBehind = sum.background_micro_dollars > 0
  const cells = (line: Sum): readonly string[] => [
    formatMoney(line.micro_dollars),
    `${line.tokens}`,
    `${line.calls}`,
    ...(isBehind ? [formatMoney(line.background_micro_dollars)] : []),
    ...(isUnpriced ? [line.unpriced_tokens === 0 ? '-' : `${line.unpriced_tokens} tokens`] : []),
  ]
  const head = [names[by], 'COST', 'TOKENS', 'CALLS', ...(isBehind ? ['BACKGROUND'] : []), ...(isUnpriced ? ['NO PRICE'] : [])]
  const rows = lines.map((line) => [plainLine(line.key, 60) || nameless(by), ...cells(line)])
  return table([head, ...rows, ['total', ...cells(sum)]])
}

function nameless(by: Costs['by']): string {
  return by === 'session' ? '(no session)' : by === 'program' ? '(no program)' : '-'
}
