/** Hosts of plugins: how fast one starts, answers, starts again and is replaced, what an idle one takes, and what 50 plugins add to a start. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openPlugins } from '../../src/guest/plugin-source.ts'
import { type HostBench, makeHostBench, usualPlugin } from '../../src/plugins/host/host-fixture.ts'
import type { UserId } from '../../src/base/index.ts'
import type { HostedPlugin, PluginExports } from '../../src/protocol/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, megabytes, ms, type Row } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { makeWorkspace, startGuest, type Workspace } from '../subjects/guest.ts'
import { ask, openKernel } from '../measures/calls.ts'

const rounds = 500
const starts = 15

export const plugins: Measure = {
  name: 'plugins',
  title: 'Plugins',
  how: 'Hosts in their sandbox. A start is from the request to the end of `init`; a round trip is an action that returns at once, alone and through the whole gate over SQLite on disk; a crash is a SIGKILL of the host; the gap of a reload is the longest of the requests that go on meanwhile, compared with their median.',
  async run(context) {
    await using bench = await makeHostBench({ deps: { maxCrashes: Infinity } })
    return [
      ...(await measureLife(bench)),
      await measureRoundTrips(bench),
      await measureGate(bench),
      await measureReload(bench),
      ...(await measureGuest(bench, context)),
    ]
  },
}

const echo = (bench: HostBench) => bench.act('usual', 'echo', { text: 'x' })

async function measureLife(bench: HostBench): Promise<readonly Row[]> {
  const took: number[] = []
  const back: number[] = []
  const memory: number[] = []
  const request = { signal: new AbortController().signal, timeoutMs: 10_000 }
  const [plugin] = bench.hosts.plugins()
  for (let round = -1; round < starts; round += 1) {
    await bench.hosts.replace([])
    // The old one ends meanwhile.
    await pause(100)
    const began = performance.now()
    await bench.hosts.replace([plugin!])
    if (round >= 0) took.push(performance.now() - began)
    await pause(200)
    memory.push((await bench.hosts.ask('usual', 'health', {}, request)).memory_bytes)
    if (round % 5 !== 0) continue
    const crashed = performance.now()
    await bench.act('usual', 'run', { code: "process.kill(process.pid, 'SIGKILL')" }).catch(() => undefined)
    while ((await echo(bench).catch(() => null)) === null) await pause(5)
    back.push(performance.now() - crashed)
  }
  const [start, restart, idle] = [median(took), median(back), median(memory)]
  return [
    bounded('start of a host, p50', ms(start), `p99 ${ms(quantile(took, 0.99))}`, '< 150 ms', start < 150),
    bounded('an idle host', megabytes(idle), 'resident, without its launcher', '< 60 MB', idle < 60e6),
    bounded(
      'crash to the next answer, p50',
      ms(restart),
      `longest ${ms(Math.max(...back))}; one second of it is waited`,
      '< 2 s',
      restart < 2_000,
    ),
  ]
}

async function measureRoundTrips(bench: HostBench): Promise<Row> {
  const took = await timed(rounds, () => echo(bench))
  return bounded('an action and back, p50', ms(median(took)), `p99 ${ms(quantile(took, 0.99))}`, '< 1 ms', median(took) < 1)
}

async function measureGate(bench: HostBench): Promise<Row> {
  using workspace = makeWorkspace()
  const kernel = await openKernel(workspace.database, 'normal', {}, async (host) => {
    const ways = { sandbox: bench.bench.sandbox, proxy: undefined }
    const place = { user: 'ada' as UserId, config: parseConfig({}, 'the bench'), workspaceRoot: workspace.root }
    return (await openPlugins(
      ways,
      { ...place, plugins: bench.hosts.plugins() },
      { ...host, untag: async () => 0, clear: async () => {} },
      undefined,
    ))!
  })
  try {
    while ((await ask(kernel, 'usual.echo', { text: 'x' }).catch(() => null)) === null) await pause(20)
    // Fewer than the limits of its tier let pass in a second.
    const took = await timed(60, () => ask(kernel, 'usual.echo', { text: 'x' }), 10)
    return bounded('the same through the gate, p50', ms(median(took)), `p99 ${ms(quantile(took, 0.99))}`, '< 1 ms', median(took) < 1)
  } finally {
    await kernel.close()
  }
}

async function measureReload(bench: HostBench): Promise<Row> {
  await echo(bench)
  const gaps: number[] = []
  const usual: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const took: number[] = []
    const running = { goesOn: true }
    const asking = (async () => {
      while (running.goesOn) took.push(...(await timed(1, () => echo(bench), 0)))
    })()
    await bench.hosts.reload('usual')
    await pause(50)
    running.goesOn = false
    await asking
    gaps.push(Math.max(...took))
    usual.push(median(took))
  }
  const gap = median(gaps)
  return bounded('gap of a reload', ms(gap), `requests meanwhile p50 ${ms(median(usual))}`, '< 50 ms', gap < 50)
}

type Installed = 'none' | 'known' | 'new'

/** Known: their hosts have said what they have before. The first round fills caches. */
async function measureGuest(bench: HostBench, context: BenchContext): Promise<readonly Row[]> {
  const many: HostedPlugin[] = []
  for (let i = 0; i < 50; i += 1) many.push(await bench.plugin(`plugin-${i}`, `${usualPlugin}// ${i}`))
  using known = makeWorkspace()
  using strange = makeWorkspace()
  keepExports(known, many, await bench.hosts.exports('usual', new AbortController().signal))
  const took: Record<Installed, number[]> = { none: [], known: [], new: [] }
  for (let round = -1; round < 4 * context.plan.starts; round += 1) {
    for (const [kind, workspace, installed] of [
      ['none', known, []],
      ['known', known, many],
      ['new', strange, many],
    ] as const) {
      const ready = await readyMs(context, workspace, installed)
      if (round >= 0) took[kind].push(ready)
    }
  }
  const none = median(took.none)
  const row = (what: string, kind: Installed): Row => {
    // Pair by pair: what else runs on the machine is much the same for both.
    const more = median(took[kind].map((each, round) => each - took.none[round]!))
    return bounded(`guest ready with 50 plugins${what}, more than with none`, ms(more), `${ms(none)} with none`, '≤ 5 ms', more <= 5)
  }
  return [row('', 'known'), row(' that no guest has seen', 'new')]
}

/** As a guest keeps what plugins have. */
function keepExports(workspace: Workspace, installed: readonly HostedPlugin[], exports: PluginExports): void {
  const folder = join(workspace.root, 'internal', 'plugins', '.exports')
  mkdirSync(folder, { recursive: true })
  for (const { tree_hash } of installed) writeFileSync(join(folder, `${tree_hash}.json`), JSON.stringify(exports))
}

async function readyMs({ programs, modelUrl }: BenchContext, workspace: Workspace, installed: readonly HostedPlugin[]): Promise<number> {
  await using guest = await startGuest({
    program: programs.usual,
    workspace,
    modelUrl,
    ...(installed.length > 0 && { plugins: installed }),
  })
  return guest.readyMs
}

async function timed(count: number, work: () => Promise<unknown>, warm: number = Math.min(50, count)): Promise<number[]> {
  const took: number[] = []
  for (let round = -warm; round < count; round += 1) {
    const began = performance.now()
    await work()
    if (round >= 0) took.push(performance.now() - began)
  }
  return took
}
