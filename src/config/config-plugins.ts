/** The part of the configuration that is about plugins. */
import { z } from 'zod'

const pluginTiers = ['free', 'basic', 'premium', 'enterprise', 'unlimited'] as const
/** How often a plugin may work for a user. */
export type PluginTier = (typeof pluginTiers)[number]

export const pluginsConfig = z
  .strictObject({
    tier: z
      .enum(pluginTiers)
      .default('enterprise')
      .describe(
        'How often each plugin may work for a user. `free`: 10 times a minute, `basic`: 60, `premium`: 300, `enterprise`: 1 000, `unlimited`.',
      ),
    tiers: z.record(z.string().max(100), z.enum(pluginTiers)).default({}).describe('The tier of single plugins, by name.'),
    settings: z
      .record(z.string().max(100), z.record(z.string().max(200), z.json()))
      .default({})
      .describe('Settings of single plugins, by name, as the `configSchema` of their manifest has them. Secrets do not belong here.'),
    data_max_mb: z
      .int()
      .min(1)
      .max(1_048_576)
      .default(512)
      .describe('How much each plugin may keep in its folder `/data`, in MB. The host of one that has more is ended.'),
  })
  .prefault({})
export type PluginsConfig = z.infer<typeof pluginsConfig>
