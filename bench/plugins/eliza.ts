/** Hosts of plugins of elizaOS: how fast one starts, and what an idle one takes. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import { treeHash } from '../../src/plugins/package/tree.ts'
import type { JsonObject } from '../../src/base/index.ts'
import type { CallOutcome, HostedPlugin } from '../../src/protocol/index.ts'
import { entriesOf, messageOf, openFakeStore } from '../../test/eliza/eliza-packages-fixture.ts'
import { linkPackages } from '../../test/eliza/eliza-guest-fixture.ts'
import type { Measure } from '../measure.ts'
import { bounded, megabytes, ms, shown } from '../report.ts'
import { median, quantile } from '../statistics.ts'

const starts = 11
const packages = fileURLToPath(new URL('../../node_modules/.cache/oxbow-eliza', import.meta.url))

export const eliza: Measure = {
  name: 'eliza',
  title: 'Plugins of elizaOS',
  how: '@elizaos/plugin-bootstrap 1.7.2 in its sandbox. A start is from the request to what the plugin has, a first answer from there to the text of a provider: the runtime object, the rows of its agent, the message. Idle is after that, with its two services.',
  async run() {
    if (!existsSync(join(packages, 'installed')))
      return [shown('not measured', 'node scripts/run-tests.ts --full test/eliza/*.full.test.ts installs its packages')]
    await using bench = await makeHostBench({ plugins: {} })
    const folder = join(bench.bench.root, 'plugins', 'bootstrap')
    linkPackages(packages, folder, ['@elizaos/plugin-bootstrap'])
    const plugin: HostedPlugin = {
      name: 'bootstrap',
      version: '1.7.2',
      program: 'eliza-host',
      entries: entriesOf('plugin-bootstrap'),
      folder,
      rights: [],
      hosts: [],
      secrets: [],
      paths: [],
      config: {},
      tree_hash: await treeHash(folder),
    }
    const store = await openFakeStore(() => '<response><text>x</text></response>')
    const call = async (name: string, input: JsonObject): Promise<CallOutcome> => {
      const { output, text, failure } = await store.answer(name, input)
      return failure === null ? { status: 'ok', output, text, ok: true } : { status: 'failed', failure, text }
    }
    const request = { signal: new AbortController().signal, timeoutMs: 30_000, call }
    const [took, first, idle]: [number[], number[], number[]] = [[], [], []]
    for (let round = -1; round < starts; round += 1) {
      await bench.hosts.replace([])
      await pause(200)
      const began = performance.now()
      await bench.hosts.replace([plugin])
      const ready = performance.now()
      await bench.hosts.ask('bootstrap', 'provide', { names: ['TIME'], message: messageOf('Hi'), state: {} }, request)
      if (round < 0) continue
      took.push(ready - began)
      first.push(performance.now() - ready)
      await pause(300)
      idle.push((await bench.hosts.ask('bootstrap', 'health', {}, request)).memory_bytes)
    }
    await store.close()
    return [
      bounded('start of a host, p50', ms(median(took)), `p99 ${ms(quantile(took, 0.99))}`, '< 700 ms', median(took) < 700),
      bounded(
        'start and first answer, p50',
        ms(median(took) + median(first)),
        `p99 ${ms(quantile(first, 0.99))} after it`,
        '< 700 ms',
        median(took) + median(first) < 700,
      ),
      bounded('an idle host', megabytes(median(idle)), 'resident, without its launcher', '< 110 MB', median(idle) < 110e6),
    ]
  },
}
