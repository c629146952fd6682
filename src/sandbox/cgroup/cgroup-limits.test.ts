import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createCgroup, findCgroupParents, removeStaleCgroups } from './cgroup-limits.ts'

/** Ordinary folders stand for control groups: what a kernel does with the files is shown by test/kernels and the abuse suite. */
describe('control groups', () => {
  let root: string
  before(() => {
    root = mkdtempSync(join(tmpdir(), 'oxbow-cgroup-'))
  })
  after(() => rmSync(root, { recursive: true }))
  const bounds = { memoryBytes: 1024, processes: 5, cpus: null }

  it('of version 1 are made in the folder of each controller', async () => {
    for (const name of ['v1/memory/mine', 'v1/pids']) mkdirSync(join(root, name), { recursive: true })
    const parents = await findCgroupParents(join(root, 'v1'), '4:memory:/mine\n8:pids:/elsewhere\n9:name=systemd:/\n0::/\n', null)
    assert.deepEqual(parents, [
      { folder: join(root, 'v1/memory/mine'), version: 1, limits: ['memory'] },
      { folder: join(root, 'v1/pids'), version: 1, limits: ['pids'] },
    ])
    const group = createCgroup(parents, 'one', bounds)
    const [memory, pids] = group.entries.map((entry) => join(entry, '..'))
    assert.equal(readFileSync(join(memory!, 'memory.limit_in_bytes'), 'utf8'), '1024')
    assert.equal(readFileSync(join(pids!, 'pids.max'), 'utf8'), '5')
  })

  it('of version 1 are made once for controllers that are mounted together', async () => {
    mkdirSync(join(root, 'v1b/memory,pids/mine'), { recursive: true })
    const parents = await findCgroupParents(join(root, 'v1b'), '4:memory,pids:/mine\n', null)
    assert.deepEqual(parents, [{ folder: join(root, 'v1b/memory,pids/mine'), version: 1, limits: ['memory', 'pids'] }])
    const { entries } = createCgroup(parents, 'together', bounds)
    assert.equal(entries.length, 1)
    const folder = dirname(entries[0]!)
    assert.deepEqual(readdirSync(folder).toSorted(), ['memory.limit_in_bytes', 'pids.max'])
  })

  it('of version 2 are made where controllers are handed down, above the group that we are in', async () => {
    mkdirSync(join(root, 'v2/user/app/us.scope'), { recursive: true })
    writeFileSync(join(root, 'v2/user/app/cgroup.subtree_control'), 'cpu memory pids\n')
    writeFileSync(join(root, 'v2/user/app/cgroup.procs'), '')
    const parents = await findCgroupParents(join(root, 'v2'), '0::/user/app/us.scope\n', null)
    assert.deepEqual(parents, [{ folder: join(root, 'v2/user/app'), version: 2, limits: ['memory', 'pids', 'cpu'] }])
    const group = createCgroup(parents, 'two', bounds)
    assert.equal(group.entries.length, 1)
    const folder = join(group.entries[0]!, '..')
    assert.equal(readFileSync(join(folder, 'memory.max'), 'utf8'), '1024')
    assert.equal(existsSync(join(folder, 'cpu.max')), false)
    const half = createCgroup(parents, 'half', { ...bounds, cpus: 0.5 })
    assert.equal(readFileSync(join(half.entries[0]!, '../cpu.max'), 'utf8'), '50000 100000')
  })

  it('are used only for their own limits', async () => {
    mkdirSync(join(root, 'part/cpu/mine'), { recursive: true })
    const parents = await findCgroupParents(join(root, 'part'), '1:cpu:/mine\n', null)
    assert.deepEqual(parents, [{ folder: join(root, 'part/cpu/mine'), version: 1, limits: ['cpu'] }])
    assert.deepEqual(createCgroup(parents, 'none', bounds).entries, [])
    const [entry] = createCgroup(parents, 'some', { ...bounds, cpus: 1.5 }).entries
    assert.equal(readFileSync(join(entry!, '../cpu.cfs_quota_us'), 'utf8'), '150000')
  })

  it('of version 2 enforce only delegated controllers', async () => {
    mkdirSync(join(root, 'v2b/user/us.scope'), { recursive: true })
    writeFileSync(join(root, 'v2b/user/cgroup.subtree_control'), 'memory pids\n')
    writeFileSync(join(root, 'v2b/user/cgroup.procs'), '')
    const [parent] = await findCgroupParents(join(root, 'v2b'), '0::/user/us.scope\n', null)
    assert.deepEqual(parent?.limits, ['memory', 'pids'])
  })

  it('of version 2 are made where memory and processes are handed down, before a nearer place that hands down less', async () => {
    for (const [name, handedDown] of [
      ['v2c/user', 'memory pids\n'],
      ['v2c/user/near', 'pids\n'],
    ] as const) {
      mkdirSync(join(root, name, 'us.scope'), { recursive: true })
      writeFileSync(join(root, name, 'cgroup.subtree_control'), handedDown)
      writeFileSync(join(root, name, 'cgroup.procs'), '')
    }
    const at = (name: string) => ({ folder: join(root, name), version: 2 })
    const found = await findCgroupParents(join(root, 'v2c'), '0::/user/near/us.scope\n', null)
    assert.deepEqual(found, [{ ...at('v2c/user'), limits: ['memory', 'pids'] }])
    writeFileSync(join(root, 'v2c/user/cgroup.subtree_control'), '\n')
    assert.deepEqual(await findCgroupParents(join(root, 'v2c'), '0::/user/near/us.scope\n', null), [
      { ...at('v2c/user/near'), limits: ['pids'] },
    ])
  })

  it('are not searched for outside of the namespace of this process', async () => {
    mkdirSync(join(root, 'out/mount'), { recursive: true })
    for (const [name, text] of [
      ['cgroup.subtree_control', 'memory pids\n'],
      ['cgroup.procs', ''],
    ] as const)
      writeFileSync(join(root, 'out', name), text)
    assert.deepEqual(await findCgroupParents(join(root, 'out/mount'), '0::/../us.scope\n', null), [])
  })

  it('are missing where nothing is handed down', async () => {
    assert.deepEqual(await findCgroupParents(join(root, 'none'), '0::/a/b\n', null), [])
    assert.deepEqual(createCgroup([], 'none', bounds).entries, [])
  })

  it('of kernels that are dead are removed, of living ones kept', () => {
    const dead = join(root, 'stale/oxbow-4194304999-a')
    const living = join(root, `stale/oxbow-${process.pid}-b`)
    const strange = join(root, 'stale/other')
    for (const folder of [dead, living, strange]) mkdirSync(folder, { recursive: true })
    removeStaleCgroups([{ folder: join(root, 'stale'), version: 1, limits: ['pids'] }])
    assert.deepEqual([dead, living, strange].map(existsSync), [false, true, true])
  })

  it('of kernels that are dead are ended, where the number of the kernel is one of our own namespace', () => {
    const own = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))![0]
    const kills = [own, '1'].map((namespace) => join(root, `kill/oxbow-4194304999-${namespace}-a/cgroup.kill`))
    for (const file of kills) {
      mkdirSync(join(file, '..'), { recursive: true })
      writeFileSync(file, '')
    }
    removeStaleCgroups([{ folder: join(root, 'kill'), version: 2, limits: ['pids'] }])
    assert.deepEqual(
      kills.map((file) => readFileSync(file, 'utf8')),
      ['1', ''],
    )
  })
})
