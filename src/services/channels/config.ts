/** `[channels]` and `[notify]` of `config.toml`. */
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
          'Linked identities besides owners that may decide what waits for approval, by their ids as `oxbow channel people` lists them.',
        ),
      read_group: by.boolean().default(false).describe('The last 20 messages of a group come along, as data.'),
      tokens: by
        .strictObject({
          member: by.int().min(0).default(500_000).describe('Tokens of each member in a day.'),
          guest: by.int().min(0).default(100_000).describe('Tokens of each guest in a day.'),
        })
        .prefault({}),
    })
    .meta(takesEffect('live')),
)

export const notifyConfig = configSection('notify', (by) =>
  by
    .strictObject({
      to: by
        .array(by.string().min(1).max(400))
        .max(20)
        .default([])
        .describe('Where notices go, the first that works: `CHANNEL` or `CHANNEL:CHAT`.'),
      quiet: by
        .string()
        .regex(/^\d\d:\d\d-\d\d:\d\d$/, 'must be two times such as 22:00-07:00')
        .optional()
        .describe('When notices wait, unless they are urgent or about budgets.'),
      time_zone: by.string().max(64).default('').describe('IANA name; empty: this machine’s.'),
    })
    .meta(takesEffect('live')),
)
