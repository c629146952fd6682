/** The door to tidying: loaded when memory is tidied, or a report is read. */
export type { Tidied, Tidy } from './tidy.ts'
export type { TidyStep } from './tidy-change.ts'

export async function loadTidy(): Promise<
  Pick<typeof import('./report-text.ts'), 'reportText'> & Pick<typeof import('./tidy-change.ts'), 'tidyStepSchema'>
> {
  const [{ reportText }, { tidyStepSchema }] = await Promise.all([import('./report-text.ts'), import('./tidy-change.ts')])
  return { reportText, tidyStepSchema }
}
