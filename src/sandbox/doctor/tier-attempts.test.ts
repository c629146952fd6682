/** What the kernel says of a container's groups, as files of both versions have it; that real containers have them is tried by doctor. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { attempt, boundsOfGroups, ok } from './tier-attempts.ts'

describe('the bounds of a container', () => {
  let root = ''
  before(async () => (root = await mkdtemp(join(tmpdir(), 'oxbow-bounds-'))))
  after(() => rm(root, { recursive: true }))
  const put = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(files)) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), text)
    }
  }

  it('are read in version 1, where each controller may have a hierarchy of its own', async () => {
    await put({
      'memory/docker/a/memory.limit_in_bytes': '402653184\n',
      'pids/docker/a/pids.max': '96\n',
      'cpu,cpuacct/docker/a/cpu.cfs_quota_us': '150000\n',
      'cpu,cpuacct/docker/a/cpu.cfs_period_us': '100000\n',
    })
    const own = '4:memory:/docker/a\n3:pids:/docker/a\n2:cpu,cpuacct:/docker/a\n1:name=systemd:/docker/a\n0::/docker/a\n'
    assert.deepEqual(boundsOfGroups(root, own), { memory: 402_653_184, processes: 96, processors: 1.5 })
  })

  it('are read in version 2, in the group or in one above it', async () => {
    await put({
      'user.slice/c.scope/memory.max': '402653184\n',
      'user.slice/c.scope/container/memory.max': 'max\n',
      'user.slice/c.scope/container/pids.max': '96\n',
      'user.slice/c.scope/container/cpu.max': 'max 100000\n',
    })
    const bounds = boundsOfGroups(root, '0::/user.slice/c.scope/container\n')
    assert.deepEqual(bounds, { memory: 402_653_184, processes: 96, processors: Infinity })
  })

  it('are infinite where the group sets no limit, or is not visible', async () => {
    await put({ 'pids/login/pids.max': 'max\n', 'cpu,cpuacct/login/cpu.cfs_quota_us': '-1\n' })
    const none = { memory: Infinity, processes: Infinity, processors: Infinity }
    assert.deepEqual(boundsOfGroups(root, '3:pids:/login\n2:cpu,cpuacct:/login\n4:memory:/nowhere\n'), none)
    assert.deepEqual(boundsOfGroups(root, '0::/../../elsewhere\n'), none)
    assert.deepEqual(boundsOfGroups(root, ''), none)
  })
})

describe('an examination that takes too long', () => {
  it('is a finding, and is told of, so that its workspace is not removed under it', async () => {
    const slow = Promise.withResolvers<ReturnType<typeof ok>>()
    const runs: Promise<unknown>[] = []
    const { state, says } = await attempt({ name: 'browser', timeoutMs: 5, run: () => slow.promise }, (run) => void runs.push(run))
    assert.deepEqual([state, says], ['missing', 'no answer within 0.005 s'])
    slow.resolve(ok('late'))
    assert.deepEqual(await runs[0], ok('late'))
  })
})
