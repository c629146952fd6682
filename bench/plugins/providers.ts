/** Providers of plugins: how long a turn waits for ten that take 50 ms each. */
import { createPluginParts } from '../../src/plugins/index.ts'
import { makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { openBreakers } from '../../src/engine/index.ts'
import { openFixture, says } from '../../src/kernel/kernel-fixture.ts'
import { systemClock } from '../../src/base/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, type Row } from '../report.ts'
import { median, quantile } from '../statistics.ts'

const rounds = 40

const provider = (name: string): string =>
  `{ name: '${name}', get: () => new Promise((resolve) => setTimeout(() => resolve({ text: '${name}' }), 50)) }`
const plugin = (name: string, providers: readonly string[]): string =>
  `import { definePlugin } from 'oxbow/plugin'\nexport default definePlugin({ name: '${name}', providers: [${providers.map(provider).join(', ')}] })`

const ten = Array.from({ length: 10 }, (_, i) => `p${i}`)

export const providers: Measure = {
  name: 'providers',
  title: 'Providers of plugins',
  how: 'Ten providers that take 50 ms each, in one host and in ten, asked by the call of a turn through the whole gate.',
  async run() {
    return [
      await measure('ten providers of 50 ms in one plugin, p50', { one: plugin('one', ten) }),
      await measure('ten providers of 50 ms in ten plugins, p50', Object.fromEntries(ten.map((name) => [name, plugin(name, [name])]))),
    ]
  },
}

async function measure(what: string, plugins: Readonly<Record<string, string>>): Promise<Row> {
  await using bench = await makeHostBench({ plugins })
  const names = Object.keys(plugins)
  for (const name of names) await bench.hosts.exports(name, new AbortController().signal)
  const config = { agent: { rights: names.map((name) => `plugin.${name}`) }, plugins: { tier: 'unlimited' } }
  const breakers = await openBreakers(systemClock)
  await using fixture = await openFixture({
    config,
    play: () => says('ok'),
    servers: async (host) =>
      createPluginParts({
        ...host,
        user: 'ada',
        hosts: bench.hosts,
        config: parseConfig(config, 'the bench').plugins,
        clock: systemClock,
        breakers,
        flowsFreely: false,
      }),
  })
  for (let round = 0; round < rounds + 3; round++) await fixture.turn('Hello')
  const took = fixture.events.flatMap((event) =>
    event.type === 'record' && event.record.name === 'plugin.provide' && event.record.phase === 'outcome'
      ? [(event.record.body as { ms: number }).ms]
      : [],
  )
  const times = took.slice(3)
  const p50 = median(times)
  return bounded(what, ms(p50), `p99 ${ms(quantile(times, 0.99))}, ${times.length} turns`, '< 70 ms', p50 < 70)
}
