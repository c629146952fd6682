/** What only a machine has: a snapshot, a disk of its own, and a copy that comes back. One machine at a time. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, lstat, mkdir, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import type { Config } from '../../config/index.ts'
import { ownSearchPath } from '../host-programs.ts'
import { asker, refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { findVmImage } from './qemu-command.ts'
import { buildVmImage } from './vm-image.ts'
import { vmFixture } from './vm-fixture.ts'

const { limits, skip } = await vmFixture()
const timeout = 120_000
const wholeFile = { fromLine: 1, maxLines: 100, maxBytes: 10_000 }

describe('a micro VM', { skip }, () => {
  it(
    'is another machine each time: right clock, other random bytes from whatever gives them, no network, a kernel and a disk of its own',
    { timeout },
    async () => {
      const seen: string[] = []
      // Each is made anew from the snapshot; any two that agree on one source would be clones to whoever makes keys or names from it.
      const chance = 'od -An -N16 -tx1 /dev/urandom; cat /proc/sys/kernel/random/uuid; mktemp -u; node -p "crypto.randomUUID()"'
      for (let i = 0; i < 2; i += 1) {
        await using bench = await workbench()
        assert.match(bench.sandbox.status.provider, /^QEMU, (?:emulated|KVM)$/)
        const before = Date.now()
        const [seconds, network, kernel, disk, ...random] = await lines(
          bench,
          `date +%s; tail -n +3 /proc/net/dev | grep -vc lo:; uname -n; df -m /shared | tail -1; ${chance}`,
        )
        const clock = Number(seconds) * 1000
        assert.ok(clock > before - 3_000 && clock < Date.now() + 3_000, `${seconds}`)
        assert.deepEqual([network, kernel], ['0', 'oxbow'])
        const [, megabytes] = /^\/dev\/vdb +(\d+) /.exec(disk!) ?? []
        assert.ok(Number(megabytes) > 200 && Number(megabytes) <= 256, disk)
        assert.equal(random.length, 4)
        seen.push(...random)
      }
      assert.equal(new Set(seen).size, 8, seen.join(' '))
    },
  )

  it('has brought back what changed when a call answers', { timeout }, async () => {
    await using bench = await workbench(async (shared) => {
      await writeFile(join(shared, 'old'), 'old\n')
      await mkdir(join(shared, 'gone/deep'), { recursive: true })
      await writeFile(join(shared, 'gone/deep/er'), 'x')
    })
    await exec(bench, 'cat old > new; echo more >> old; rm -r gone; printf "#!/bin/sh\\n" > run; chmod 4755 run; ln -s new link')
    assert.deepEqual((await readdir(bench.shared)).sort(), ['link', 'new', 'old', 'run'])
    assert.equal(await readFile(join(bench.shared, 'old'), 'utf8'), 'old\nmore\n')
    assert.equal((await lstat(join(bench.shared, 'run'))).mode & 0o7777, 0o755)
    await exec(bench, 'echo last > last')
    assert.equal(await readFile(join(bench.shared, 'last'), 'utf8'), 'last\n')
    await bench.sandbox.close()
    assert.ok(!existsSync(join(bench.root, 'internal/micro-vm/not-taken-over')))
  })

  it('sees what the person changes while it runs, and brings back nothing that leads out or that git would run', { timeout }, async () => {
    await using bench = await workbench(async (shared) => {
      for (const name of ['both', 'mine', 'kept']) await writeFile(join(shared, name), 'before\n')
    })
    await exec(bench, 'true')
    for (const name of ['both', 'mine', 'kept']) await writeFile(join(bench.shared, name), 'person\n')
    await exec(
      bench,
      'cat both mine > seen; echo guest > both; rm kept; ln -s /etc/passwd a; ln -s ../x b; ln -s both/../../x c; mkdir -p .git/hooks d',
    )
    await exec(bench, 'echo x > .git/hooks/pre-commit; echo x > .git/config; echo x > .git/HEAD; echo "gitdir: ../x" > d/.git; mkfifo e')
    await bench.sandbox.close()
    assert.deepEqual((await readdir(bench.shared)).sort(), ['.git', 'both', 'd', 'mine', 'seen'])
    const text = (name: string): Promise<string> => readFile(join(bench.shared, name), 'utf8')
    assert.deepEqual(await Promise.all(['both', 'mine', 'seen'].map(text)), ['guest\n', 'person\n', 'person\nperson\n'])
    assert.deepEqual(await readdir(join(bench.shared, '.git')), ['HEAD'])
    assert.deepEqual(await readdir(join(bench.shared, 'd')), [])
  })

  it('has folders of the person, also those that are added while it runs, and not those that are taken away', { timeout }, async () => {
    await using bench = await workbench(async (shared) => {
      for (const name of ['one', 'two']) {
        await mkdir(join(shared, '..', name))
        await chmod(join(shared, '..', name), 0o777)
        await writeFile(join(shared, '..', name, 'a'), `${name}\n`)
      }
    })
    const folder = (name: string) => ({ name, path: join(bench.root, name), readOnly: false })
    await chmod(bench.root, 0o755)
    await exec(bench, 'echo kept > kept')
    const shown = await bench.sandbox.folders!.show([folder('one'), { ...folder('two'), readOnly: true }])
    assert.deepEqual(
      shown.map(({ problem }) => problem !== ''),
      [false, true],
    )
    assert.deepEqual(await lines(bench, 'cat kept one/a; echo new > one/b; ls two'), ['kept', 'one'])
    assert.equal(await readFile(join(bench.root, 'one/b'), 'utf8'), 'new\n')
    await bench.sandbox.folders!.show([])
    assert.deepEqual(await lines(bench, 'ls'), ['kept'])
    assert.deepEqual((await readdir(join(bench.root, 'one'))).sort(), ['a', 'b'])
  })

  it('that died is taken over at the next start, which sees what the person changed meanwhile', { timeout }, async () => {
    await using bench = await workbench((shared) => writeFile(join(shared, 'file'), 'before\n'))
    await exec(bench, 'echo written > written; sync; (sleep 0.1; kill -9 $PPID) & sleep 60').then(
      () => assert.fail('hands were killed'),
      () => undefined,
    )
    await rm(join(bench.shared, 'written'), { force: true })
    await writeFile(join(bench.shared, 'file'), 'after\n')
    assert.deepEqual(await lines(bench, 'cat file written'), ['after', 'written'])
    assert.equal(await readFile(join(bench.shared, 'written'), 'utf8'), 'written\n')
  })

  it('of the vault shows it, to be read, and nothing else', { timeout }, async () => {
    await using bench = await workbench(async (shared) => {
      await mkdir(join(shared, '../vault'), { recursive: true })
      await writeFile(join(shared, '../vault/secret'), 'secret\n')
      await chmod(join(shared, '../vault/secret'), 0o600)
    })
    const hands = await bench.sandbox.hands('vault-read')
    const options = { signal: new AbortController().signal, timeoutMs: 30_000 }
    assert.equal((await hands.ask('read', { path: '/vault/secret', ...wholeFile }, options)).text, 'secret')
    await refusedWith('path_refused', hands.ask('read', { path: '/shared/file', ...wholeFile }, options))
    await refusedWith('tool_failed', hands.ask('write', { path: '/vault/secret', text: 'x' }, options)).catch(() => undefined)
    await refusedWith(
      'sandbox_missing',
      hands.ask('exec', { command: 'true', cwd: '/tmp', stdin: '', timeoutMs: 1_000, maxOutputBytes: 10 }, options),
    )
    await bench.sandbox.close()
    assert.equal(await readFile(join(bench.root, 'vault/secret'), 'utf8'), 'secret\n')
    assert.deepEqual(
      await readdir(join(bench.root, 'internal/micro-vm')).then((names) => names.filter((name) => name.startsWith('vault'))),
      [],
    )
  })

  it('says what to do when the workspace does not fit its disk', { timeout }, async () => {
    await using bench = await workbench((shared) => writeFile(join(shared, 'large'), randomBytes(40 * 1024 * 1024)), { disk_mb: 32 })
    const message = await refusedWith('sandbox_failed', bench.sandbox.hands('work'))
    assert.match(message, /disk of the micro VM/)
    assert.ok(!message.includes(bench.root))
  })

  it('has an image that a second build does not touch: whoever looks for it meanwhile finds it', { timeout }, async () => {
    const image = limits.micro_vm!.image
    // A folder of its own, with all parts already made: other tests may build in the shared one.
    await using bench = await workbench()
    const folder = join(bench.root, 'images')
    await mkdir(folder)
    for (const name of ['trees', 'kernel', basename(image)]) await symlink(join(dirname(image), name), join(folder, name))
    const others = ['a', 'b', 'c'].map((letter) => letter.repeat(24))
    for (const name of others) await mkdir(join(folder, name))
    const build = async () => {
      await buildVmImage({ folder, extras: [], kernel: null, searchPath: ownSearchPath(), oldImages: 2 })
      const { ino, mtimeMs } = await lstat(join(folder, 'current'))
      return [ino, mtimeMs]
    }
    assert.deepEqual(await build(), await build())
    assert.equal(await findVmImage(folder), join(folder, basename(image)))
    assert.equal(others.filter((name) => existsSync(join(folder, name))).length, 2)
  })

  it('copies links of the person as links', { timeout }, async () => {
    await using bench = await workbench(async (shared) => {
      await symlink('/etc/hostname', join(shared, 'out'))
      await writeFile(join(shared, 'in'), 'in\n')
    })
    assert.deepEqual(await lines(bench, 'readlink out; cat in; cat out 2>&1 | tail -1'), [
      '/etc/hostname',
      'in',
      "cat: can't open 'out': No such file or directory",
    ])
  })
})

type VmBench = Workbench & AsyncDisposable & { readonly shared: string }

async function workbench(before?: (shared: string) => Promise<void>, more: Partial<Config['sandbox']> = {}): Promise<VmBench> {
  const bench = await makeWorkbench({
    limits: { ...limits, ...more },
    before: async (root) => {
      await mkdir(join(root, 'shared'))
      await before?.(join(root, 'shared'))
    },
  })
  const end = async (): Promise<void> => {
    await bench.sandbox.close()
    await bench.remove()
  }
  return { ...bench, shared: join(bench.root, 'shared'), [Symbol.asyncDispose]: end }
}

function exec({ sandbox }: Workbench, command: string): Promise<{ stdout: string; exitCode: number | null }> {
  return asker(sandbox)('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 10_000 }, { timeoutMs: 60_000 })
}

async function lines(bench: Workbench, command: string): Promise<string[]> {
  return (await exec(bench, command)).stdout
    .trim()
    .split('\n')
    .map((line) => line.trim())
}
