/** Hooks of plugins: what one costs a step, in addition to the round trip to its process. */
import { createHookRunner } from '../../src/services/plugins/hooks/run-hooks.ts'
import { knowing } from '../../src/kernel/kernel-fixture.ts'
import { makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { createHookSource } from '../../src/plugins/parts/hook-source.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { untold } from '../../src/protocol/told-fixture.ts'

const asked = 1_000
const warmUp = 100

const source = `export default { name: 'guard', hooks: [{ step: 'call.before', run: (runtime, { input }) => {
  if (input.path === 'secret') return { verdict: 'refuse' } } }] }`

const value = {
  session: 's',
  turn: 't',
  agent: 'ox',
  user: 'ada',
  call: 'c.0',
  name: 'file.read',
  input: { path: '/shared/notes/a.txt', from_line: 1 },
  tier: 'read_only',
} as const

export const hooks: Measure = {
  name: 'hooks',
  title: 'Hooks of plugins',
  how: `A plugin in a sandbox of its own with one hook at \`call.before\`, asked ${asked} times by the kernel's runner, each compared with a request to the same process that does nothing; medians.`,
  async run() {
    await using bench = await makeHostBench({ plugins: { guard: source } })
    const { hosts } = bench
    const signal = new AbortController().signal
    const described = [{ plugin: hosts.plugins()[0]!, exports: await hosts.exports('guard', signal) }]
    const runner = createHookRunner({
      source: createHookSource({ hosts, described: () => described, ...untold }),
      secrets: knowing(new Map([['TOKEN', 'a-token-that-is-not-there']])),
      noteEvent() {},
    })
    const took: { readonly hook: number; readonly trip: number }[] = []
    for (let i = 0; i < asked + warmUp; i++) {
      const began = performance.now()
      await runner.decide('call.before', value, signal)
      const between = performance.now()
      await hosts.ask('guard', 'health', {}, { signal, timeoutMs: 5_000 })
      if (i >= warmUp) took.push({ hook: between - began, trip: performance.now() - between })
    }
    const own = median(took.map(({ hook, trip }) => hook - trip))
    return [
      bounded('a hook without its round trip, p50', ms(Math.max(0, own)), '', '< 0.5 ms', own < 0.5),
      shown('a hook in all, p50', ms(median(took.map(({ hook }) => hook)))),
      shown('the round trip alone, p50', ms(median(took.map(({ trip }) => trip)))),
    ]
  },
}
