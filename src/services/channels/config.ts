/** `[channels]` and `[notify]` of `config.toml`. */
import { configSection, type SettingsOf, takesEffect } from '../../config/index.ts'

const dailyTokens = { member: 500_000, guest: 100_000 } as const

export const channelsConfig = configSection('channels', (by) => {
  const budget = (tokens: number) =>
    by
      .strictObject({
        tokens: by.int().min(0).default(tokens).describe('Tokens that each of them may use in a day, within your budgets.'),
        micro_dollars: by
          .int()
          .min(0)
          .optional()
          .describe('Money that each of them may spend in a day, in millionths of a dollar. Unset: no limit but yours.'),
      })
      .prefault({})
  return by
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
      read_group: by
        .boolean()
        .default(false)
        .describe('In groups, the last 20 messages of others come along with one to the agent, as data. Off: nothing of them is kept.'),
      member: budget(dailyTokens.member),
      guest: budget(dailyTokens.guest),
    })
    .meta(takesEffect('live'))
})
export type ChannelsConfig = SettingsOf<typeof channelsConfig>

/** Between two times of a day. */
export const quietTimes = /^((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)$/

export const notifyConfig = configSection('notify', (by) =>
  by
    .strictObject({
      to: by
        .array(by.string().min(1).max(400))
        .max(20)
        .default([])
        .describe('Where notices go, in this order: `CHANNEL` (your direct chat there) or `CHANNEL:CHAT`. Empty: to terminals only.'),
      quiet: by
        .string()
        .regex(quietTimes, 'must be two times such as 22:00-07:00')
        .optional()
        .describe('Notices wait until the end of these hours, and come as one. Those about budgets, and urgent ones, do not wait.'),
      time_zone: by.string().max(64).default('').describe('IANA name, e.g. Europe/Berlin; empty: this machine’s.'),
    })
    .meta(takesEffect('live')),
)
export type NotifyConfig = SettingsOf<typeof notifyConfig>
