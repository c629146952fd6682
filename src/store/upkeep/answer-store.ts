/** Answers what `oxbow store` asks. */
import type { StoreQuestion } from '../../types/index.ts'
import type { UpkeepDeps } from './store-place.ts'

export type { StorePlace, UpkeepDeps } from './store-place.ts'

type Answers = { readonly [Ask in StoreQuestion['ask']]: (question: StoreQuestion & { ask: Ask }, deps: UpkeepDeps) => Promise<object> }

/** Everything that is not needed for a question stays unloaded. */
const answers: Answers = {
  status: async (_, deps) => (await import('./store-care.ts')).storeStatus(deps),
  migrate: async (question, deps) => (await import('./store-care.ts')).migrateStore(deps, question),
  vacuum: async (_, deps) => (await import('./store-care.ts')).vacuumStore(deps),
  verify: async (_, deps) => (await import('./store-check.ts')).verifyStore(deps),
  backup: async ({ path, keep }, deps) => (await import('../transfer/store-backup.ts')).backupStore(deps, path, keep),
  restore: async ({ path, replace }, deps) => (await import('../transfer/store-restore.ts')).restoreStore(deps, path, replace),
  move: async ({ to }, deps) => (await import('../transfer/store-move.ts')).moveStore(deps, to),
}

/** @returns the report of the question; see types/upkeep.ts */
export async function answerStore(question: StoreQuestion, deps: UpkeepDeps): Promise<object> {
  const answer: (question: never, deps: UpkeepDeps) => Promise<object> = answers[question.ask]
  return answer(question as never, deps)
}
