/** Where a redirect leads, web.fetch goes only as its rights and the rules about data allow: real pages, and the real gate. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { asks, done, inOrder, openFixture, says, testCall } from '../../src/kernel/kernel-fixture.ts'
import { createEgress } from '../../src/sandbox/egress/create-egress.ts'
import { type Site, startSite } from '../../src/sandbox/egress/web-fixture.ts'
import { webFetch } from '../../src/tools/web/web-calls.ts'
import { parseConfig } from '../../src/services/index.ts'

const secret = testCall('test.secret', async () => done('mari-gold'), {
  right: 'file.read',
  labels: { adds: ['private', 'untrusted'], sink: false },
})

/** All names of `.test` lead to the site. */
function fetchAt({ port }: Site) {
  const { egress } = parseConfig({ egress: { allow: [`*.test:${port}`] } }, 'this test')
  return webFetch(createEgress(egress, { lookup: () => Promise.resolve(['127.0.0.1']) }))
}

/** @param spelt each as a model might write an address of that host @returns paths that the site was asked for */
async function reached(host: string, spelt: readonly string[], config: object): Promise<readonly string[]> {
  const paths: string[] = []
  const site = await startSite(({ url = '', headers }, response) => {
    paths.push(`${headers.host?.replace(/:.*/, '')}${url}`)
    // As a server sends what is no ASCII.
    const to = url.startsWith('/to/') ? Buffer.from(decodeURIComponent(url.slice('/to/'.length))).toString('latin1') : ''
    response.writeHead(to === '' ? 200 : 302, { 'content-type': 'text/plain', ...(to !== '' && { location: to }) }).end('a page')
  })
  try {
    const { port } = site
    const addresses = spelt.flatMap((name) => [
      `http://${name}:${port}/direct`,
      `http://open.test:${port}/to/${encodeURIComponent(`http://${name}:${port}/led`)}`,
    ])
    await using fixture = await openFixture({
      calls: [secret, fetchAt(site)],
      config: { agent: { rights: ['file.read', 'web.read'] }, ...config },
      play: inOrder(asks(['test_secret']), ...addresses.map((url) => asks(['web_fetch', { url }])), says('done')),
    })
    await fixture.turn('go')
    return paths.filter((path) => path.startsWith(host))
  } finally {
    await site.close()
  }
}

const spellings = ['evil.test', 'evil.test.', 'EVIL.test', 'evil。test', 'evil%2Etest', 'evil.test。']

void test('a host that a rule or a denied right names is not reached, however it is spelt and whatever redirects there', async () => {
  const open = { flow: { both: 'allow', new_host: 'allow' } }
  assert.ok((await reached('evil.test', spellings, open)).length >= spellings.length * 2, 'each is reached where nothing denies it')
  for (const host of ['evil.test', 'EVIL.test.', '*.test', 'ev*.test.'])
    assert.deepEqual(await reached('evil.test', spellings, { flow: { ...open.flow, sink: [{ host, both: 'deny' }] } }), [], host)
  for (const host of ['evil.test', 'Evil.Test.', '*.test.'])
    assert.deepEqual(
      await reached('evil.test', spellings, { ...open, agent: { rights: ['file.read', 'web.read', `!web.read:${host}`] } }),
      [],
      `!web.read:${host}`,
    )
})

void test('a page behind a redirect has the label that a rule gives to its host', async () => {
  const site = await startSite(({ url = '' }, response) => {
    const location = url === '/go' ? `http://intranet.test:${site.port}/` : ''
    response.writeHead(location === '' ? 200 : 302, { 'content-type': 'text/plain', ...(location !== '' && { location }) }).end('a page')
  })
  try {
    await using fixture = await openFixture({
      calls: [fetchAt(site)],
      config: {
        agent: { rights: ['file.read', 'web.read'] },
        flow: { new_host: 'allow', source: [{ call: 'web.fetch', host: 'intranet.test', labels: ['private'] }] },
      },
      play: inOrder(
        asks(['web_fetch', { url: `http://open.test:${site.port}/` }]),
        says('read'),
        asks(['web_fetch', { url: `http://open.test:${site.port}/go` }]),
        says('done'),
      ),
    })
    const labels = async (): Promise<string> => (await fixture.store.session(fixture.session))?.labels ?? ''
    await fixture.turn('go')
    assert.doesNotMatch(await labels(), /private/)
    await fixture.turn('go on')
    assert.match(await labels(), /private/)
  } finally {
    await site.close()
  }
})
