/** What the configuration asks for is in force, or the status says that it is not. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, globSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { asker } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'

const asRoot = process.getuid?.() === 0
const exec = { cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 10_000 }

describe('the limits of a sandbox', () => {
  it('bound the processor time, where control groups can', async (t) => {
    const bench = await makeWorkbench({ limits: { cpus: 0.3 } })
    await asker(bench.sandbox)('exec', { ...exec, command: 'true' })
    const { limits, degraded } = bench.sandbox.status
    const groups = globSync(`/sys/fs/cgroup/**/oxbow-${process.pid}-*/{cpu.cfs_quota_us,cpu.max}`)
    const quotas = groups.map((file) => readFileSync(file, 'utf8').trim())
    await bench.sandbox.close()
    await bench.remove()
    if (quotas.length === 0) {
      assert.ok(degraded.some((line) => line.startsWith('processors: ')))
      return t.skip('no writable control group for processor time: run as root, or let systemd delegate one')
    }
    assert.ok(limits.includes('processors: 0.3'))
    assert.ok(quotas.includes('30000') || quotas.includes('30000 100000'), String(quotas))
  })

  it('name what the disk may hold, and are missing where the workspace is on a larger file system', async () => {
    const [open, bounded] = await Promise.all([makeWorkbench(), makeWorkbench({ limits: { disk_mb: 16 } })])
    assert.ok(open.sandbox.status.limits.some((line) => line.startsWith('disk: no limit')))
    assert.ok(bounded.sandbox.status.degraded.some((line) => line.startsWith('disk: ')))
    for (const bench of [open, bounded]) await bench.sandbox.close().then(() => bench.remove())
  })

  it(
    'hold for the sum of all files where the workspace is on a file system of that size',
    { skip: !asRoot && 'only root can mount one' },
    async () => {
      const mounted: string[] = []
      const bench = await makeWorkbench({
        limits: { disk_mb: 48 },
        before: (root) => {
          for (const [name, mib] of [
            ['shared', 24],
            ['tmp', 24],
          ] as const) {
            mkdirSync(join(root, name))
            execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m,nosuid,nodev`, 'oxbow-test', join(root, name)])
            mounted.push(join(root, name))
          }
          return Promise.resolve()
        },
      })
      try {
        assert.ok(bench.sandbox.status.limits.includes('disk: 48 MB in all'))
        const fill = 'for i in 1 2 3 4 5; do head -c 8M /dev/zero > part$i || echo full; done; du -sm .'
        const { stdout } = await asker(bench.sandbox)('exec', { ...exec, command: fill })
        assert.match(stdout, /full/)
        assert.ok(Number(/(\d+)\t\.$/m.exec(stdout)?.[1]) <= 24, stdout)
      } finally {
        await bench.sandbox.close()
        for (const folder of mounted) execFileSync('umount', [folder])
        await bench.remove()
      }
      assert.ok(!existsSync(bench.root))
    },
  )
})
