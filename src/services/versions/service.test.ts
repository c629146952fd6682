/** Versions as a service: nothing is changed without one, a start loads it only where a guest was killed. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Fixture, openFixture } from '../../kernel/kernel-fixture.ts'
import type { Service } from '../../kernel/index.ts'
import { makeWorkbench, type Workbench } from '../../sandbox/sandbox-fixture.ts'
import { builtinCalls } from '../../tools/index.ts'
import type { Json } from '../../base/index.ts'
import { services } from '../index.ts'
import { runningMark } from './limits.ts'

/** The services of a guest, with this in the place of what opens versions. */
function openingBy(open: (really: NonNullable<Service['open']>) => NonNullable<Service['open']>): readonly Service[] {
  return services.map((service) => (service.name === 'versions' ? { ...service, open: open(service.open!.bind(service)) } : service))
}

interface Place {
  readonly guest: Fixture
  readonly folder: string
  readonly shared: string
  call(name: string, input: Json): Promise<string>
}

async function withGuest(list: readonly Service[], run: (place: Place) => Promise<void>, on?: Workbench): Promise<void> {
  await using made = on === undefined ? await makeWorkbench({ insecure: true }) : null
  const bench = (on ?? made)!
  const folder = join(bench.root, 'internal', 'versions')
  await using guest = await openFixture({
    sandbox: bench.sandbox,
    versionsFolder: folder,
    calls: builtinCalls({ files: true, shell: true }),
    services: list,
  })
  await run({
    guest,
    folder,
    shared: join(bench.root, 'shared'),
    async call(name, input) {
      const outcome = await guest.kernel.call(name, input)
      return 'failure' in outcome ? `${outcome.failure.code}: ${outcome.failure.message}` : outcome.status
    },
  })
}

void test('where versions cannot be opened nothing is changed, the refusal says why, status names it, and they work once they open', async () => {
  let isBroken = true
  const list = openingBy((really) => async (...given) => {
    if (isBroken) throw new Error('its folder is damaged')
    return really(...given)
  })
  await withGuest(list, async ({ guest, shared, call }) => {
    writeFileSync(join(shared, 'a.md'), 'kept')
    assert.equal(await call('file.read', { path: 'a.md' }), 'ok')
    assert.deepEqual(guest.kernel.status().services, undefined, 'reading needs no versions')
    const changes: readonly (readonly [string, Json])[] = [
      ['file.write', { path: 'a.md', text: 'lost' }],
      ['file.delete', { path: 'a.md' }],
      ['shell.exec', { command: 'echo lost > /shared/a.md' }],
      ['state.save', { category: 'projects', name: 'oxbow', data: { status: 'active' }, format: 'json' }],
    ]
    for (const [name, input] of changes)
      assert.match(await call(name, input), /Nothing was changed.*service versions does not work: its folder is damaged/, name)
    assert.equal(readFileSync(join(shared, 'a.md'), 'utf8'), 'kept')
    assert.match(await call('state.load', { category: 'projects', name: 'oxbow' }), /not_found/)
    assert.match(await call('branch.create', { name: 'try' }), /its folder is damaged/)
    assert.deepEqual(guest.kernel.status().services, [{ name: 'versions', problem: 'its folder is damaged' }])

    isBroken = false
    assert.equal(await call('file.write', { path: 'a.md', text: 'new' }), 'ok')
    assert.equal(await call('version.restore', { path: 'a.md', at: 'HEAD~1', apply: true }), 'ok')
    assert.equal(readFileSync(join(shared, 'a.md'), 'utf8'), 'kept')
    assert.deepEqual(guest.kernel.status().services, undefined)
  })
})

void test('a guest that changes nothing does not open versions', async () => {
  const list = openingBy(() => () => assert.fail('nothing was changed'))
  await withGuest(list, async ({ guest, folder, call }) => {
    assert.equal(await call('file.list', { path: '/shared' }), 'ok')
    await guest.turn('Say something')
    assert.ok(!existsSync(folder))
  })
})

void test('what only calls about versions have opened is closed with the guest', async () => {
  await using bench = await makeWorkbench({ insecure: true })
  await withGuest(services, async ({ call }) => assert.equal(await call('version.commit', { message: 'One' }), 'ok'), bench)
  // They are saved at the end, or some seconds after a commit.
  assert.ok(existsSync(join(bench.root, 'internal', 'versions', 'oxbow-stamps.json')))
})

void test('what a killed guest has changed is committed by the next start, before anybody asks', async () => {
  const recovered = Promise.withResolvers<void>()
  const list = openingBy((really) => async (core, ports) => {
    const opened = await really(core, ports)
    return {
      ...opened,
      async recover() {
        await opened.recover?.()
        recovered.resolve()
      },
    }
  })
  await using bench = await makeWorkbench({ insecure: true })
  const turn = '01890a5d-ac96-774b-bcce-b302099a8057'
  await withGuest(services, async ({ call }) => assert.equal(await call('file.write', { path: 'a.md', text: 'one' }), 'ok'), bench)
  writeFileSync(join(bench.root, 'shared', 'a.md'), 'two')
  writeFileSync(join(bench.root, 'internal', 'versions', runningMark), JSON.stringify([turn]))
  await using again = await makeWorkbench({ insecure: true, before: (root) => cp(bench.root, root, { recursive: true }) })
  await withGuest(
    list,
    async ({ guest, folder, call }) => {
      // No call of this guest opens them.
      await recovered.promise
      // It comes after what has been begun.
      assert.equal(await call('version.commit', { message: 'After' }), 'ok')
      const log = await guest.kernel.call('version.log', {})
      const commits = log.status === 'ok' ? (log.output as { commits: readonly { subject: string; trailers: object }[] }).commits : []
      assert.deepEqual(commits.map(({ subject }) => subject).slice(0, 2), ['After', 'Changes before Oxbow was stopped'])
      assert.match(JSON.stringify(commits[1]?.trailers), new RegExp(turn))
      assert.ok(!existsSync(join(folder, runningMark)))
    },
    again,
  )
})
