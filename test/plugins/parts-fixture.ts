/** A kernel with what plugins add to it, their hosts in this process. */
import { openBreakers } from '../../src/engine/index.ts'
import { type Fixture, type FixtureOptions, openFixture, user } from '../../src/kernel/kernel-fixture.ts'
import { createPluginParts, type PluginParts } from '../../src/plugins/index.ts'
import { systemClock } from '../../src/base/index.ts'
import type { PluginHosts, ToldLabels } from '../../src/protocol/index.ts'
import { configSchema } from '../../src/services/index.ts'

export interface PartsFixture extends Fixture {
  readonly parts: () => PluginParts
  /** Labels of what the plugins may have kept. */
  readonly told: () => ToldLabels
}

export async function openPartsFixture(hosts: PluginHosts, { config = {}, ...options }: FixtureOptions = {}): Promise<PartsFixture> {
  let opened: PluginParts | undefined
  let told: ToldLabels | undefined
  const parsed = configSchema.parse(config)
  const fixture = await openFixture({
    ...options,
    config,
    hasPlugins: true,
    servers: async (host) => {
      told = host.told
      return (opened = createPluginParts({
        ...host,
        hosts,
        config: parsed.plugins,
        flowsFreely: parsed.flow.both === 'allow',
        user,
        clock: options.clock ?? systemClock,
        breakers: await openBreakers(systemClock),
      }))
    },
  })
  return { ...fixture, parts: () => opened!, told: () => told! }
}

export const rightsOf = (...rights: readonly string[]): object => ({
  agent: { rights: ['file.read', 'file.write', ...rights] },
  approval: { side_effecting: 'allow', privileged: 'allow' },
})
