/** `[respond]`: which messages of channels, groups and bots are answered. */
import { configSection, type SettingsOf, takesEffect } from '../../config/index.ts'

const clockTime = /^(?:[01]\d|2[0-3]):[0-5]\d$/

export const respondConfig = configSection('respond', (by) =>
  by
    .strictObject({
      muted: by
        .array(by.string().min(1).max(400))
        .max(1_000)
        .default([])
        .describe('Chats without answers: `CHANNEL`, `CHANNEL:CHAT`, or the id of a session.'),
      group: by
        .enum(['addressed', 'model', 'all'])
        .default('addressed')
        .describe(
          'Messages in groups that neither mention the agent nor answer it: `addressed` ignores them, `model` has a model decide, `all` answers them.',
        ),
      max_bot_turns: by
        .int()
        .min(0)
        .max(1_000)
        .default(5)
        .describe('Messages of bots in a row that are answered in a chat, until a person writes there.'),
      quiet: by
        .strictObject({
          from: by.string().regex(clockTime, 'must be a time such as 22:00').describe('When they begin.'),
          to: by.string().regex(clockTime, 'must be a time such as 07:00').describe('When they end.'),
          time_zone: by.string().max(64).default('').describe('IANA name, e.g. Europe/Berlin; empty: this machine’s.'),
        })
        .optional()
        .describe('Quiet hours: in groups only commands are answered, and no bots. Unset: none.'),
      model: by.string().max(200).default('').describe('Model that decides for `group = "model"`, best a small one. Empty: the usual one.'),
      budget: by
        .strictObject({
          micro_dollars: by.int().min(0).default(10_000).describe('Spending limit for these decisions per day, in millionths of a dollar.'),
          tokens: by.int().min(0).default(50_000).describe('Token limit for them per day.'),
        })
        .prefault({}),
    })
    .meta(takesEffect('live')),
)
export type RespondConfig = SettingsOf<typeof respondConfig>
