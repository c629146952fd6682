/** How long a host lives, when it starts again, and how another takes over; without processes, by a clock of the test. */
import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { OxbowError } from '../../base/index.ts'
import type { HostedPlugin, PluginOp } from '../../protocol/index.ts'
import { createHostLife, type HostLife } from './host-life.ts'
import type { HostLink } from './host-link.ts'

interface FakeLink extends HostLink {
  readonly asked: PluginOp[]
  readonly number: number
  /** Requests that wait until they are released. */
  release(): void
  crash(): void
}

interface Bench {
  readonly life: HostLife
  readonly links: FakeLink[]
  readonly disabled: string[]
  /** The next starts fail. */
  failing: boolean
  ask(op?: 'action' | 'service' | 'describe', signal?: AbortSignal): Promise<number>
  tick(ms: number): Promise<void>
}

const plugin = (version: string): HostedPlugin => ({
  name: 'plug',
  version,
  program: 'plugin-host',
  folder: '/plugins/plug',
  tree_hash: version,
  entries: ['index.js'],
  rights: [],
  hosts: [],
  secrets: [],
  paths: [],
  config: {},
})

function makeBench(t: TestContext): Bench {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  let now = 0
  const links: FakeLink[] = []
  const fake = (): FakeLink => {
    const ended = Promise.withResolvers<string>()
    const waiting = new Set<PromiseWithResolvers<void>>()
    const services = new Set<string>()
    let open = true
    const finish = async (problem: string): Promise<void> => {
      open = false
      for (const each of waiting) each.reject(new OxbowError('sandbox_failed', 'it ended', { hint: '', data: { lost: true } }))
      ended.resolve(problem)
    }
    const link: FakeLink = {
      number: links.length,
      asked: [],
      ready: Promise.resolve(),
      ended: ended.promise,
      isOpen: () => open,
      pending: () => waiting.size,
      services: () => services,
      async ask(op) {
        link.asked.push(op)
        if (op === 'service') services.add('clock')
        if (op !== 'action') return {}
        const wait = Promise.withResolvers<void>()
        waiting.add(wait)
        await wait.promise.finally(() => waiting.delete(wait))
        return link.number as never
      },
      end: finish,
      release: () => waiting.forEach((each) => each.resolve()),
      crash: () => void finish('it crashed'),
    }
    links.push(link)
    return link
  }
  const disabled: string[] = []
  const bench: Bench = {
    links,
    disabled,
    failing: false,
    life: createHostLife(plugin('1'), {
      start: async (_, onLog) => {
        onLog('begun\n')
        if (bench.failing) throw new OxbowError('tool_failed', 'init failed', { hint: '' })
        await new Promise((resolve) => setImmediate(resolve))
        return fake()
      },
      nowMs: () => now,
      onDisabled: (name) => disabled.push(name),
    }),
    ask: (op = 'action', signal = new AbortController().signal) =>
      bench.life.ask(op, op === 'service' ? { type: 'clock' } : { name: 'a', input: {}, message: null, state: {} }, {
        signal,
        timeoutMs: Infinity,
      }) as Promise<never>,
    async tick(ms) {
      now += ms
      t.mock.timers.tick(ms)
      for (let i = 0; i < 10; i += 1) await new Promise((resolve) => setImmediate(resolve))
    },
  }
  return bench
}

