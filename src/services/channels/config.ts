/** `[channels]` of `config.toml`. */
import { configSection, takesEffect } from '../../config/index.ts'

export const channelsConfig = configSection('channels', (by) =>
  by
    .strictObject({
      strangers: by
        .enum(['silent', 'code'])
        .default('silent')
        .describe('What somebody hears who is not linked: nothing, or a code that you confirm by `oxbow channel approve CODE`.'),
      approvers: by
        .array(by.string().min(1).max(200))
        .max(100)
        .default([])
        .describe(
          'Linked identities besides owners that may decide what waits for approval, by their ids as `oxbow channel list` shows them.',
        ),
    })
    .meta(takesEffect('live')),
)
