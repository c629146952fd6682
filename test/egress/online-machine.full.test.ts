/**
 * Commands with a way out in a micro VM, which has no network: through a port of it, the same proxy with the same passes. One real
 * machine for most of it; what it has for fetching is busybox.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { leftOnceGone } from '../../src/sandbox/kill-contract.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import type { Done } from '../../src/protocol/index.ts'
import { processLeftovers } from '../isolation/process-leftovers.ts'
import { onlineCalls } from './online-calls.ts'
import type { OnlineCall } from './online-calls.ts'
import { openOnlineBench, siteText } from './online-fixture.ts'
import type { OnlineBench } from './online-fixture.ts'

const { limits, skip } = await vmFixture()
const timeout = 300_000
const largeBytes = 2_000_000

describe('a command with a way out of a micro VM', { skip }, () => {
  let online: OnlineBench
  let call: OnlineCall
  before(
    async () => {
      online = await openOnlineBench(limits)
      call = onlineCalls(online)
      await online.run('true')
    },
    { timeout },
  )
  after(() => online[Symbol.asyncDispose]())
  const site = (): string => `http://site.test:${online.http}`
  const hostsOf = ({ output }: Done<any>): string[] => output.hosts.map(({ host, decision }: any) => `${decision} ${host}`)

  it('is offered, and named as what it is', () => {
    const { profiles, limits: inForce, provider } = online.bench.sandbox.status
    assert.deepEqual(profiles, ['work', 'online', 'vault-read'])
    assert.match(provider, /^QEMU/)
    assert.match(inForce[0]!, /^network: none but the egress proxy/)
  })

  it('reaches a site by the pass of its call, and is told whom it reached', { timeout }, async () => {
    const done = await call('shell.online', { command: `wget -qO- ${site()}/`, hosts: [`site.test:${online.http}`] })
    assert.deepEqual([done.output.stdout, hostsOf(done)], [siteText, ['reached site.test']], done.output.stderr)
  })

  it('is refused what is not listed in its call, and what the rules close', { timeout }, async () => {
    const only = async (hosts: readonly string[], url: string): Promise<[string, string[]]> => {
      const done = await call('shell.online', { command: `wget -O- ${url}`, hosts })
      return [done.output.stderr, hostsOf(done)]
    }
    const asked = online.asked.length
    for (const [hosts, url, host] of [
      [['other.test'], `${site()}/`, 'site.test'],
      [[], 'http://closed.test/', 'closed.test'],
      [[], 'http://metadata.test/', 'metadata.test'],
      [[], 'http://169.254.169.254/', '169.254.169.254'],
      [[], `http://127.0.0.1:${online.http}/`, '127.0.0.1'],
    ] as const) {
      const [stderr, told] = await only(hosts, url)
      assert.match(stderr, /403/, url)
      assert.deepEqual(told, [`refused ${host}`])
    }
    assert.equal(online.asked.length, asked)
  })

  it('gets nowhere without a pass, with the pass of a command that has ended, or past the proxy', { timeout }, async () => {
    const { output } = await call('shell.online', { command: 'echo $http_proxy' })
    const { stdout, stderr } = await online.run(
      [
        'http_proxy= wget -O- http://93.184.216.34/',
        'http_proxy=http://127.0.0.1:8118 wget -O- http://site.test/',
        `http_proxy=${output.stdout.trim()} wget -O- http://site.test/`,
        'tail -n +3 /proc/net/dev | grep -vc lo:',
        'ls -A /dev /run | tr "\\n" " "',
      ].join('; '),
    )
    assert.match(stderr, /Network is unreachable[^]*407[^]*407/)
    assert.match(stdout, /^0\n/)
    assert.doesNotMatch(stdout, /oxbow|vport|vd[ab]|egress/)
  })

  it('shares /shared and /tmp with commands that have none, and nothing else', { timeout }, async () => {
    await online.run('echo of work > /shared/file; echo of work > /tmp/file', 'work')
    const seen = await call('shell.online', {
      command: `cat /shared/file /tmp/file; wget -qO /shared/page ${site()}/; (sleep 30; true) & ps | grep -c 'oxbow[.]hands'`,
    })
    assert.equal(seen.output.stdout, 'of work\nof work\n0\n')
    const work = await online.run(`cat /shared/page; echo; ps | grep -c 'oxbow[.]online'; wget -O- http://127.0.0.1:8118/`, 'work')
    assert.equal(work.stdout, `${siteText}\n0\n`)
    assert.match(work.stderr, /refused/)
    // And the person has what came from the web, as from any command.
    const page = join(online.bench.root, 'shared/page')
    while ((await readFile(page, 'utf8').catch(() => '')) !== siteText) await delay(20)
  })

  it('brings megabytes through whole, out and in', { timeout }, async () => {
    const command = [
      // As text: this wget takes what it posts for a string.
      `head -c ${largeBytes} /dev/urandom | base64 > /tmp/large`,
      `wget -qO /tmp/back --post-file /tmp/large ${site()}/upload`,
      'sha256sum /tmp/large /tmp/back | cut -c-64',
    ].join(' && ')
    const { output } = await call('shell.online', { command })
    const [sent, back] = output.stdout.trim().split('\n')
    assert.equal(sent, back, output.stderr)
    assert.notEqual(sent, createHash('sha256').update('').digest('hex'))
    assert.ok(output.hosts[0].bytes_in >= largeBytes && output.hosts[0].bytes_out >= largeBytes, JSON.stringify(output.hosts))
  })

  it(
    'that reads nothing of what comes, or writes what nobody reads, holds up no other and takes no more; with it goes its connection',
    { timeout },
    async () => {
      const pass = await online.proxy.issue('online', [])
      const stop = new AbortController()
      const hands = await online.bench.sandbox.hands('online')
      const begin = (command: string): Promise<unknown> => {
        const input = {
          command: `export ${proxyOf(pass.token)}; ${command}`,
          cwd: '/tmp',
          stdin: '',
          timeoutMs: 90_000,
          maxOutputBytes: 1_000,
        }
        return hands.ask('exec', input, { signal: stop.signal, timeoutMs: 90_000 }).catch((error: { code?: string }) => error.code)
      }
      const wedged = [
        begin(`wget -qO- ${site()}/flood | sleep 80`),
        begin(`head -c 14000000 /dev/zero | tr '\\0' x > /tmp/text; wget -qO- --post-file /tmp/text ${site()}/deaf`),
      ]
      const bytes = async (): Promise<number> => {
        const { rows } = await pass.soFar()
        return rows.reduce((sum, { bytesIn, bytesOut }) => sum + bytesIn + bytesOut, 0)
      }
      // Both have begun (this wget says GET to a proxy, whatever it sends), and stand still.
      while (!['GET /flood', 'GET /deaf'].every((each) => online.asked.includes(each))) await delay(20)
      for (let earlier = -1, now = 0; now !== earlier; await delay(500)) [earlier, now] = [now, await bytes()]
      assert.ok((await bytes()) < 16_000_000, `${await bytes()} bytes went to somebody who does not read`)

      assert.equal((await online.run('echo here', 'work')).stdout, 'here\n')
      const meanwhile = await call('shell.online', { command: `for i in 1 2 3; do wget -qO- ${site()}/; done` })
      assert.equal(meanwhile.output.stdout, siteText.repeat(3), meanwhile.output.stderr)

      stop.abort()
      assert.deepEqual(await Promise.all(wedged), ['cancelled', 'cancelled'])
      while (online.gone() < 1) await delay(20)
      await pass.end()
    },
  )
})

describe('a micro VM with a command that is online', { skip }, () => {
  it('leaves nothing when it is killed or closed, and the next command has a new one', { timeout }, async () => {
    await using online = await openOnlineBench(limits)
    const of = { kernelPid: process.pid, root: online.bench.root }
    const pass = await online.proxy.issue('online', [])
    const flood = `${proxyOf(pass.token)} wget -qO /dev/null http://site.test:${online.http}/flood`
    const emptied = async (): Promise<void> => assert.deepEqual(await leftOnceGone(() => processLeftovers(of)), [])
    // The profile's hands end, and with them the machine, which also holds the other profile's hands.
    const work = refusedWith('sandbox_failed', online.run('echo kept > /shared/kept; sync; sleep 100', 'work'))
    while ((await online.run('test -e /shared/kept')).exitCode !== 0);
    const flooded = refusedWith('sandbox_failed', online.run(flood))
    while (online.asked.length < 1) await delay(20)
    await refusedWith('sandbox_failed', online.run('kill -9 $PPID; sleep 60'))
    await flooded
    await work
    while (online.gone() < 1) await delay(20)
    await emptied()

    assert.equal((await online.run('cat /shared/kept')).stdout, 'kept\n')
    const ended = online.run(flood).catch((error: { code?: string }) => error.code)
    while (online.asked.length < 2) await delay(20)
    await online.bench.sandbox.close()
    await ended
    await emptied()
    while (online.gone() < 2) await delay(20)
    await pass.end()
  })
})

function proxyOf(token: string): string {
  return `http_proxy=http://oxbow:${token}@127.0.0.1:8118`
}
