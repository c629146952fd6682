/** The fake has no disk that somebody could keep a copy of. */
import { fail } from './fake-files.ts'
import type { Operations } from './fake-files.ts'

export function fakeSurvey(): Pick<Operations, 'survey'> {
  return {
    survey() {
      throw fail('sandbox_missing', 'This sandbox is in memory.')
    },
  }
}
