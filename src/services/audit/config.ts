/** `[audit]`: how long the journal has what it says at hand. */
import { configSection } from '../../config/index.ts'

export const auditConfig = configSection('audit', (by) =>
  by.strictObject({
    keep: by
      .number()
      .int()
      .min(0)
      .max(36_500)
      .default(0)
      .describe(
        'Days after which what was said and done in sessions that nobody uses any more goes to an archive: a signed, compressed file in the folder `archive` of the workspace. The chain stays, and so do sums. 0: never.',
      ),
  }),
)
