/** `oxbow space budget`: what all agents of a space together may spend. It is the budget `user` of that space, which `oxbow budget` shows, too. */
import { findSpace, openHome } from '../../runner/index.ts'
import { formatMoney } from '../../terminal/index.ts'
import { outputOf, withGuest } from '../guest-connection.ts'
import { printAnswer, type Terminal } from '../terminal.ts'
import { personOf, type SpaceOptions } from './spaces.ts'

interface BudgetOptions extends SpaceOptions {
  readonly per: string
}

/** @param dollars absent: shows what is spent and set @throws OxbowError `not_found` for a space that is not there */
export async function spaceBudget(name: string, dollars: number | undefined, options: BudgetOptions, terminal: Terminal): Promise<number> {
  const { user } = findSpace(openHome(terminal.env), personOf(options), name)
  return withGuest({ user }, terminal, async ({ gateway }) => {
    if (dollars !== undefined)
      await outputOf(gateway, 'budget.set', { scope: 'user', window: options.per, micro_dollars: Math.round(dollars * 1_000_000) })
    const { user: all, budgets } = await outputOf(gateway, 'budget.show', {})
    const own = budgets.filter(({ scope }) => scope === 'user')
    const lines = own.map(({ window, spent, limit }) =>
      [`${window}:`, formatMoney(spent.micro_dollars), limit.micro_dollars === null ? '' : `of ${formatMoney(limit.micro_dollars)}`].join(
        ' ',
      ),
    )
    const text = [`Agents of the space ${name} have spent ${formatMoney(all.spent.microDollars)}.`, ...lines].join('\n')
    return printAnswer({ space: name, spent_micro_dollars: all.spent.microDollars, budgets: own }, text.trim(), options, terminal)
  })
}
