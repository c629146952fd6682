/** What the hostile program cannot see by itself: the host's side of the process tier, by the numbers of docs/isolation.md. */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { createEgressProxy } from '../../src/sandbox/egress/egress-proxy.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { Profile } from '../../src/protocol/index.ts'

const limits = { signal: new AbortController().signal, timeoutMs: 30_000 }

describe('the host’s side of the process tier', () => {
  let one: Workbench
  let two: Workbench
  /** What `before` has made so far: it may fail half way. */
  const made = new AsyncDisposableStack()
  before(async () => {
    const sockets = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-sockets-')))
    made.defer(() => rm(sockets, { recursive: true, force: true }))
    const proxy = createEgressProxy(parseConfig({}, 'defaults').egress, sockets)
    made.defer(() => proxy.close())
    one = made.use(await makeWorkbench({ egressSocket: proxy.socket }))
    two = made.use(await makeWorkbench({ egressSocket: proxy.socket }))
  })
  after(() => made.disposeAsync())
  const run = async (bench: Workbench, command: string, profile: Profile = 'work', stdin = '') =>
    (await bench.sandbox.hands(profile)).ask('exec', { command, cwd: '/tmp', stdin, timeoutMs: 20_000, maxOutputBytes: 50_000 }, limits)

  it('71: input that nobody reads, an output that is closed and a flood of zombies hold up nothing', async () => {
    const until = performance.now() + limits.timeoutMs
    const unread = await run(one, 'exec <&-; echo done', 'work', 'x'.repeat(4_000_000))
    assert.equal(unread.stdout, 'done\n')
    const closed = await run(one, 'exec >&- 2>&-; sleep 0.05; exit 7')
    assert.deepEqual([closed.exitCode, closed.stdout], [7, ''])
    // Children that have ended and that their parent never waits for: each stays a process until the parent is gone.
    const zombies = await run(one, "perl -e 'for (1..50) { my $p = fork; exit 0 if defined $p && $p == 0 } sleep 1'")
    assert.equal(zombies.exitCode, 0)
    // The first process of the sandbox reaps them, a moment after the command has ended. The table shows only this sandbox.
    const left = async (): Promise<string> => (await run(one, 'grep -l "^State:.Z" /proc/[0-9]*/status | wc -l')).stdout.trim()
    for (let count = await left(); count !== '0'; count = await left()) {
      assert.ok(performance.now() < until, `${count} zombies are left`)
    }
  })

  it('77: the socket of the egress proxy can be connected to, but not removed or replaced, and no file can be put next to it', async () => {
    const socket = '/run/oxbow/egress.sock'
    for (const attempt of [
      `rm -f ${socket}`,
      `mv ${socket} /run/oxbow/other`,
      `ln -sf /tmp/x ${socket}`,
      'touch /run/oxbow/x',
      'rmdir /run/oxbow',
    ]) {
      assert.notEqual((await run(one, attempt, 'online')).exitCode, 0, attempt)
    }
    assert.equal((await run(one, `test -S ${socket} && echo there`, 'online')).stdout, 'there\n')
    // And where there is no way out, there is no socket.
    assert.equal((await run(one, `test -e ${socket} || echo none`)).stdout, 'none\n')
  })

  it('78: two sandboxes see nothing of each other: no process, no socket, no shared memory, no file', async () => {
    const mark = `oxbow-mark-${process.pid}`
    const listen =
      "use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un(chr(0) . $ARGV[0])); listen($s, 1); open(F, '>/tmp/listens'); close F; sleep 20"
    const stop = new AbortController()
    const hands = await one.sandbox.hands('work')
    const command = `echo ${mark} > /tmp/${mark}; echo ${mark} > /dev/shm/${mark}; perl -e '${listen.replaceAll("'", '"')}' ${mark}`
    const listening = hands.ask(
      'exec',
      { command, cwd: '/tmp', stdin: '', timeoutMs: 20_000, maxOutputBytes: 1_000 },
      { ...limits, signal: stop.signal },
    )
    const ended = listening.catch(() => undefined)
    while ((await run(one, 'test -e /tmp/listens')).exitCode !== 0);
    const connect = `perl -e 'use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0); exit(connect($s, pack_sockaddr_un(chr(0) . $ARGV[0])) ? 0 : 1)' ${mark}`
    assert.equal((await run(one, connect)).exitCode, 0, 'the one that listens must be reachable from its own sandbox')
    assert.notEqual((await run(two, connect)).exitCode, 0)
    const look = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "; ls -A /tmp /dev/shm /shared; cat /proc/net/unix'
    assert.ok((await run(one, look)).stdout.includes(mark))
    // The command that looks is the only one that could name it, and does not.
    assert.ok(!(await run(two, look)).stdout.includes(mark))
    stop.abort()
    await ended
  })

  it('79: the uid that all sandboxes share opens nothing of another one, though both are the same user to the system', async () => {
    await run(one, 'umask 077; echo secret > /tmp/private; chmod 600 /tmp/private')
    const path = join(one.root, 'tmp/private')
    const tries = `cat ${path} /proc/[0-9]*/root${path} /proc/[0-9]*/cwd/private /tmp/private 2>/dev/null; true`
    assert.equal((await run(two, tries)).stdout, '')
  })
})
