/** What a hostile command tries, and what it must not get. Each case was seen to succeed without the part that stops it. */
import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { asker, refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'

/** A name that only this process has in its environment. */
const secretName = 'OXBOW_ABUSE_TEST_SECRET'
const secret = 'hunter2-in-the-environment'

const syscalls =
  process.arch === 'arm64'
    ? { ptrace: 117, keyctl: 219, ioUring: 425, mqOpen: 180 }
    : { ptrace: 101, keyctl: 250, ioUring: 425, mqOpen: 240 }

describe('a hostile command in the sandbox', () => {
  let bench: Workbench
  before(async () => {
    process.env[secretName] = secret
    bench = await makeWorkbench({ before: prepareRepository })
  })
  after(async () => {
    delete process.env[secretName]
    await bench?.[Symbol.asyncDispose]()
  })
  const exec = (command: string, timeoutMs = 20_000) =>
    asker(bench.sandbox)('exec', { command, cwd: '/shared', stdin: '', timeoutMs, maxOutputBytes: 1_000_000 })
  const outputOf = async (command: string) => (await exec(command)).stdout.trim()
  /** Each line of the script is one attempt; all must fail. */
  const allFail = async (attempts: readonly string[]) => {
    for (const attempt of attempts) {
      const { exitCode, stdout } = await exec(attempt)
      assert.notEqual(exitCode, 0, `${attempt} succeeded: ${stdout}`)
    }
  }
  const perl = (code: string) => `perl -e '${code}'`

  it('sees no file of the host but programs and libraries', async () => {
    await allFail(['cat /etc/shadow', 'ls /root', 'ls /home', 'ls /work', 'ls /sys', `cat ${import.meta.filename}`, `ls ${bench.root}`])
    assert.equal(await outputOf('cat /etc/passwd | wc -l'), '1')
    assert.deepEqual(
      (await outputOf('ls -A /'))
        .split('\n')
        .filter((name) => !/^(bin|dev|etc|lib\w*|opt|proc|sbin|shared|skills|tmp|usr|var)$/.test(name)),
      [],
    )
  })

  it('cannot write outside the workspace', async () => {
    await allFail(['touch /usr/bin/x', 'touch /etc/x', 'touch /x', 'touch /opt/oxbow/x', 'echo > /opt/oxbow/hands.cjs', 'touch /dev/x'])
    await allFail([
      'echo core > /proc/sys/kernel/core_pattern',
      'echo b > /proc/sysrq-trigger',
      'ls /dev/kvm',
      'ls /dev/vda',
      'cat /proc/kcore',
    ])
  })

  it('finds nothing of the host’s environment or command line in any process', async () => {
    const seen = await outputOf('for p in /proc/[0-9]*; do tr "\\0" "\\n" < $p/environ; tr "\\0" "\\n" < $p/cmdline; done')
    assert.ok(!seen.includes(secret))
    assert.ok(!seen.includes(bench.root))
    assert.ok(!/^(PATH=.*node_modules|USER|SSH_|npm_)/m.test(seen), seen)
  })

  it('sees only the processes of its own sandbox', async () => {
    const names = await outputOf('cat /proc/[0-9]*/comm | sort -u | tr "\\n" " "')
    assert.match(names, /^(?:(?:bash|bwrap|cat|node|MainThread|sort|tr) ?)+$/)
    await allFail([`kill -0 ${process.pid + 100_000}`, `test -d /proc/${process.pid}/fd`])
  })

  it('has no network', async () => {
    const server = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : 0
    await allFail([`echo > /dev/tcp/127.0.0.1/${port}`, 'echo > /dev/tcp/169.254.169.254/80', 'echo > /dev/udp/1.1.1.1/53'])
    assert.equal(await outputOf('tail -n +3 /proc/net/dev | grep -vc lo:'), '0')
    server.close()
  })

  it('opens no socket that passes a network namespace or reaches deep into the kernel', async () => {
    const [vsock, packet, alg, raw] = ['40, 1, 0', '17, 3, 0', '38, 5, 0', '2, 3, 1']
    await allFail([vsock, packet, alg, raw].map((kind) => perl(`socket(my $s, ${kind}) or exit 1`)))
    assert.equal((await exec(perl('use Socket; socket(my $s, AF_INET, SOCK_STREAM, 0) or exit 1'))).exitCode, 0)
  })

  it('makes no namespace, mount, device or trace', async () => {
    await allFail(['unshare -U true', 'unshare -m true', 'unshare -Urn true', 'mount -t tmpfs x /tmp', 'umount /tmp', 'chroot / true'])
    await allFail(['mknod /tmp/null c 1 3', 'mkfifo /tmp/fifo', 'hostname other', 'nice -n -10 true 2>&1 | grep -q "cannot set" && false'])
    await allFail(Object.values(syscalls).map((number) => perl(`exit(syscall(${number}, 0, 0, 0, 0, 0) == -1 && $!{EPERM} ? 1 : 0)`)))
  })

  it('gains nothing from a setuid bit', async () => {
    await exec('cp /usr/bin/id /shared/id && chmod u+s /shared/id')
    const ids = await outputOf('/shared/id -u; /shared/id -ru; grep -E "NoNewPrivs|CapEff|CapBnd" /proc/self/status | tr -s "\\t" " "')
    const [effective, real, ...status] = ids.split('\n')
    assert.equal(effective, real)
    assert.notEqual(effective, '0')
    assert.deepEqual(status.sort(), ['CapBnd: 0000000000000000', 'CapEff: 0000000000000000', 'NoNewPrivs: 1'])
  })

  it('inherits no descriptor but its three', async () => {
    assert.equal(await outputOf('ls /proc/self/fd | wc -l'), '4')
    const links = await outputOf('for p in 1 2; do for f in /proc/$p/fd/*; do readlink $f; done; done')
    assert.ok(!links.split('\n').some((link) => link.startsWith(bench.root)), links)
  })

  it('cannot change what a repository runs on the person’s side, nor move it away', async () => {
    const git = join(bench.root, 'shared/.git')
    await allFail(['echo evil > .git/hooks/pre-commit', 'echo evil > .git/config', 'mv .git old', 'rm .git/config', 'rmdir .git/hooks'])
    assert.equal(await readFile(join(git, 'config'), 'utf8'), '[core]\n')
    assert.equal((await exec('echo x > .git/index')).exitCode, 0)
  })

  it('is stopped at the size of one file', async () => {
    const { exitCode } = await exec('head -c 40M /dev/zero > /tmp/big')
    assert.notEqual(exitCode, 0)
    assert.equal((await lstat(join(bench.root, 'tmp/big'))).size, 16 * 1024 * 1024)
  })

  it('is stopped when it takes too much memory, and hands live on', async () => {
    const { exitCode, signal } = await exec(perl('my $x = "a" x (900*1024*1024); print length $x'))
    assert.ok(exitCode !== 0 || signal !== null)
    assert.equal(await outputOf('echo alive'), 'alive')
  })

  it('is stopped at the number of processes, and nothing of a fork bomb stays', async () => {
    const bomb = await exec('bomb() { bomb | bomb & }; bomb; sleep 60', 1_500)
    assert.equal(bomb.timedOut, true)
    const count = await outputOf('ls -d /proc/[0-9]* | wc -l')
    // init, hands, the shell, and the pipeline that counts.
    assert.ok(Number(count) <= 6, count)
  })

  it('floods no memory with its output', async () => {
    const { stdoutBytes, stdout, exitCode } = await exec('head -c 100M /dev/zero | tr "\\0" x; printf END')
    assert.equal(exitCode, 0)
    assert.equal(stdoutBytes, 100 * 1024 * 1024 + 3)
    assert.ok(stdout.length < 1_001_000)
    assert.match(stdout, /bytes omitted …\]\nx+END$/)
  })

  it('sends nothing that steers a terminal', async () => {
    const { stdout } = await exec(String.raw`printf '\033[2J\033]0;title\007a\000b\rc\tä\377'`)
    assert.equal(stdout, 'a\uFFFDb\rc\tä\uFFFD')
  })

  it('leaves nothing in shared memory that hands do not notice', async () => {
    const ask = asker(bench.sandbox)
    const keeps = async () => (await ask('usage', {})).keepsMemory
    assert.equal(await keeps(), false)
    await exec('echo echo good > /dev/shm/x.sh')
    assert.equal(await keeps(), true)
    const { digest } = await ask('fingerprint', { since: '', except: [] })
    await exec('echo echo evil > /dev/shm/x.sh')
    const input = { command: 'sh /dev/shm/x.sh', cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
    await assert.rejects(ask('exec', { ...input, unchanged: { digest, except: [] } }), /\/dev\/shm\/x\.sh changed after this was allowed/)
    await exec('rm /dev/shm/x.sh')
    assert.equal(await keeps(), false)
    // IPC_CREAT, then IPC_RMID.
    const id = await outputOf(perl('print shmget(77, 4096, 01666)'))
    assert.equal(await keeps(), true)
    await exec(perl(`shmctl(${id}, 0, 0)`))
    assert.equal(await keeps(), false)
    await allFail([perl(`exit(syscall(${syscalls.mqOpen}, "left", 0102, 0600, 0) < 0)`)])
  })

  it('leaves links, devices and pipes that the file calls refuse', async () => {
    const ask = asker(bench.sandbox)
    await exec(
      'ln -s /etc/passwd l1; ln -s /proc/1/root/etc l2; ln -s /dev/zero l3; ln -s loop loop; ln -s ../tmp/fine fine; echo ok > /tmp/fine',
    )
    const range = { fromLine: 1, maxLines: 1, maxBytes: 100 }
    for (const path of ['l1', 'l2/passwd', 'l3', 'loop']) {
      await refusedWith('path_refused', ask('read', { path: `/shared/${path}`, ...range }))
      await refusedWith('path_refused', ask('write', { path: `/shared/${path}`, text: 'x' }))
    }
    assert.equal((await ask('read', { path: '/shared/fine', ...range })).text, 'ok')
  })

  it('has the limits of open files and core dumps', async () => {
    assert.equal(await outputOf('ulimit -n; ulimit -c; ulimit -u'), '1024\n0\n80')
    await allFail(['ulimit -n 4096', 'ulimit -u 1000'])
  })
})

describe('special files made by the host', () => {
  it('are refused by the file calls without waiting for them', async () => {
    const bench = await makeWorkbench({
      before: async (root) => {
        await mkdir(join(root, 'shared'))
        const { execFileSync } = process.getBuiltinModule('node:child_process')
        execFileSync('mkfifo', [join(root, 'shared/fifo')])
        await symlink('/dev/zero', join(root, 'shared/zero'))
      },
    })
    const ask = asker(bench.sandbox)
    for (const path of ['/shared/fifo', '/shared/zero']) {
      await refusedWith('path_refused', ask('read', { path, fromLine: 1, maxLines: 1, maxBytes: 1 }))
      await refusedWith('path_refused', ask('edit', { path, find: 'a', replace: 'b', all: false }))
      await refusedWith('path_refused', ask('bytes', { path, offset: 0, maxBytes: 1 }))
      await refusedWith('path_refused', ask('patch', { path: '/', diff: `--- a${path}\n+++ b${path}\n@@ -1 +1 @@\n-a\n+b\n` }))
    }
    await refusedWith('path_refused', ask('move', { from: '/shared/fifo', to: '/shared/other', overwrite: false }))
    const search = {
      path: '/shared',
      pattern: 'x',
      regex: false,
      ignoreCase: false,
      glob: '',
      all: true,
      contextLines: 0,
      skip: 0,
      maxMatches: 1,
    }
    assert.equal((await ask('search', search)).matches.length, 0)
    await bench.sandbox.close()
    await bench.remove()
  })
})

describe('two sandboxes', () => {
  it('do not see each other’s files or shared memory', async () => {
    const [one, two] = await Promise.all([makeWorkbench(), makeWorkbench()])
    const exec = { cwd: '/tmp', stdin: '', timeoutMs: 10_000, maxOutputBytes: 10_000 }
    await asker(one.sandbox)('exec', { ...exec, command: 'echo mine > /tmp/mine; echo mine > /dev/shm/mine' })
    const seen = await asker(two.sandbox)('exec', { ...exec, command: 'ls -A /tmp /shared /dev/shm' })
    assert.ok(!seen.stdout.includes('mine'))
    await Promise.all([one, two].map((bench) => bench.sandbox.close().then(() => bench.remove())))
  })
})

async function prepareRepository(root: string): Promise<void> {
  const git = join(root, 'shared/.git')
  await mkdir(join(git, 'hooks'), { recursive: true })
  await writeFile(join(git, 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(git, 'config'), '[core]\n')
  await chmod(join(git, 'config'), 0o644)
}
