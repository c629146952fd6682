/** Budgets that users of a cluster share, as an administrator sets and sees them: with the address of the owner of the tables. */
import { OxbowError } from '../../base/index.ts'
import type { SharedBudgetChange, SharedBudgetReport } from '../../config/index.ts'
import { makeClusterTables } from '../postgres/lease-fence.ts'
import { sharedBudgets } from '../postgres/cluster/shared-budgets.ts'
import { connectPostgres, type UpkeepDeps, using } from './connection.ts'

/** @throws OxbowError `bad_config` where the store is a file; `not_found` */
export async function answerSharedBudgets({ place }: UpkeepDeps, change?: SharedBudgetChange): Promise<SharedBudgetReport> {
  if (place.url === '')
    throw new OxbowError('bad_config', 'Users share budgets in Postgres, and the store here is a file.', {
      hint: 'Set store.url, or the variable that store.url_env names.',
    })
  const db = await connectPostgres(place.url, 'read')
  return using(db, async ({ transaction }) => {
    await makeClusterTables(db.session)
    const budgets = sharedBudgets(db.session)
    const isDone = change === undefined || (await transaction(() => apply(budgets, change)))
    if (!isDone)
      throw new OxbowError('not_found', `There is no such budget, or this user does not share it: ${change.name}.`, {
        hint: 'oxbow cluster budget list',
      })
    return { budgets: await budgets.list() }
  })
}

async function apply(budgets: ReturnType<typeof sharedBudgets>, change: SharedBudgetChange): Promise<boolean> {
  if (change.kind === 'remove') return budgets.remove(change.name)
  if (change.kind === 'set') {
    await budgets.set(change.name, change.span, change)
    return true
  }
  return change.kind === 'join' ? budgets.join(change.name, change.user) : budgets.leave(change.name, change.user)
}
