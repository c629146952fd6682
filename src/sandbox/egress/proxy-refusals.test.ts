import assert from 'node:assert/strict'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { describe, it } from 'node:test'
import { maxProxyConnections } from '../limits.ts'
import { by, readAll, startProxy, through, withProxy } from './proxy-fixture.ts'
import { onSite } from './web-fixture.ts'
import { isOxbowError } from '../../base/index.ts'

describe('what the egress proxy refuses', () => {
  const closed =
    '127.0.0.1 127.1 2130706433 0x7f000001 0177.0.0.1 0x7f.1 127.0.0.1. 0.0.0.0 10.1.2.3 192.168.0.1 169.254.169.254 2852039166 0xa9fea9fe ' +
    '100.100.100.200 100.64.0.1 224.0.0.1 255.255.255.255 [::1] [::] [::ffff:127.0.0.1] [::ffff:a9fe:a9fe] [64:ff9b::a9fe:a9fe] [2002:7f00:1::] ' +
    '[fd00:ec2::254] [fe80::1] localhost localhost. rebound.test private.test metadata.test'
  const names: Readonly<Record<string, readonly string[]>> = {
    localhost: ['127.0.0.1', '::1'],
    'rebound.test': ['93.184.216.34', '127.0.0.1'],
    'private.test': ['10.0.0.7'],
    'metadata.test': ['169.254.169.254'],
  }
  const wall = {
    lookup: (host: string) => Promise.resolve((Object.hasOwn(names, host) ? names[host] : undefined) ?? ['93.184.216.34']),
    ownAddresses: () => [],
  }

  for (const host of closed.split(' ')) {
    it(`does not reach ${host}, by a request or a tunnel, and says why without an address`, () =>
      withProxy(async ({ say, proxy }) => {
        const pass = await proxy.issue('online', [])
        const plain = await say(by(pass, `GET http://${host}/ HTTP/1.1\r\nhost: ${host}\r\n\r\n`))
        assert.match(plain, /^HTTP\/1\.1 403 [^]*\r\n\r\n.*may not be reached/)
        const tunnel = await say(by(pass, `CONNECT ${host}:443 HTTP/1.1\r\nhost: ${host}:443\r\n\r\n`))
        assert.match(tunnel, /^HTTP\/1\.1 403 /)
        if (Object.hasOwn(names, host)) for (const secret of names[host]!) assert.ok(!`${plain}${tunnel}`.includes(secret))
        const { rows } = await pass.end()
        assert.deepEqual([...new Set(rows.map(({ decision }) => decision))], ['refused'])
        assert.ok(rows.every(({ reason, bytesIn, bytesOut }) => /^(it leads|port)/.test(reason) && bytesIn + bytesOut === 0))
      }, wall))
  }

  it('does not reach other ports, and looks no name up for them', async () => {
    const asked: string[] = []
    const lookup = (host: string): Promise<readonly string[]> => {
      asked.push(host)
      return Promise.resolve(['93.184.216.34'])
    }
    await withProxy(
      async ({ say }) => {
        for (const port of [0, 1, 22, 25, 53, 2375, 6379, 8080]) {
          assert.match(await say(`CONNECT a.test:${port} HTTP/1.1\r\nhost: a.test:${port}\r\n\r\n`), /^HTTP\/1\.1 403 /)
          assert.match(await say(`GET http://a.test:${port}/ HTTP/1.1\r\nhost: a.test:${port}\r\n\r\n`), /^HTTP\/1\.1 403 /)
        }
        assert.deepEqual(asked, [])
      },
      { lookup },
    )
  })

  it('connects to the address that was checked, though the name has another one by then', async () => {
    const answers = [['93.184.216.34'], ['127.0.0.1']]
    const lookup = (): Promise<readonly string[]> => Promise.resolve(answers.shift() ?? ['127.0.0.1'])
    await onSite(
      (_, response) => response.end('reached'),
      async (site) => {
        await withProxy(
          async ({ dial, say, proxy }) => {
            const pass = await proxy.issue('online', [])
            const first = await dial()
            first.write(by(pass, `CONNECT site.test:${site.port} HTTP/1.1\r\nhost: site.test\r\n\r\n`))
            while (answers.length > 1) await new Promise((resolve) => setImmediate(resolve))
            assert.match(await say(by(pass, `CONNECT site.test:${site.port} HTTP/1.1\r\nhost: site.test\r\n\r\n`)), /^HTTP\/1\.1 403 /)
            first.destroy()
            assert.equal(site.sockets.size, 0)
            assert.ok((await pass.end()).rows.every(({ decision }) => decision !== 'reached'))
          },
          { lookup, egress: { allow: [`93.184.216.34:${site.port}`] } },
        )
      },
    )
  })

  it('in strict mode lets through what is listed, and looks nothing else up', async () => {
    const asked: string[] = []
    const lookup = (host: string): Promise<readonly string[]> => {
      asked.push(host)
      return Promise.resolve(['127.0.0.1'])
    }
    await onSite(
      (_, response) => response.end('reached'),
      async (site) => {
        await withProxy(
          async ({ say }) => {
            const ask = (host: string) => say(`GET http://${host}/ HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n\r\n`)
            assert.match(await ask(`site.test:${site.port}`), /^HTTP\/1\.1 200 [^]*reached/)
            assert.match(await ask('example.com'), /^HTTP\/1\.1 403 [^]*strict/)
            assert.match(await ask('c2VjcmV0.evil.test'), /^HTTP\/1\.1 403 [^]*strict/)
            assert.match(await ask('8.8.8.8'), /^HTTP\/1\.1 403 [^]*strict/)
            assert.match(await say('CONNECT evil.test:443 HTTP/1.1\r\nhost: evil.test\r\n\r\n'), /^HTTP\/1\.1 403 /)
            assert.deepEqual(asked, ['site.test'])
          },
          { lookup, egress: { mode: 'strict', allow: [`site.test:${site.port}`] } },
        )
      },
    )
  })

  it('deny goes before allow', async () => {
    await through(
      (_, response) => response.end('reached'),
      async ({ say }, { port }) => {
        assert.match(await say(`CONNECT site.test:${port} HTTP/1.1\r\nhost: site.test\r\n\r\n`), /^HTTP\/1\.1 403 [^]*egress\.deny/)
      },
      { egress: { allow: ['site.test', '127.0.0.0/8'], deny: ['site.test'], ports: [80] } },
    )
  })

  it('has room for so many connections and drops the rest', () =>
    withProxy(async ({ dial }) => {
      const held = await Promise.all(Array.from({ length: maxProxyConnections }, dial))
      for (const socket of held) if (socket.connecting) await once(socket, 'connect')
      const last = await dial()
      assert.equal(await readAll(last), '')
      for (const socket of [...held, last]) socket.destroy()
    }))

  it('keeps a bounded record', () =>
    withProxy(async ({ say, proxy }) => {
      const pass = await proxy.issue('online', [])
      for (let i = 0; i < 60; i += 1) await say(by(pass, `CONNECT host-${i}.test:22 HTTP/1.1\r\nhost: host-${i}.test:22\r\n\r\n`))
      const { rows, more } = await pass.end()
      assert.deepEqual([rows.length, more], [50, 10])
    }))

  it('listens where only its user can enter, and leaves nothing behind', async () => {
    const { proxy, folder, close } = await startProxy()
    const path = await proxy.socket('online')
    assert.equal(await proxy.socket('online'), path)
    assert.notEqual(await proxy.socket('browser'), path)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    assert.equal((await stat(dirname(path))).mode & 0o777, 0o700)
    await proxy.close()
    await assert.rejects(stat(dirname(path)), { code: 'ENOENT' })
    assert.ok(path.startsWith(folder))
    await close()
  })

  it('finds a short place when the workspace lies deep', async () => {
    const { createEgressProxy } = await import('./egress-proxy.ts')
    const { parseConfig } = await import('../../config/index.ts')
    const proxy = createEgressProxy(parseConfig({}, 'this test').egress, `/tmp/${'deep/'.repeat(30)}`)
    const path = await proxy.socket('online')
    assert.ok(Buffer.byteLength(path) < 108)
    assert.equal((await stat(dirname(path))).mode & 0o777, 0o700)
    await proxy.close()
    await assert.rejects(stat(dirname(path)), { code: 'ENOENT' })
  })

  it('refuses rules that cannot be read at its start', () =>
    assert.rejects(startProxy({ egress: { allow: ['http://x/'] } }), (error) => isOxbowError(error, 'bad_config')))
})
