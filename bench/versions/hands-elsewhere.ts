/** Hands on another node: what their start, a command and the way of a thousand files cost, next to a branch at home. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock } from '../../src/base/index.ts'
import { sectionOf } from '../../src/config/index.ts'
import type { Hands, Sandbox } from '../../src/protocol/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { createFarBranches, type FarBranches } from '../../src/services/versions/branches/far-branches.ts'
import { versionsConfig } from '../../src/services/versions/config.ts'
import type { BranchRecord } from '../../src/services/versions/version-schemas.ts'
import { createVersions, type Versions } from '../../src/services/versions/versions.ts'
import { handsSkip, type HandsCluster, openSite, startHandsCluster } from '../../test/cluster/hands/hands-fixture.ts'
import type { Measure } from '../measure.ts'
import { ms, shown, times, type Row } from '../report.ts'
import { median } from '../statistics.ts'

const files = 1_000
const starts = 7
const commands = 40
const signal = new AbortController().signal
const calm = { signal, timeoutMs: 60_000 }
const by = { author: 'bench', at: 0, subject: 'Changes', trailers: {} }

export const handsElsewhere: Measure = {
  name: 'hands-elsewhere',
  title: 'Hands on another node',
  how: `A guest’s sandbox and versions in this process, another node as a process, a NATS server between them, all on this machine; ${files} files of 400 bytes in 100 folders. Home is a branch of the same workspace; commands at home and there take turns.`,
  async run() {
    const skipped = handsSkip()
    if (skipped !== false) return [shown('skipped', skipped)]
    await using site = await openSite((request, response) => {
      if (request.url === '/small') response.end('small')
      else pipeline(Readable.from(zeros()), response).catch(() => {})
    })
    await using cluster = await startHandsCluster([site.host])
    await cluster.startNode('far', { capacity: 8 })
    const { root, sandbox } = cluster.bench
    const kept = openVersions(root, sandbox)
    try {
      const far = createFarBranches({ sandbox, versions: async () => kept, clock: systemClock, pause: waits })
      const small = await version(kept)
      const begun = await measureStarts(far, kept, sandbox, small)
      for (let at = 0; at < 100; at += 1) await mkdir(join(root, 'shared', `d${at}`), { recursive: true })
      for (let at = 0; at < files; at += 1) await writeFile(join(root, 'shared', `d${at % 100}`, `f${at}.txt`), `file ${at}\n`.repeat(40))
      const network = await measureNetwork(cluster, far, kept, small, `http://${site.host}`)
      return [...begun, ...(await measureWork(far, kept, sandbox, await version(kept))), ...network]
    } finally {
      await kept.close()
    }
  },
}

const downloadMb = 256

function* zeros(): Generator<Buffer> {
  const piece = Buffer.alloc(1024 * 1024)
  for (let sent = 0; sent < downloadMb; sent += 1) yield piece
}

const waits = (waitMs: number): Promise<void> => pause(waitMs, undefined, { ref: false })

function openVersions(root: string, sandbox: Sandbox): Versions {
  return createVersions({
    folder: join(root, 'internal', 'versions'),
    sandbox,
    store: { documentCategories: async () => [] },
    documents: { all: async () => [] },
    config: sectionOf(versionsConfig, parseConfig({}, 'the bench')),
    mounts: () => [],
    coveredFolders: () => [],
    pause: waits,
    documentsChanged: { since: false },
  })
}

async function version(kept: Versions): Promise<string> {
  return (await kept.commit(async () => by, signal, { always: true })).commit!
}

function recordOf(name: string, commit: string): BranchRecord {
  return {
    name,
    home: '',
    session: '',
    by: 'bench',
    version: commit,
    base: commit,
    over: commit,
    hands: [],
    copied: '',
    state: 'open',
    labels: [],
    merge: null,
    created_at: 0,
    ended_at: null,
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

const stat = (hands: Hands): Promise<unknown> => hands.ask('stat', { path: '/shared' }, calm)
const exec = (hands: Hands, command: string): Promise<unknown> =>
  hands.ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 1_000 }, calm)

async function measureStarts(far: FarBranches, kept: Versions, sandbox: Sandbox, commit: string): Promise<Row[]> {
  const there: number[] = []
  const here: number[] = []
  for (let round = -1; round < starts; round += 1) {
    const name = `start-${round + 1}`
    await kept.pointBranch(name, commit)
    const far1 = await timed(async () => stat(await far.sandbox(recordOf(name, commit)).hands('work')))
    const home = await timed(async () => {
      await sandbox.branches!.create(`home-${name}`, signal)
      await stat(await (await sandbox.branches!.open(`home-${name}`)).hands('work'))
    })
    await far.drop(name)
    await sandbox.branches!.drop(`home-${name}`)
    if (round < 0) continue
    there.push(far1)
    here.push(home)
  }
  const [away, home] = [median(there), median(here)]
  return [shown('first answer of hands there', `p50 ${ms(away)}, ${times(away / home)}`, `a branch at home ${ms(home)}`)]
}

async function measureNetwork(
  { bench, proxy }: HandsCluster,
  far: FarBranches,
  kept: Versions,
  commit: string,
  url: string,
): Promise<Row[]> {
  await kept.pointBranch('network', commit)
  await bench.sandbox.branches!.create('network-home', signal)
  const places = {
    away: await far.sandbox(recordOf('network', commit)).hands('online'),
    home: await (await bench.sandbox.branches!.open('network-home')).hands('online'),
  }
  const pass = await proxy.issue('online', [])
  /** @returns what curl itself says that it took: the command around it is measured above */
  const fetched = async (hands: Hands, path: string): Promise<number> => {
    const command = `curl -sSf -o /dev/null -w '%{time_total}' ${url}${path}`
    const input = { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 1_000, pass: pass.token }
    return Number((await hands.ask('exec', input, calm)).stdout) * 1_000
  }
  const took = { away: [] as number[], home: [] as number[] }
  for (let round = -3; round < commands; round += 1)
    for (const where of ['away', 'home'] as const) {
      const tookMs = await fetched(places[where], '/small')
      if (round >= 0) took[where].push(tookMs)
    }
  const rates = { away: [] as number[], home: [] as number[] }
  for (let round = 0; round < 3; round += 1)
    for (const where of ['away', 'home'] as const) rates[where].push((downloadMb * 1_000) / (await fetched(places[where], '/large')))
  await pass.end()
  await far.drop('network')
  await bench.sandbox.branches!.drop('network-home')
  const [a, h, r, s] = [median(took.away), median(took.home), median(rates.away), median(rates.home)]
  return [
    shown('a small page, fetched by a command with network', `p50 ${ms(a)}, ${times(a / h)}`, `at home ${ms(h)}`),
    shown(`a download of ${downloadMb} MiB by such a command`, `${Math.round(r)} MiB/s, ${times(r / s)}`, `at home ${Math.round(s)} MiB/s`),
  ]
}

