/** Definitions of `cluster budget`. */
import { type AddVerbs, dryRunOption, examples, plainVerb, verbGroup } from '../verb-parts.ts'

const json = ['--json', 'print one JSON object'] as const

export const addBudgetVerbs: AddVerbs = (cluster, terminal, choose) => {
  const load = () => import('./budgets.ts')
  const budget = verbGroup(
    cluster.command('budget'),
    'budgets that users share: together they never spend more, on whichever nodes they are',
    'oxbow cluster budget set org:acme --money 100 --per month',
    'oxbow cluster budget join org:acme ann',
  )
  plainVerb(budget.command('list'), 'list them, with what was used, what guests hold, and who shares them')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster budget list'))
    .action((options) => choose(async () => (await load()).listBudgets(options, terminal)))
  plainVerb(budget.command('set <name>'), 'make one, or change its limits: org:NAME or role:NAME')
    .option('--money <dollars>', 'most money in a window')
    .option('--tokens <count>', 'most tokens of models in a window')
    .option('--per <window>', 'hour, day, week, month, year (in UTC), or total', 'month')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster budget set org:acme --money 100 --per month'))
    .action((name, options) => choose(async () => (await load()).setBudget(name, options, terminal)))
  plainVerb(budget.command('join <name> <user>'), 'count what a user spends in it, within seconds')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster budget join org:acme ann'))
    .action((name, user, options) => choose(async () => (await load()).joinBudget(name, user, options, terminal)))
  plainVerb(budget.command('leave <name> <user>'), 'do not count what a user spends in it any more')
    .option(...json)
    .addHelpText('after', examples('oxbow cluster budget leave org:acme ann'))
    .action((name, user, options) => choose(async () => (await load()).leaveBudget(name, user, options, terminal)))
  plainVerb(budget.command('remove <name>'), 'remove one: nothing of it limits anybody any more')
    .option(...dryRunOption)
    .option(...json)
    .addHelpText('after', examples('oxbow cluster budget remove org:acme', 'oxbow cluster budget remove org:acme --dry-run'))
    .action((name, options) => choose(async () => (await load()).removeBudget(name, options, terminal)))
}
