/** Recall for whoever composes memory: its code is loaded when the first question comes, not while a guest starts. */
import type { Recall } from '../recalled.ts'
import type { RecallDeps } from './create-recall.ts'

export async function openRecall(deps: RecallDeps): Promise<Recall> {
  const { createRecall } = await import('./create-recall.ts')
  return createRecall(deps)
}