async function measureWork(far: FarBranches, kept: Versions, sandbox: Sandbox, commit: string): Promise<Row[]> {
  await kept.pointBranch('work', commit)
  const record = recordOf('work', commit)
  const filled = await timed(async () => stat(await far.sandbox(record).hands('work')))
  const away = await far.sandbox(record).hands('work')
  await kept.pointBranch('second', commit)
  const again = await timed(async () => stat(await far.sandbox(recordOf('second', commit)).hands('work')))
  await sandbox.branches!.create('home', signal)
  const opened = await sandbox.branches!.open('home')
  const home = await opened.hands('work')
  const took = { away: [] as number[], home: [] as number[], awayStat: [] as number[], homeStat: [] as number[] }
  for (let round = -3; round < commands; round += 1) {
    const times1 = [
      await timed(() => exec(away, 'true')),
      await timed(() => exec(home, 'true')),
      await timed(() => stat(away)),
      await timed(() => stat(home)),
    ] as const
    if (round < 0) continue
    for (const [at, key] of (['away', 'home', 'awayStat', 'homeStat'] as const).entries()) took[key].push(times1[at]!)
  }
  const change = 'for f in */*.txt; do echo more >> "$f"; done'
  const back = await timed(() => exec(away, change))
  await kept.pointBranch('home', commit)
  const atHome = await timed(async () => {
    await exec(home, change)
    await kept.commitBranch({ name: 'home', sandbox: opened, over: commit }, by, signal)
  })
  await Promise.all(['work', 'second'].map((name) => far.drop(name)))
  await sandbox.branches!.drop('home')
  const [a, h, s, t] = [median(took.away), median(took.home), median(took.awayStat), median(took.homeStat)]
  return [
    shown('a command that changes nothing, with the look at what it changed', `p50 ${ms(a)}, ${times(a / h)}`, `at home ${ms(h)}`),
    shown('a look at a file', `p50 ${ms(s)}, ${times(s / t)}`, `at home ${ms(t)}`),
    shown(`first answer over a version of ${files} files that the node does not have`, ms(filled), `one that it has: ${ms(again)}`),
    shown(
      `a command that changes ${files} files, until they are a version here`,
      `${ms(back)}, ${times(back / atHome)}`,
      `at home ${ms(atHome)}`,
    ),
  ]
}
