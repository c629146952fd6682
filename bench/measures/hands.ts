/** Hands in the process tier: start time, cost of a request, throughput of reading and writing. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSandbox } from '../../src/sandbox/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Hands, Sandbox } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, figure, ms, shown, times, type Row } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { bareStart, drainCommand, feedCommand, startEcho } from '../subjects/hands-pipes.ts'

const mib = 1024 * 1024
/** Maximum size of a range, and ranges requested at once. */
const rangeBytes = 8 * mib
const inFlight = 4
const fileBytes = 64 * mib
const statsPerRound = 200

const calm = { signal: new AbortController().signal, timeoutMs: 60_000 }

export const hands: Measure = {
  name: 'hands',
  title: 'Hands in the process tier',
  how: 'A real sandbox over a temporary workspace; rounds interleaved with bare processes and pipes: a bare Node to its first byte, a bare Node that echoes, cat and sh over a pipe.',
  async run({ plan }) {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-bench-hands-'))
    const config = parseConfig({ sandbox: { max_file_mb: 1_024 } }, 'the bench')
    const make = (): Promise<Sandbox> =>
      createSandbox({ workspaceRoot: root, limits: config.sandbox, browser: config.browser, insecure: false })
    try {
      const started = await measureStart(make, plan.starts)
      const sandbox = await make()
      try {
        if (sandbox.status.tier === 'none') throw new Error(sandbox.status.problem?.message ?? 'no sandbox')
        const work = await sandbox.hands('work')
        return [...started, ...(await measureRequests(work, plan.streamRounds)), ...(await measureBodies(work, root, plan.streamRounds))]
      } finally {
        await sandbox.close()
      }
    } finally {
      await rm(root, { recursive: true, force: true })
    }
  },
}

async function measureStart(make: () => Promise<Sandbox>, rounds: number): Promise<Row[]> {
  const ours: number[] = []
  const bare: number[] = []
  // The first round brings programs into the page cache and joins the hands program.
  for (let round = -1; round < rounds; round += 1) {
    const nodeMs = await bareStart()
    const sandbox = await make()
    // From sources the program is joined at the first start; the bundle brings it ready.
    await sandbox.hands('vault-read')
    const began = performance.now()
    await (await sandbox.hands('work')).ask('stat', { path: '/shared' }, calm)
    const took = performance.now() - began
    await sandbox.close()
    if (round < 0) continue
    ours.push(took)
    bare.push(nodeMs)
  }
  const [start, node] = [median(ours), median(bare)]
  return [
    bounded(
      'first answer, hands not started',
      `p50 ${ms(start)}, ${times(start / node)}`,
      `bare Node start ${ms(node)}`,
      '< 80 ms',
      start < 80,
    ),
  ]
}

async function measureRequests(work: Hands, rounds: number): Promise<Row[]> {
  const ours: number[] = []
  const bare: number[] = []
  await using echo = await startEcho()
  const line = Buffer.alloc(120)
  for (let round = -1; round < rounds; round += 1) {
    for (let i = 0; i < statsPerRound; i += 1) {
      const began = performance.now()
      await work.ask('stat', { path: '/shared' }, calm)
      const between = performance.now()
      await echo.roundTrip(line)
      if (round < 0) continue
      ours.push(between - began)
      bare.push(performance.now() - between)
    }
  }
  const [p50, p99, raw] = [median(ours), quantile(ours, 0.99), median(bare)]
  return [
    bounded('one request (stat)', `p50 ${ms(p50)}, p99 ${ms(p99)}, ${times(p50 / raw)}`, `bare echo p50 ${ms(raw)}`, 'p50 < 1 ms', p50 < 1),
  ]
}

