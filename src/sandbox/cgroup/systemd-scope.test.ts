import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createCgroup, findCgroupParents, removeStaleCgroups } from './cgroup-limits.ts'
import { findUnit, isDelegated, systemdView } from './systemd-scope.ts'
import type { SystemdView } from './systemd-scope.ts'

/** Ordinary folders stand for control groups and for systemd's sockets: what a real one does is shown by test/rigs/systemd-main.ts. */
describe('control groups under systemd', () => {
  let top: string
  let [root, run] = ['', '']
  const manager = 'user.slice/user-1000.slice/user@1000.service'
  before(() => {
    top = mkdtempSync(join(tmpdir(), 'oxbow-systemd-'))
    ;[root, run] = [join(top, 'cgroup'), join(top, 'run')]
    for (const path of ['systemd/system', 'systemd/private', 'user/1000/systemd/private']) mkdirSync(join(run, path), { recursive: true })
    // All of it can be written: what may be done is not told by that.
    for (const path of ['', 'system.slice', 'system.slice/a.service', 'system.slice/b.service', `${manager}/app.slice/c.scope`]) {
      const folder = join(root, path)
      mkdirSync(folder, { recursive: true })
      for (const name of ['cgroup.controllers', 'cgroup.subtree_control']) writeFileSync(join(folder, name), 'cpu memory pids\n')
      writeFileSync(join(folder, 'cgroup.procs'), '')
    }
    writeFileSync(join(root, manager, 'cgroup.controllers'), 'memory pids\n')
  })
  after(() => rmSync(top, { recursive: true }))

  const questions: string[] = []
  const view = (uid: number, more: Partial<SystemdView> = {}): SystemdView => ({
    run,
    uid,
    find: (program) => `/usr/bin/${program}`,
    ask: (_file, args) => {
      questions.push(args.join(' '))
      return Promise.resolve(args.at(-1) === 'a.service' ? 'yes\n' : 'no\n')
    },
    ...more,
  })
  const find = (path: string, seen: SystemdView) => findCgroupParents(root, `0::/${path}\n`, seen)

  it('are made by hand in a unit that was handed over, and nowhere above it', async () => {
    const limits = ['memory', 'pids', 'cpu']
    assert.deepEqual(await find('system.slice/a.service', view(0)), [{ folder: join(root, 'system.slice/a.service'), version: 2, limits }])
    assert.ok(questions.includes('show --property=Delegate --value -- a.service'))
    const below = await find('system.slice/a.service/oxbow-main', view(0))
    assert.deepEqual(below, [{ folder: join(root, 'system.slice/a.service'), version: 2, limits }])
  })

  it('are requested if the unit is not delegated, from the user’s manager by anyone but root', async () => {
    const scopes = { systemdRun: '/usr/bin/systemd-run', env: '/usr/bin/env' }
    assert.deepEqual(await find('system.slice/b.service', view(0)), [
      { folder: join(root, 'system.slice'), version: 2, limits: ['memory', 'pids', 'cpu'], scopes: { ...scopes, runtimeFolder: null } },
    ])
    const own = { folder: join(root, manager, 'app.slice'), version: 2, limits: ['memory', 'pids'] }
    assert.deepEqual(await find(`${manager}/app.slice/c.scope`, view(1000)), [
      { ...own, scopes: { ...scopes, runtimeFolder: join(run, 'user/1000') } },
    ])
    assert.ok(questions.includes('--user show --property=Delegate --value -- c.scope'))
  })

  it('are missing if no manager is available', async () => {
    for (const each of [view(1001), view(1000, { find: () => null })])
      assert.deepEqual(await find(`${manager}/app.slice/c.scope`, each), [])
  })

  it("of a person are not mistaken for root's under sudo", async () => {
    const unit = findUnit(root, `/${manager}/app.slice/c.scope`, view(0))
    assert.equal(unit?.name, 'user@1000.service')
    assert.equal(await isDelegated(unit, view(0, { ask: () => Promise.resolve('yes') })), false)
  })

  it('are created directly if systemd does not run, or the path names no unit', () => {
    for (const [path, seen] of [
      ['/system.slice/a.service', view(0, { run: join(top, 'nowhere') })],
      ['/', view(0)],
      ['/docker/1234', view(0)],
    ] as const)
      assert.equal(findUnit(root, path, seen), null)
  })

  it('are requested without blocking this process', async () => {
    const wanted = join(top, 'wanted')
    const answer = systemdView(() => null).ask('/bin/sh', ['-c', 'until [ -e "$0" ]; do :; done; echo yes', wanted], {})
    writeFileSync(wanted, '')
    assert.equal(await answer, 'yes\n')
    assert.equal(await systemdView(() => null).ask('/bin/false', [], {}), null)
  })

  it('are requested with all limits, without paths of the workspace or our environment', async () => {
    const bounds = { memoryBytes: 1024, processes: 5, cpus: 0.5 }
    const forRoot = createCgroup(await find('system.slice/b.service', view(0)), 'one', bounds)
    assert.deepEqual(forRoot.entries, [])
    assert.equal(forRoot.command[0], '/usr/bin/systemd-run')
    const properties = ['Delegate=yes', 'MemoryMax=1024', 'MemorySwapMax=0', 'TasksMax=5', 'CPUQuota=50%']
    assert.deepEqual(
      forRoot.command.filter((_, i) => forRoot.command[i - 1] === '--property'),
      properties,
    )
    assert.deepEqual(forRoot.command.slice(-3), ['--', '/usr/bin/env', '-i'])
    assert.ok(forRoot.command.some((each) => /^--unit=oxbow-\d+-\d+-one\.scope$/.test(each)))
    const forUser = createCgroup(await find(`${manager}/app.slice/c.scope`, view(1000)), 'two', bounds).command
    assert.deepEqual(forUser.slice(0, 4), ['/usr/bin/env', `XDG_RUNTIME_DIR=${join(run, 'user/1000')}`, '/usr/bin/systemd-run', '--user'])
    assert.ok(!forUser.some((each) => each.startsWith('CPUQuota')))
  })

  it('that systemd has made are ended and not removed: it does that itself', async () => {
    const [parent] = await find('system.slice/b.service', view(0))
    const [, namespace] = /oxbow-\d+-(\d+)-/.exec(createCgroup([parent!], 'x', { memoryBytes: 1, processes: 1 }).command.join(' '))!
    const folder = join(parent!.folder, `oxbow-4194304999-${namespace}-x.scope`)
    mkdirSync(folder)
    writeFileSync(join(folder, 'cgroup.kill'), '')
    removeStaleCgroups([parent!])
    assert.equal(readFileSync(join(folder, 'cgroup.kill'), 'utf8'), '1')
    removeStaleCgroups([{ ...parent!, folder: join(root, 'not.slice') }])
  })
})