describe('the life of a host', () => {
  it('begins once for all that need it first, and goes on when one of them is cancelled', async (t) => {
    const bench = makeBench(t)
    const controller = new AbortController()
    const [first, second] = [bench.ask('action', controller.signal), bench.ask()]
    controller.abort()
    await assert.rejects(first, { code: 'cancelled' })
    await bench.tick(0)
    bench.links[0]!.release()
    assert.deepEqual([await second, bench.links.length], [0, 1])
  })

  it('ends after ten idle minutes, by draining, and begins again with the next request', async (t) => {
    const bench = makeBench(t)
    await bench.ask('service')
    await bench.tick(599_000)
    await bench.ask('service')
    await bench.tick(599_000)
    assert.equal(bench.life.state().phase, 'running')
    await bench.tick(1_000)
    assert.deepEqual([bench.life.state().phase, bench.links[0]!.asked.at(-1)], ['stopped', 'drain'])
    await bench.ask('service')
    assert.deepEqual([bench.links.length, bench.life.state().problem], [2, ''])
  })

  it('ends after five seconds if it was only asked what it has', async (t) => {
    const bench = makeBench(t)
    await bench.ask('describe')
    await bench.tick(5_000)
    assert.deepEqual([bench.life.state().phase, bench.links[0]!.asked.at(-1)], ['stopped', 'drain'])
    await bench.ask('service')
    await bench.ask('describe')
    await bench.tick(599_000)
    assert.equal(bench.life.state().phase, 'running')
  })

  it('does not end while a request waits', async (t) => {
    const bench = makeBench(t)
    const asked = bench.ask()
    await bench.tick(3_600_000)
    assert.equal(bench.life.state().phase, 'running')
    bench.links[0]!.release()
    assert.equal(await asked, 0)
  })

  it('starts again one second after a crash, with the services that had started, and later each time', async (t) => {
    const bench = makeBench(t)
    await bench.ask('service')
    for (const delay of [1_000, 2_000, 4_000, 8_000]) {
      bench.links.at(-1)!.crash()
      await bench.tick(0)
      assert.deepEqual([bench.life.state().phase, bench.life.state().problem], ['waiting', 'it crashed'])
      await assert.rejects(bench.ask(), { code: 'sandbox_failed', hint: new RegExp(`^It may start again in ${delay / 1_000} s\\.`) })
      const before = bench.links.length
      await bench.tick(delay - 1)
      assert.equal(bench.links.length, before)
      await bench.tick(1)
      assert.deepEqual([bench.links.length, bench.links.at(-1)!.asked], [before + 1, ['service']])
    }
  })

  it('is disabled by five crashes in ten minutes, with one notice, until it is reloaded', async (t) => {
    const bench = makeBench(t)
    await bench.ask('service')
    for (let i = 0; i < 5; i += 1) {
      bench.links.at(-1)!.crash()
      await bench.tick(0)
      await bench.tick(60_000)
    }
    assert.deepEqual([bench.life.state().phase, bench.disabled, bench.links.length], ['disabled', ['plug'], 5])
    await assert.rejects(bench.ask(), { code: 'sandbox_failed', message: /disabled: its host failed 5 times in ten minutes/ })
    await bench.life.replace(plugin('1'), async () => {})
    assert.deepEqual([bench.life.state().phase, bench.life.state().crashes], ['running', 0])
  })

  it('forgets crashes after ten minutes', async (t) => {
    const bench = makeBench(t)
    await bench.ask('service')
    for (let i = 0; i < 8; i += 1) {
      bench.links.at(-1)!.crash()
      await bench.tick(0)
      await bench.tick(200_000)
    }
    assert.deepEqual([bench.life.state().phase, bench.disabled], ['running', []])
  })

  it('counts starts that fail, says why, and does not try again by itself', async (t) => {
    const bench = makeBench(t)
    bench.failing = true
    await assert.rejects(bench.ask(), { message: 'init failed' })
    await assert.rejects(bench.ask(), { message: /init failed/, hint: /^It may start again in 1 s\./ })
    await bench.tick(100_000)
    assert.deepEqual([bench.links.length, bench.life.state().crashes, bench.life.state().phase], [0, 1, 'stopped'])
    bench.failing = false
    await bench.ask('service')
    assert.equal(bench.life.state().phase, 'running')
  })
})

describe('a new host', () => {
  it('takes over when it is accepted, while the old one ends what it does', async (t) => {
    const bench = makeBench(t)
    const before = bench.ask()
    await bench.tick(0)
    await bench.life.replace(plugin('2'), async () => {})
    const next = bench.ask()
    await bench.tick(0)
    bench.links[1]!.release()
    assert.deepEqual([await next, bench.links[0]!.isOpen(), bench.life.plugin().version], [1, true, '2'])
    bench.links[0]!.release()
    assert.equal(await before, 0)
    await bench.tick(20)
    assert.deepEqual([bench.links[0]!.isOpen(), bench.links[0]!.asked.at(-1), bench.life.state().log], [false, 'drain', 'begun\n'])
  })

  it('ends the old one after ten seconds, whatever it does', async (t) => {
    const bench = makeBench(t)
    const before = bench.ask()
    before.catch(() => undefined)
    await bench.tick(0)
    await bench.life.replace(plugin('2'), async () => {})
    for (let i = 0; i < 600; i += 1) await bench.tick(20)
    await assert.rejects(before, { code: 'sandbox_failed', data: { lost: true } })
  })

  it('that is not accepted, or dies meanwhile, leaves the old one as it was', async (t) => {
    const bench = makeBench(t)
    await bench.ask('service')
    const refused = bench.life.replace(plugin('2'), () => Promise.reject(new Error('its tests fail')))
    await assert.rejects(refused, { message: 'its tests fail' })
    const dead = bench.life.replace(plugin('2'), async (link) => {
      ;(link as FakeLink).crash()
      throw new Error('it ended')
    })
    await assert.rejects(dead)
    bench.failing = true
    await assert.rejects(
      bench.life.replace(plugin('2'), async () => {}),
      { message: 'init failed' },
    )
    assert.deepEqual([bench.life.plugin().version, bench.links[0]!.isOpen(), bench.life.state().phase], ['1', true, 'running'])
    assert.deepEqual([bench.links[1]!.isOpen(), bench.links[2]!.isOpen()], [false, false])
  })
})
