/** Definitions of `budget`. */
import { type AddVerbs, dryRunOption, examples, parseAmount, parseCount, userVerb, verbGroup } from '../verb-parts.ts'

const jsonOption = ['--json', 'print JSON, one value per line'] as const
const perOption = ['--per <window>', 'minute, hour, day, week, month, total, or seconds such as 7200s; default: total'] as const

export const addBudgetVerbs: AddVerbs = (program, terminal, choose) => {
  const budget = verbGroup(
    program.command('budget'),
    'limit what agents may use, and see what they used',
    'oxbow budget list',
    'oxbow budget set user --per day --money 2.50',
  )
  const load = () => import('./budget.ts')
  userVerb(budget.command('list'), 'list the budgets that were set, with what was used of each')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow budget list', 'oxbow budget list --json'))
    .action((options) => choose(async () => (await load()).showBudgets(undefined, options, terminal)))
  userVerb(budget.command('show <scope>'), 'show the budgets of a scope')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow budget show user', 'oxbow budget show agent:helper'))
    .action((scope, options) => choose(async () => (await load()).showBudgets(scope, options, terminal)))
  userVerb(budget.command('set <scope>'), 'set a budget of user, session, agent, session:ID, agent:NAME, program:NAME or key:NAME')
    .option(...perOption)
    .option('--tokens <n>', 'model tokens; 0: unlimited', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--money <dollars>', 'dollars, such as 2.50; 0: unlimited', parseAmount)
    .option('--calls <n>', 'tool calls and requests to models; 0: unlimited', parseCount(Number.MAX_SAFE_INTEGER))
    .option('--seconds <n>', 'time that calls run; 0: unlimited', parseCount(Number.MAX_SAFE_INTEGER))
    .option(...jsonOption)
    .addHelpText(
      'after',
      examples('oxbow budget set user --per day --tokens 500000', 'oxbow budget set agent:helper --calls 100 --per hour'),
    )
    .action((scope, options) => choose(async () => (await load()).setBudget(scope, options, terminal)))
  userVerb(budget.command('forecast <schedule>'), 'forecast what the next run of a schedule takes, and whether the budgets cover it')
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow budget forecast 019a'))
    .action((id, options) => choose(async () => (await import('./schedule.ts')).showForecast(id, options, terminal)))
  userVerb(budget.command('reset <scope>'), 'begin the window of a budget anew: what was used so far no longer counts')
    .option(...dryRunOption)
    .option(...perOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow budget reset user --per day'))
    .action((scope, options) => choose(async () => (await load()).resetBudget(scope, options, terminal)))
  userVerb(budget.command('remove <scope>'), 'remove a budget')
    .option(...dryRunOption)
    .option(...perOption)
    .option(...jsonOption)
    .addHelpText('after', examples('oxbow budget remove agent:helper --per hour'))
    .action((scope, options) => choose(async () => (await load()).removeBudget(scope, options, terminal)))
}
