/** How budgets are put back when the turn that set, reset or removed them is undone. What was used of them stays counted. */
import { budgetCategory, type Core, type Definition, type UndoPart } from '../../kernel/index.ts'
import { undoDocuments } from '../undo-documents.ts'

/** Budgets of agents and runs end with these, not with an undo. */
const carved = /^(?:child|run):/

export function undoBudgets(core: Core): UndoPart {
  return undoDocuments<Definition>(core, {
    category: budgetCategory,
    shown: ({ scope, window }) => (carved.test(scope) ? null : `/budgets/${scope}/${window}`),
    set: ({ limits, since }) => ({ limits, since }),
  })
}
