/** What services say of themselves to `oxbow doctor`, each with its fault planted. */
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { createServers } from '../../connect/index.ts'
import { type Fixture, openFixture, says } from '../../kernel/kernel-fixture.ts'
import type { Memory } from '../../memory/index.ts'
import { openLog } from '../../logs/index.ts'
import { createSkills } from '../../skills/index.ts'
import type { DoctorCheck } from '../../protocol/index.ts'
import type { HostPort } from '../../config/index.ts'
import { createFakeSandbox } from '../../sandbox/fake/fake-sandbox.ts'
import { parseConfig } from '../config-schema.ts'
import { scheduleHealth } from '../schedules/schedule-health.ts'
import { sourceService } from '../sources/service.ts'
import { services } from '../list.ts'

async function checkOf({ kernel }: Fixture, name: string): Promise<DoctorCheck> {
  const outcome = await kernel.call('system.health', { part: 'guest' })
  assert.equal(outcome.status, 'ok')
  const { checks } = (outcome as unknown as { output: { checks: readonly DoctorCheck[] } }).output
  const found = checks.filter((check) => check.name === name)
  assert.equal(found.length, 1, `${name} among ${checks.map((check) => check.name).join(', ')}`)
  return found[0]!
}

void test('logs: lines that cannot be written', async () => {
  const log = openLog({ folder: '/nowhere/at/all' })
  await using fixture = await openFixture({ host: { log } as unknown as HostPort })
  assert.equal((await checkOf(fixture, 'logs')).state, 'ok')
  log.write('guest', 'error', 'lost')
  log.flushNow()
  const { state, says: said } = await checkOf(fixture, 'logs')
  assert.equal(state, 'weak')
  assert.match(said, /1 lines were lost: ENOENT/)
})

void test('telemetry: a collector that is gone', async () => {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  const config = { telemetry: { enabled: true, endpoint: `http://127.0.0.1:${port}` } }
  await using fixture = await openFixture({
    config,
    play: async function* () {
      yield* says('ok')
    },
  })
  assert.equal((await checkOf(fixture, 'telemetry')).state, 'ok')
  await fixture.turn('hello')
  let check = await checkOf(fixture, 'telemetry')
  while (check.state === 'ok') {
    await new Promise((resolve) => setTimeout(resolve, 100))
    check = await checkOf(fixture, 'telemetry')
  }
  assert.match(check.says, /ECONNREFUSED; 0 spans sent, \d+ wait/)
})

void test('recall: an index that does not work, and one that is far behind', async () => {
  const stats = { passages: 12, waiting: 0, indexed: 5, journal: 5, problem: null as string | null }
  const memory = {
    stats: async () => stats,
    poke: () => {},
    close: async () => {},
    recalls: () => ({ in_time: 0, late: 0 }),
  } as unknown as Memory
  await using fixture = await openFixture({ memory: { make: () => memory, calls: () => [] } })
  assert.deepEqual(await checkOf(fixture, 'recall').then(({ state, says: said }) => [state, said]), [
    'ok',
    '12 passages, 0 wait for a vector',
  ])
  stats.journal = 50_000
  assert.match((await checkOf(fixture, 'recall')).says, /49995 records are not read yet/)
  stats.problem = 'the snapshot cannot be read'
  assert.deepEqual(await checkOf(fixture, 'recall').then(({ state, says: said }) => [state, said]), ['weak', 'the snapshot cannot be read'])
})

void test('schedules: one that is disabled, one that is late, one that fails', async () => {
  const at = (more: object): object => ({ name: 'daily', status: 'active', failures: 0, next_at: 2_000_000, ...more })
  const health = (...all: readonly object[]): Promise<DoctorCheck> =>
    scheduleHealth({
      clock: { now: () => 1_000_000 } as never,
      documents: { list: async () => all.map((value) => ({ name: '', value })) } as never,
      config: parseConfig({ schedule: entries }, 'a test'),
    })
  let entries: readonly object[] = []
  assert.deepEqual([(await health()).says, (await health(at({}), at({ status: 'paused' }))).says], ['none', '1 of 2 run at their times'])
  assert.match((await health(at({ status: 'disabled', failures: 5 }))).says, /daily is disabled after 5 failures/)
  assert.match((await health(at({ next_at: 100_000 }))).says, /was due 15 minutes ago/)
  assert.match((await health(at({ failures: 2 }))).says, /has failed 2 times in a row/)
  entries = [{ name: 'nightly', goal: 'x', every_s: 1 }]
  assert.match((await health(at({}))).says, /nightly of the configuration could not be made/)
  await using fixture = await openFixture()
  assert.equal((await checkOf(fixture, 'schedules')).says, 'none')
})

void test('servers of tools: one without anything approved', async () => {
  const open = sourceService('servers', (host) =>
    createServers({
      ...host,
      config: parseConfig({ mcp: { servers: { files: { command: 'nothing' } } } }, 'this test').mcp,
      sandbox: createFakeSandbox(),
      hash: async () => (text) => text,
      openFetch: () => Promise.reject(new Error('no network in this test')),
      version: '0',
      nowMs: () => 0,
    }),
  )
  await using fixture = await openFixture({ services: [...services, open] })
  const { state, says: said, fix } = await checkOf(fixture, 'servers')
  assert.deepEqual([state, fix], ['weak', 'oxbow servers list'])
  assert.match(said, /^files: nothing of it is approved/)
})

void test('skills: one that cannot be used', async () => {
  const skill = { place: 'user', agent: '', folder: 'broken', head: '---\nname: other\n---\n', problem: '', files: [] }
  const host = { skills: async () => ({ skills: [skill], prompts: [] }), skillFiles: async () => [] }
  const open = sourceService('skills', async ({ documents }) => ({
    ...createSkills({
      documents,
      host,
      mounts: () => [],
      agent: 'ox',
      countTokens: async () => 1,
      show: async () => '',
      nowMs: () => 0,
    } as never),
    calls: [],
    close: async () => {},
  }))
  await using fixture = await openFixture({ services: [...services, open] })
  const { state, says: said } = await checkOf(fixture, 'skills')
  assert.equal(state, 'weak')
  assert.match(said, /^broken: /)
})
