import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'
import { keptCheck } from './run-doctor.ts'
import { type Finding, type Machine, missing, ok, processTier } from './tier-attempts.ts'

describe('what the doctor found', () => {
  let root: string
  let tried: number
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'oxbow-kept-'))
  })
  after(() => rm(root, { recursive: true }))
  const machineAt = (name: string, limits = testLimits): Machine => ({
    workspaceRoot: root,
    limits,
    browser: testBrowser,
    cacheFolder: join(root, name),
    imageFolder: root,
    searchPath: join(root, 'bin'),
  })
  const check = (machine: Machine, finding: Finding, name = 'micro_vm tier') =>
    keptCheck({ name, timeoutMs: 5_000, run: () => Promise.resolve(finding).finally(() => (tried += 1)) }, machine)

  it('holds until the machine starts again, and says that it was found before', async () => {
    tried = 0
    const first = await check(machineAt('a'), ok('QEMU'))
    const second = await check(machineAt('a'), missing('not asked', ''))
    assert.deepEqual([tried, first.says, second.state], [1, 'QEMU', 'ok'])
    assert.match(second.says, /^QEMU \(kept since/)
  })

  it('is found anew when it did not work, when a program was installed, and when the configuration is another', async () => {
    tried = 0
    await check(machineAt('b'), missing('no', 'install'))
    await check(machineAt('b'), ok('now'))
    assert.equal(tried, 2)
    await mkdir(join(root, 'bin'))
    await writeFile(join(root, 'bin/podman'), '')
    await check(machineAt('b'), ok('now'))
    assert.equal(tried, 3)
    await check(machineAt('b', { ...testLimits, memory_mb: 999 }), ok('now'))
    assert.equal(tried, 4)
  })

  it('is found although a folder of the search path cannot be read', async () => {
    tried = 0
    // A link to itself cannot be entered by root either.
    await symlink('loop', join(root, 'loop'))
    const found = await check({ ...machineAt('c'), searchPath: join(root, 'loop') }, ok('QEMU'))
    assert.deepEqual([tried, found.state], [1, 'ok'])
  })

  it('is found anew when the image of containers is another, or gone', async () => {
    tried = 0
    const bin = join(root, 'engine')
    const image = join(root, 'image')
    await mkdir(bin)
    await writeFile(join(bin, 'docker'), `#!/bin/sh\n/bin/cat '${image}'`, { mode: 0o755 })
    const limits = { ...testLimits, container: { engine: 'docker', kernel: 'runc', image: 'mine' } } as const
    for (const id of ['a', 'a', 'b', '']) {
      await writeFile(image, `${id.repeat(64)}\n`)
      await check({ ...machineAt('d', limits), searchPath: bin }, ok('docker'), 'container tier')
    }
    assert.equal(tried, 3)
  })

  it('is not kept of the process tier, and an invalid file is not believed', async () => {
    tried = 0
    for (let i = 0; i < 2; i += 1) await check(machineAt('c'), ok('quick'), processTier)
    assert.equal(tried, 2)
    await check(machineAt('c'), ok('kept'))
    const [file] = await readdir(join(root, 'c/doctor'))
    for (const text of ['', '[]', '{"question":1,"answer":2}', 'null']) {
      await writeFile(join(root, 'c/doctor', file!), text)
      await check(machineAt('c'), ok('kept'))
    }
    assert.equal(tried, 7)
  })
})
