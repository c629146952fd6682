/** `oxbow budget`: what may be used, and what was. */
import { formatMoney, formatTime, plainLine, table } from '../../terminal/index.ts'
import { type JsonObject, OxbowError, textIn } from '../../base/index.ts'
import type { AskCall, OutputOf, ServiceVerb, VerbPreview } from '../../protocol/index.ts'

type Found = OutputOf<'budget.show'>
type BudgetLine = Found['budgets'][number]

const scopeChars = 50
const kinds = ['tokens', 'micro_dollars', 'calls', 'seconds'] as const
const window = { '--per <window>': { field: 'window', help: 'minute, hour, day, week, month, total, or seconds such as 7200s' } }

export const budgetVerbs: readonly ServiceVerb[] = [
  {
    words: 'budget',
    summary: 'limit what agents may use, and see what they used',
    examples: ['oxbow budget list', 'oxbow budget set user --per day --money 2.50'],
  },
  {
    words: 'budget list',
    summary: 'list the budgets that were set, with what was used of each',
    examples: ['oxbow budget list', 'oxbow budget list --json'],
    call: 'budget.show',
    lists: { scope: 'scope' },
    usual: { scope: ['user', 'session', 'agent'], window: ['minute', 'hour', 'day', 'week', 'month', 'total'] },
    lines: ({ budgets }: Found) => budgets,
    show: ({ user, budgets }: Found) => `${overview(user)}\n${budgetTable(budgets)}`,
  },
  {
    words: 'budget show <scope>',
    summary: 'show the budgets of a scope',
    examples: ['oxbow budget show user', 'oxbow budget show agent:helper'],
    call: 'budget.show',
    typed: { scope: { field: '' } },
    lines: ({ budgets }: Found, { options }) => budgets.filter(({ scope }) => scope === options['scope']),
    show: ({ budgets }: Found, { options }) => budgetTable(budgets.filter(({ scope }) => scope === options['scope'])),
  },
  {
    words: 'budget set <scope>',
    summary: 'set a budget of user, session, agent, session:ID, agent:NAME, program:NAME or key:NAME',
    examples: ['oxbow budget set user --per day --tokens 500000', 'oxbow budget set agent:helper --calls 100 --per hour'],
    call: 'budget.set',
    typed: {
      ...window,
      '--tokens <n>': { field: 'tokens', help: 'model tokens; 0: unlimited' },
      '--money <dollars>': { field: 'micro_dollars', help: 'dollars, such as 2.50; 0: unlimited' },
      '--calls <n>': { field: 'calls', help: 'tool calls and requests to models; 0: unlimited' },
      '--seconds <seconds>': { field: 'seconds', help: 'time that calls run; 0: unlimited' },
    },
    show: (line: BudgetLine) => budgetTable([line]),
  },
  {
    words: 'budget reset <scope>',
    summary: 'begin the window of a budget anew: what was used so far no longer counts',
    examples: ['oxbow budget reset user --per day'],
    call: 'budget.reset',
    typed: window,
    preview: previewOf('forget what was used of'),
    show: (line: BudgetLine) => budgetTable([line]),
  },
  {
    words: 'budget remove <scope>',
    summary: 'remove a budget',
    examples: ['oxbow budget remove agent:helper --per hour'],
    call: 'budget.remove',
    typed: window,
    preview: previewOf('remove'),
    show: ({ scope, window: of }: BudgetLine) => `Removed the budget of ${plainLine(scope, scopeChars)} (${of}).`,
  },
]

function overview({ spent, limit }: Found['user']): string {
  const money = limit.micro_dollars === null ? '' : ` of ${formatMoney(limit.micro_dollars)}`
  const tokens = limit.tokens === null ? '' : ` of ${limit.tokens}`
  return `Altogether: ${formatMoney(spent.microDollars)}${money}, ${spent.tokens} tokens${tokens}.`
}

function budgetTable(lines: readonly BudgetLine[]): string {
  if (lines.length === 0) return 'No budgets were set. `oxbow budget set user --per day --tokens 500000` sets one.'
  return table(
    lines.map((line) => [
      plainLine(line.scope, scopeChars),
      line.window,
      ...kinds.map((kind) => partOf(line, kind)),
      line.until === null ? '' : `until ${formatTime(line.until)}`,
      line.is_low ? 'low' : '',
    ]),
  )
}

function partOf({ spent, reserved, limit }: BudgetLine, kind: (typeof kinds)[number]): string {
  const cap = limit[kind]
  if (cap === null) return ''
  const text = (value: number): string =>
    kind === 'micro_dollars' ? formatMoney(value) : kind === 'seconds' ? `${Math.ceil(value)} s` : `${value} ${kind}`
  const waiting = reserved[kind] > 0 ? ` (+${text(reserved[kind])})` : ''
  return `${text(spent[kind])}${waiting} of ${text(cap)}`
}

function previewOf(does: string) {
  return async (input: JsonObject, ask: AskCall): Promise<VerbPreview> => {
    const { budgets } = await ask('budget.show', {})
    const [scope, per] = [textIn(input, 'scope'), textIn(input, 'window')]
    const of = `${plainLine(scope, scopeChars)} (${per})`
    const target = budgets.find((line) => line.scope === scope && line.window === per)
    if (target !== undefined) return { would: `${does} the budget of ${of}`, target }
    throw new OxbowError('not_found', `There is no budget ${scope}/${per}.`, {
      hint: '`oxbow budget list` shows those that were set; limits of config.toml are changed there.',
    })
  }
}
