/** Commands with a way out: programs as people use them go through the proxy, and there is no other way. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { siteCertificate } from '../../src/sandbox/egress/certificate-fixture.ts'
import { refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import { noBrowser } from '../browser/browser-bench.ts'
import { openOnlineBench, siteText } from './online-fixture.ts'
import type { OnlineBench } from './online-fixture.ts'

describe('a command with a way out', () => {
  let online: OnlineBench
  before(async () => {
    online = await openOnlineBench()
    writeFileSync(join(online.bench.root, 'shared/site.pem'), siteCertificate)
  })
  after(() => online[Symbol.asyncDispose]())

  /** Runs a command that must succeed. @returns what it wrote */
  const succeeds = async (command: string): Promise<string> => {
    const { exitCode, stdout, stderr } = await online.run(command)
    assert.equal(exitCode, 0, stderr)
    return stdout
  }

  it('reads and sends over http with curl', async () => {
    assert.equal(await succeeds(`curl -sS http://site.test:${online.http}/`), siteText)
    assert.equal(
      await succeeds(`head -c 300000 /dev/zero | tr '\\0' x | curl -sS -T - http://site.test:${online.http}/upload | wc -c`),
      '300000\n',
    )
  })

  it('speaks TLS with the site itself: the certificate is checked inside', async () => {
    const url = `https://site.test:${online.https}/`
    assert.equal(await succeeds(`curl -sS --cacert /shared/site.pem ${url}`), siteText)
    const unknown = await online.run(`curl -sS ${url}`)
    assert.equal(unknown.exitCode, 60, unknown.stderr)
    assert.match(unknown.stderr, /certificate/)
  })

  it('clones with git, over http and https', async () => {
    const clone = (url: string): string => `rm -rf /tmp/clone && git clone -q ${url}/repo.git /tmp/clone && cat /tmp/clone/hello.txt`
    assert.equal(await succeeds(clone(`http://site.test:${online.http}`)), 'from the repository\n')
    const secure = `export GIT_SSL_CAINFO=/shared/site.pem; ${clone(`https://site.test:${online.https}`)}`
    assert.equal(await succeeds(secure), 'from the repository\n')
  })

  const npm = existsSync('/usr/bin/npm') ? false : 'npm is not in /usr/bin, where the sandbox sees it: apt-get install npm'
  it('installs with npm', { skip: npm }, async () => {
    const install = `mkdir -p /tmp/app && cd /tmp/app && echo '{}' > package.json && npm install --no-audit --no-fund --registry http://site.test:${online.http} package`
    await succeeds(`${install} && test -f node_modules/package/package.json`)
    assert.ok(online.asked.includes('GET /package.tgz'))
  })

  const refused: readonly (readonly [what: string, target: string])[] = [
    ['this machine', 'http://127.0.0.1:PORT/'],
    ['this machine by its name', 'http://localhost:PORT/'],
    ['a name that leads to this machine', 'http://closed.test/'],
    ['the metadata service', 'http://169.254.169.254/latest/meta-data/'],
    ['the metadata service by a name', 'http://metadata.test/'],
    ['a name with one private address', 'http://mixed.test/'],
    ['the private network', 'http://10.0.0.1/'],
    ['decimal', 'http://2130706433/'],
    ['octal', 'http://0177.0.0.1/'],
    ['hexadecimal', 'http://0x7f000001/'],
    ['a short form', 'http://127.1/'],
    ['IPv6', 'http://[::1]/'],
    ['IPv4 in IPv6', 'http://[::ffff:127.0.0.1]/'],
    ['NAT64', 'http://[64:ff9b::7f00:1]/'],
    ['a dot at the end', 'http://127.0.0.1./'],
    ['another port', 'http://site.test:22/'],
  ]
  for (const [what, target] of refused) {
    it(`is refused ${what}, by a request and by a tunnel`, async () => {
      const askedBefore = online.asked.length
      const url = target.replace('PORT', String(online.http))
      const plain = await succeeds(`curl -sS -o /tmp/body -w '%{http_code} ' '${url}'; cat /tmp/body`)
      assert.match(plain, /^403 oxbow: .* may not be reached/)
      const tunnel = await online.run(`curl -sSp -k '${url}'`)
      assert.match(tunnel.stderr, /CONNECT tunnel failed, response 403/)
      assert.equal(online.asked.length, askedBefore)
    })
  }

  it('is refused a name that changes its address after the check', async () => {
    const fetch = (): Promise<string> => succeeds(`curl -s -m 3 -o /dev/null -w '%{http_code}' http://rebound.test/; true`)
    // Let through to the public address: whatever that answers here, it is not this machine.
    await fetch()
    assert.equal(await fetch(), '403')
  })

  it('is refused where a redirect leads to', async () => {
    const got = await succeeds(`curl -sSL -w ' %{http_code}' http://site.test:${online.http}/metadata`)
    assert.match(got, /may not be reached.* 403$/s)
  })

  it('cannot hide a host behind another one', async () => {
    const got = await succeeds(`curl -sS -H 'Host: closed.test' -w ' %{http_code}' http://site.test:${online.http}/`)
    assert.match(got, /Host header names another host.* 400$/s)
  })

  it('has no other way: no address beyond its own loopback, no name server, no datagrams, no host sockets', async () => {
    const askedBefore = online.asked.length
    const direct = async (command: string, why: RegExp): Promise<void> => {
      const { exitCode, stderr } = await online.run(command)
      assert.notEqual(exitCode, 0, command)
      assert.match(stderr, why, command)
    }
    await direct(`curl -sS --noproxy '*' http://127.0.0.1:${online.http}/`, /Failed to connect|Couldn't connect|Could not connect/)
    await direct(`curl -sS --noproxy '*' http://93.184.216.34/`, /Failed to connect|Couldn't connect|Could not connect|unreachable/)
    await direct(`curl -sS --noproxy '*' http://169.254.169.254/`, /Failed to connect|Couldn't connect|Could not connect|unreachable/)
    await direct(`curl -sS --noproxy '*' http://example.com/`, /Could not resolve/)
    await direct(`exec 3<>/dev/tcp/8.8.8.8/53`, /unreachable/)
    await direct(`echo x > /dev/udp/8.8.8.8/53`, /unreachable/)
    await direct('getent hosts example.com || { echo none >&2; false; }', /none/)
    const { stdout } = await online.run('cat /proc/net/route /proc/net/dev | grep -v lo: ; ls /run /run/oxbow')
    assert.match(stdout, /egress\.sock/)
    assert.doesNotMatch(stdout, /eth|ens|tap/)
    assert.equal(online.asked.length, askedBefore)
  })

  it('cannot replace the socket of the proxy, and what listens in its place serves nobody else', async () => {
    const { stderr } = await online.run(
      'rm -f /run/oxbow/egress.sock; mv /run/oxbow /run/other; : > /run/oxbow/egress.sock; chmod 0 /run/oxbow/egress.sock',
    )
    assert.equal(stderr.match(/Read-only file system|Device or resource busy|No such device or address/g)?.length, 4, stderr)
    assert.equal(await succeeds(`curl -sS http://site.test:${online.http}/`), siteText)
  })
})

describe('a command without a way out', () => {
  it('sees no socket of the proxy and no port of the relay, while another command does', async () => {
    await using online = await openOnlineBench()
    assert.equal((await online.run(`curl -sS http://site.test:${online.http}/`)).stdout, siteText)
    const { stdout, stderr } = await online.run(
      `ls /run /run/oxbow; env | grep -i proxy; curl -sS -x http://127.0.0.1:8118 http://site.test:${online.http}/; grep -c egress /proc/self/mountinfo`,
      'work',
    )
    assert.equal(stdout, '0\n')
    assert.match(stderr, /No such file[^]*(?:Failed to connect|Couldn't connect|Could not connect)/)
    assert.deepEqual(online.asked, ['GET /'])
  })

  it('and hands of a browser see nothing of /shared', { skip: noBrowser }, async () => {
    await using online = await openOnlineBench()
    writeFileSync(join(online.bench.root, 'shared/secret'), 'hunter2')
    const hands = await online.bench.sandbox.hands('browser')
    const options = { signal: new AbortController().signal, timeoutMs: 10_000 }
    const range = { fromLine: 1, maxLines: 10, maxBytes: 100 }
    await refusedWith('path_refused', hands.ask('read', { path: '/shared/secret', ...range }, options))
    assert.equal((await hands.ask('write', { path: '/tmp/file', text: 'x' }, options)).created, true)
  })
})

it('with a way out is counted by its pass: who was reached with how many bytes, and who was refused why', async () => {
  await using online = await openOnlineBench()
  const pass = await online.proxy.issue('online', [])
  await online.run(
    `curl -s http://site.test:${online.http}/; curl -s http://closed.test/; curl -s https://10.0.0.1/; true`,
    'online',
    pass.token,
  )
  const { rows, more } = await pass.end()
  assert.equal(more, 0)
  assert.deepEqual(
    rows.map(({ host, port, decision }) => [host, port, decision]),
    [
      ['site.test', online.http, 'reached'],
      ['closed.test', 80, 'refused'],
      ['10.0.0.1', 443, 'refused'],
    ],
  )
  assert.ok(rows[0]!.bytesIn > siteText.length && rows[0]!.bytesOut > 50)
  assert.match(rows[1]!.reason, /^it leads to this machine or its private network/)
})

it('with a way out changes no hooks of a repository either, wherever it is, also when other hands live in the folder', async () => {
  await using online = await openOnlineBench()
  const git = join(online.bench.root, 'shared/project/.git')
  mkdirSync(join(git, 'hooks'), { recursive: true })
  for (const name of ['HEAD', 'config']) writeFileSync(join(git, name), 'x')
  for (const profile of ['work', 'online'] as const) {
    for (const command of ['echo evil > project/.git/hooks/pre-commit', 'mv project/.git old', 'echo evil > project/.git/config']) {
      assert.notEqual((await online.run(`cd /shared && ${command}`, profile)).exitCode, 0, `${profile}: ${command}`)
    }
  }
  assert.deepEqual(readdirSync(join(git, 'hooks')), [])
})
