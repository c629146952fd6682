/** The monitor in a real guest: a processor that is kept busy, a full disk, a cut journal and a spent budget, each told once when it begins and ends. */
import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { startModel, type TestModel } from '../support/model.ts'
import { type BundledHome, openBundled } from './bundled-home.ts'

interface Seen {
  readonly begun: readonly string[]
  readonly ended: readonly string[]
  readonly open: Readonly<Record<string, { readonly text: string }>>
}

interface Watch {
  readonly home: BundledHome
  readonly limits: object
  /** Runs until a run has this end. */
  until(fits: (seen: Seen) => boolean): Promise<Seen>
  told(): Promise<readonly string[]>
}

const never = { cpu_percent: 101, memory_percent: 101, disk_percent: 101 }

async function watching(
  limits: object,
  run: (watch: Watch) => Promise<void>,
  more: { model?: TestModel; parent?: string } = {},
): Promise<void> {
  await using home = await openBundled(['monitor'], '[resources]\ncpu_percent = 100\nmemory_percent = 100\n', more.model, more.parent)
  const all = { ...never, ...limits }
  await run({
    home,
    limits: all,
    async until(fits) {
      for (let left = 120; left > 0; left--) {
        const seen = await home.result<Seen>('monitor', all)
        if (fits(seen)) return seen
        await sleep(300)
      }
      throw new Error('it never gets there')
    },
    async told() {
      const lists = await Promise.all(['monitor_begin', 'monitor_end'].map((kind) => home.published<{ problem: string }>(kind)))
      return lists.flatMap((list, i) => list.map(({ problem }) => `${i === 0 ? 'begin' : 'end'} ${problem}`))
    },
  })
}

void test('a processor that is kept busy is told of once, and its end once', async () => {
  await watching({ cpu_percent: 99 }, async ({ until, told, home, limits }) => {
    const hogs = Array.from({ length: availableParallelism() * 2 }, () => spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' }))
    try {
      const seen = await until(({ open }) => 'cpu' in open)
      assert.match(seen.open['cpu']!.text, /^(?:99|100) % of the processors are used$/)
      await home.result<Seen>('monitor', limits)
    } finally {
      for (const hog of hogs) hog.kill('SIGKILL')
    }
    await until(({ open }) => !('cpu' in open))
    assert.deepEqual(await told(), ['begin cpu', 'end cpu'])
  })
})

void test('a disk that is full is told of once, and its end once', async (t: TestContext) => {
  const disk = mkdtempSync(join(tmpdir(), 'oxbow-disk-'))
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256m', 'tmpfs', disk]).status !== 0) {
    rmSync(disk, { recursive: true })
    t.skip('mounts need root: run this test as root')
    return
  }
  try {
    await watching(
      { disk_percent: 90 },
      async ({ home, limits, told, until }) => {
        assert.deepEqual((await home.result<Seen>('monitor', limits)).open, {})
        const { bsize, bavail } = statfsSync(disk)
        const ballast = join(disk, 'ballast')
        writeFileSync(ballast, Buffer.alloc(bsize * bavail - 16 * 1024 * 1024))
        const seen = await until(({ open }) => 'disk' in open)
        assert.match(seen.open['disk']!.text, /^9\d % of the disk is used; \d+(?:\.\d+)? MB are free$/)
        assert.deepEqual((await home.result<Seen>('monitor', limits)).begun, [])
        rmSync(ballast)
        await until(({ open }) => !('disk' in open))
        assert.deepEqual(await told(), ['begin disk', 'end disk'])
      },
      { parent: disk },
    )
  } finally {
    execFileSync('umount', ['--lazy', disk])
    rmSync(disk, { recursive: true, force: true })
  }
})

void test('a journal with a hole is told of once, and its end once', async () => {
  await watching({}, async ({ home, limits, told }) => {
    assert.deepEqual((await home.result<Seen>('monitor', limits)).open, {})
    const db = new Sqlite(join(home.user, 'internal', 'oxbow.db'))
    const row = db.prepare('select * from journal where seq = 3').get() as Record<string, unknown>
    db.prepare('delete from journal where seq = 3').run()
    const cut = await home.result<Seen>('monitor', limits)
    assert.deepEqual(cut.begun, ['journal'])
    assert.match(cut.open['journal']!.text, /^record \d does not hold/)
    assert.deepEqual((await home.result<Seen>('monitor', limits)).begun, [])
    const names = Object.keys(row)
    db.prepare(`insert into journal (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`).run(...Object.values(row))
    db.close()
    assert.deepEqual((await home.result<Seen>('monitor', limits)).ended, ['journal'])
    assert.deepEqual(await told(), ['begin journal', 'end journal'])
  })
})

void test('a budget that is spent is told of once, and its end once', async () => {
  await using model = await startModel([{ events: [{ text: 'Hello.' }], usage: { input: 40, output: 2 } }])
  await watching(
    {},
    async ({ home, limits, told }) => {
      const limit = (tokens: string): Promise<unknown> => home.json('budget', 'set', 'user', '--per', 'day', '--tokens', tokens)
      await limit('1000000')
      assert.equal((await home.oxbow(['run', 'hello'])).exit, 0)
      assert.deepEqual((await home.result<Seen>('monitor', limits)).open, {})
      await limit('1')
      const spent = await home.result<Seen>('monitor', limits)
      assert.deepEqual(spent.begun, ['budget user (day)'])
      assert.equal(spent.open['budget user (day)']!.text, 'used up: 1 tokens')
      assert.deepEqual((await home.result<Seen>('monitor', limits)).begun, [])
      await limit('1000000')
      assert.deepEqual((await home.result<Seen>('monitor', limits)).ended, ['budget user (day)'])
      assert.deepEqual(await told(), ['begin budget user (day)', 'end budget user (day)'])
    },
    { model },
  )
})
