/** Parts of memory that are loaded on first use, so that an idle guest never loads them. */
import type { Recall } from './recall/recalled.ts'
import type { RecallDeps } from './recall/create-recall.ts'

export async function openRecall(deps: RecallDeps): Promise<Recall> {
  const { createRecall } = await import('./recall/create-recall.ts')
  return createRecall(deps)
}

/** Loads the summaries, with the first conversation that needs one. */
export function loadSummary(): Promise<typeof import('./summary/rolling.ts')> {
  return import('./summary/rolling.ts')
}

/** What tells small talk from statements, with the first turn that ends. */
export function loadWorthReading(): Promise<typeof import('./tidy/worth-reading.ts')> {
  return import('./tidy/worth-reading.ts')
}

/** Records and reports of tidying. */
export function loadTidy(): Promise<typeof import('./tidy/tidy-change.ts')> {
  return import('./tidy/tidy-change.ts')
}