async function measureBodies(work: Hands, root: string, rounds: number): Promise<Row[]> {
  const path = join(root, 'shared/body')
  const body = Buffer.alloc(fileBytes, 'oxbow ')
  await writeFile(path, body)
  const took: Record<'out' | 'in' | 'small' | 'cat' | 'sh' | 'tar' | 'tarRaw', number[]> = {
    out: [],
    in: [],
    small: [],
    cat: [],
    sh: [],
    tar: [],
    tarRaw: [],
  }
  for (let round = -1; round < Math.min(rounds, 4); round += 1) {
    const one = {
      out: await timeOf(() => readAll(work)),
      cat: (await drainCommand('cat', [path])).ms,
      in: await timeOf(() => writeAll(work, body)),
      sh: await feedCommand(`cat >'${root}/shared/raw' && sync '${root}/shared/raw'`, pieces(body)),
      small: await timeOf(() => writeMany(work, body)),
      tar: await timeOf(() => packAll(work)),
      tarRaw: (await drainCommand('tar', ['-c', '-C', join(root, 'shared'), '.'])).ms,
    }
    for (const name of Object.keys(took) as (keyof typeof took)[]) if (round >= 0) took[name].push(one[name])
    await rm(join(root, 'shared/raw'), { force: true })
  }
  const rate = (name: keyof typeof took): number => fileBytes / 1e6 / (median(took[name]) / 1000)
  const speed = (name: keyof typeof took): string => `${figure(rate(name))} MB/s`
  return [
    bounded(
      'file bodies out, ranges of 8 MiB',
      `${speed('out')}, ${times(rate('out') / rate('cat'))}`,
      `cat over a pipe ${speed('cat')}`,
      '≥ 200 MB/s',
      rate('out') >= 200,
    ),
    bounded(
      'file bodies in, pieces of 8 MiB, two files, synced',
      `${speed('in')}, ${times(rate('in') / rate('sh'))}`,
      `cat and sync over a pipe ${speed('sh')}`,
      '≥ 200 MB/s',
      rate('in') >= 200,
    ),
    shown('file bodies in, files of 1 MiB, each synced', speed('small')),
    shown('a folder as tar, pieces of 8 MiB', speed('tar'), `tar over a pipe ${speed('tarRaw')}`),
  ]
}

async function timeOf(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

async function readAll(work: Hands): Promise<void> {
  let next = 0
  let bytes = 0
  const lane = async (): Promise<void> => {
    for (;;) {
      const offset = next
      if (offset >= fileBytes) return
      next += rangeBytes
      const { content } = await work.ask('bytes', { path: '/shared/body', offset, maxBytes: rangeBytes }, calm)
      bytes += content.length
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
  if (bytes !== fileBytes) throw new Error(`${bytes} bytes came of ${fileBytes}`)
}

/** Two files at once: pieces of one must follow each other. */
async function writeAll(work: Hands, body: Buffer): Promise<void> {
  const half = fileBytes / 2
  const one = async (name: string): Promise<void> => {
    for (let offset = 0; offset < half; offset += rangeBytes) {
      const content = body.subarray(offset, offset + rangeBytes)
      const last = offset + rangeBytes >= half
      await work.ask('put', { path: `/tmp/${name}`, upload: name, offset, content, last, overwrite: true }, calm)
    }
  }
  await Promise.all([one('a'), one('b')])
}

async function writeMany(work: Hands, body: Buffer): Promise<void> {
  let next = 0
  const lane = async (): Promise<void> => {
    for (let i = next; i < fileBytes / mib; i = next) {
      next += 1
      const content = body.subarray(i * mib, (i + 1) * mib)
      await work.ask('put', { path: `/tmp/small-${i}`, upload: `s${i}`, offset: 0, content, last: true, overwrite: true }, calm)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, lane))
}

async function packAll(work: Hands): Promise<void> {
  for (let offset = 0; ;) {
    const { content, done } = await work.ask('archive', { path: '/shared', transfer: 'bench', offset, maxBytes: rangeBytes }, calm)
    offset += content.length
    if (done) return
  }
}

function pieces(body: Buffer): Buffer[] {
  return Array.from({ length: body.length / rangeBytes }, (_, i) => body.subarray(i * rangeBytes, (i + 1) * rangeBytes))
}
