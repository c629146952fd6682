import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { Config } from '../config/index.ts'
import { testImage, withoutContainers } from './container/container-fixture.ts'
import { holdDisk, releaseDisk } from './disk.ts'
import { asker, refusedWith } from './sandbox-contract.ts'
import { makeWorkbench, type Workbench } from './sandbox-fixture.ts'

const asRoot = process.getuid?.() === 0
const skip = !asRoot && 'only root can mount: run the tests as root'
const exec = { cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 4_096 }
const fill =
  'i=0; while dd if=/dev/zero of=part$i bs=1M count=4 2>/dev/null; do i=$((i+1)); [ $i -lt 40 ] || break; done; du -sm . | cut -f1'

/** Removes what `disk` left mounted, whatever the test found. */
async function withDisk(limits: Partial<Config['sandbox']>, use: (bench: Workbench) => Promise<void>): Promise<void> {
  const bench = await makeWorkbench({ limits: { disk_mb: 48, ...limits } })
  try {
    await use(bench)
  } finally {
    await bench.sandbox.close()
    assert.equal(await releaseDisk(bench.root), true)
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(bench.root))
    await bench.remove()
  }
}

for (const disk of ['image', 'memory'] as const) {
  describe(`a workspace on a disk of its own (${disk})`, { skip }, () => {
    it('is full when it is full, for both folders at once, and goes on when room is made', async () => {
      await withDisk({ disk }, async ({ root, sandbox }) => {
        const ask = asker(sandbox)
        const held = sandbox.status.limits.find((line) => line.startsWith('disk: '))
        assert.match(held ?? '', /^disk: \d\d MB in all$/)
        assert.deepEqual(
          sandbox.status.degraded.filter((line) => line.startsWith('disk')),
          [],
        )
        const filled = Number((await ask('exec', { ...exec, command: fill })).stdout)
        assert.ok(filled >= 24 && filled <= 48, `${filled} MB`)
        await refusedWith('limit_reached', ask('write', { path: '/tmp/more', text: 'x'.repeat(8 * 1024 * 1024) }))
        const inodes = 'i=0; while [ $i -lt 30000 ] && : > n$i; do i=$((i+1)); done 2>/dev/null; echo $i; rm -f n*'
        if (disk === 'image') assert.ok(Number((await ask('exec', { ...exec, command: inodes })).stdout) < 30_000)
        await ask('exec', { ...exec, command: 'rm part*' })
        await ask('write', { path: '/tmp/more', text: 'room again' })
        assert.equal(await readFile(join(root, 'tmp/more'), 'utf8'), 'room again')
        const seen = (await ask('exec', { ...exec, command: 'ls -la / /shared; cat /proc/self/mountinfo' })).stdout
        assert.doesNotMatch(seen, /workspace\.img/)
        // Elsewhere /proc/self/mountinfo names where the workspace is on its file system; here it is at the top of one of its own.
        // The copies of skills are Oxbow's own, and not on the disk.
        const others = seen.split('\n').filter((line) => !line.includes(' /skills '))
        assert.ok(seen.includes(' /shared /shared ') && !others.some((line) => line.includes(root)), seen)
      })
    })
  })
}

describe('a container on a disk of its own', { skip: skip === false ? withoutContainers() : skip }, () => {
  it('is full when it is full', { timeout: 120_000 }, async () => {
    const { image } = await testImage()
    const container = { engine: 'podman', kernel: 'runc', image } as const
    await withDisk({ tier: 'container', container, disk: 'image' }, async ({ sandbox }) => {
      assert.ok(sandbox.status.limits.some((line) => /^disk: \d\d MB in all$/.test(line)))
      const filled = Number((await asker(sandbox)('exec', { ...exec, command: fill })).stdout)
      assert.ok(filled >= 24 && filled <= 48, `${filled} MB`)
    })
  })
})

describe('the disk of a workspace', () => {
  it('keeps its files over the end of Oxbow and over a restart of the machine', { skip }, async () => {
    await withDisk({ disk: 'image' }, async ({ root, sandbox }) => {
      await asker(sandbox)('write', { path: '/shared/kept', text: 'kept' })
      await sandbox.close()
      assert.equal(await readFile(join(root, 'shared/kept'), 'utf8'), 'kept')
      // What a restart does.
      assert.equal(await releaseDisk(root), true)
      assert.ok(!existsSync(join(root, 'shared/kept')))
      assert.equal(await holdDisk(root, { disk: 'image', disk_mb: 48 }), null)
      assert.equal(await readFile(join(root, 'shared/kept'), 'utf8'), 'kept')
      assert.equal(await holdDisk(root, { disk: 'image', disk_mb: 48 }), null)
      assert.equal(
        readFileSync('/proc/self/mountinfo', 'utf8')
          .split('\n')
          .filter((line) => line.includes(root)).length,
        3,
      )
      assert.equal((await stat(join(root, 'disk'))).mode & 0o777, 0o700)
    })
  })

  it('is never mounted over files that are there: the status says so', { skip }, async () => {
    const bench = await makeWorkbench({
      limits: { disk: 'image', disk_mb: 48 },
      before: async (root) => {
        await mkdir(join(root, 'shared'))
        await writeFile(join(root, 'shared/mine'), 'mine')
      },
    })
    assert.deepEqual(
      bench.sandbox.status.degraded.filter((line) => line.startsWith('disk')),
      ['disk: shared holds files already: move them away once, then start again; not limited'],
    )
    assert.equal(await readFile(join(bench.root, 'shared/mine'), 'utf8'), 'mine')
    assert.ok(!readFileSync('/proc/self/mountinfo', 'utf8').includes(bench.root))
    await bench.sandbox.close()
    await bench.remove()
  })

  it('is a draft until it is whole, and one that cannot be mounted is named and left as it is', { skip }, async () => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-disk-'))
    await mkdir(join(root, 'disk'))
    await writeFile(join(root, 'disk/workspace.img.new'), 'cut off')
    assert.equal(await holdDisk(root, { disk: 'image', disk_mb: 16 }), null)
    assert.equal(await releaseDisk(root), true)
    await writeFile(join(root, 'disk/workspace.img'), 'no file system')
    assert.match((await holdDisk(root, { disk: 'image', disk_mb: 16 })) ?? '', /e2fsck/)
    assert.equal(await readFile(join(root, 'disk/workspace.img'), 'utf8'), 'no file system')
    await rm(root, { recursive: true })
  })

  it('is refused to a plain user, with what an administrator can do', { skip }, async (t) => {
    const script = `import { holdDisk } from ${JSON.stringify(join(import.meta.dirname, 'disk.ts'))}
      process.stdout.write(String(await holdDisk('/nowhere', { disk: 'image', disk_mb: 48 })))`
    const stepDown = ['--reuid=60997', '--regid=60997', '--clear-groups', '--no-new-privs']
    const args = [...stepDown, process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e', script]
    const result = await promisify(execFile)('setpriv', args, { cwd: '/' }).catch(
      (error: unknown) => error as { code?: number; stderr?: string },
    )
    if ('stderr' in result && /EACCES|permission denied/i.test(result.stderr ?? '')) return t.skip('a plain user cannot read these sources')
    assert.match((result as { stdout: string }).stdout, /^only root can mount one; .*fstab$/)
  })

  it('is not tried where nothing asks for it', async () => {
    assert.equal(await holdDisk('/nowhere', { disk: 'folder', disk_mb: 48 }), null)
    assert.equal(await holdDisk('/nowhere', { disk: 'image', disk_mb: null }), null)
    assert.ok(!existsSync('/nowhere'))
  })
})
