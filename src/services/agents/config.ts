/** `[agents]`: limits of agents that others start. How many run at once: `src/runs/config.ts`. */
import { configSection, type SettingsOf, takesEffect } from '../../config/index.ts'

export const agentsConfig = configSection('agents', (by) =>
  by
    .strictObject({
      zombie_s: by.number().min(1).default(300).describe('Seconds without a sign of life after which a running agent is closed as failed.'),
      max_depth: by.int().min(0).max(16).default(3).describe('Generations of agents below a session. 0: no agent is spawned.'),
      max_children: by.int().min(0).max(10_000).default(8).describe('Live agents that one session may have spawned.'),
      max_live: by.int().min(0).max(10_000).default(64).describe('Live agents of a user.'),
      max_per_turn: by.int().min(0).max(10_000).default(32).describe('Delegations that one turn may make.'),
      max_personas: by.int().min(1).max(200).default(5).describe('Personas that may answer in conversations of a user at a time.'),
      elsewhere: by
        .array(by.string().max(200))
        .default([])
        .describe(
          'Definitions of agents that may have their hands on other nodes of the cluster: files, commands, builds. `*`: all. Empty: none.',
        ),
      withheld_rights: by
        .array(by.string())
        .default(['vault.copy', 'vault.list'])
        .describe('Rights that an agent cannot pass on to agents that it spawns.')
        .meta(takesEffect('restart')),
    })
    .meta(takesEffect('live')),
)
export type AgentsConfig = SettingsOf<typeof agentsConfig>
