/** The door to summaries: an idle guest has none of them, and loads nothing of it. */
export type { Said, Summary, SummaryStep } from './summary.ts'

export function loadSummary(): Promise<typeof import('./rolling.ts')> {
  return import('./rolling.ts')
}
