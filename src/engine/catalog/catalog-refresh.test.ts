import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { convertCatalog, downloadCatalog, takeCatalog } from './catalog-refresh.ts'
import { catalogFolder } from './catalog-fixture.ts'
import { checkCatalogText } from './catalog-file.ts'
import { loadCatalog } from './catalog.ts'
import { scaled } from '../../../test/support/scale.ts'

const now = new Date('2026-11-21T08:00:00Z')

const api = {
  openai: {
    id: 'openai',
    env: ['OPENAI_API_KEY'],
    npm: '@ai-sdk/openai',
    name: 'OpenAI',
    doc: 'https://platform.openai.com/docs/models',
    models: {
      'gpt-5': {
        id: 'gpt-5',
        name: 'GPT-5',
        family: 'gpt',
        attachment: true,
        reasoning: true,
        tool_call: true,
        structured_output: true,
        temperature: false,
        modalities: { input: ['text', 'image'], output: ['text'] },
        cost: { input: 2, output: 12, tiers: [{ input: 4, output: 24, tier: { type: 'context', size: 272_000 } }] },
        limit: { context: 400_000, input: 272_000, output: 128_000 },
      },
      'gpt-next': { name: 'Next', limit: { context: 2_000_000, output: 64_000 }, status: 'beta' },
    },
  },
}

interface Served extends AsyncDisposable {
  readonly url: string
}

async function serve(answer: RequestListener): Promise<Served> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api.json`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const fails = (code: 'bad_input' | 'tool_failed', part: RegExp) => (error: unknown) => {
  assert.ok(isOxbowError(error, code), String(error))
  assert.match(error.message, part)
  return true
}

void test('a downloaded catalog is written atomically, readable by its owner alone, and its changes are reported', async () => {
  using folder = catalogFolder()
  const path = join(folder.folder, 'new', 'refreshed.jsonl')
  const report = await takeCatalog(JSON.stringify(api), 'https://models.dev', path, now)
  assert.deepEqual([report.providers, report.models, report.leftOut], [1, 2, []])
  assert.deepEqual(
    report.changes.map(({ model, what }) => `${what} ${model}`),
    ['price openai/gpt-5', 'new openai/gpt-next'],
  )
  assert.equal(statSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(join(folder.folder, 'new')), ['refreshed.jsonl'])
  assert.deepEqual(await checkCatalogText(readFileSync(path, 'utf8'), path), { providers: 1, models: 2 })
  const model = await loadCatalog({ files: { refreshed: path } }).lookup('openai', 'gpt-5')
  assert.deepEqual([model?.entry.cost, model?.sources], [api.openai.models['gpt-5'].cost, ['https://models.dev of 2026-11-21']])

  const { 'gpt-next': _gone, ...left } = api.openai.models
  const next = {
    openai: { ...api.openai, models: { ...left, 'gpt-5': { ...left['gpt-5'], limit: { context: 1, output: 1 }, status: 'deprecated' } } },
  }
  const again = await takeCatalog(JSON.stringify(next), 'https://models.dev', path, now)
  assert.deepEqual(again.changes, [
    { model: 'openai/gpt-5', what: 'size', before: '400000 in, 128000 out', after: '1 in, 1 out' },
    { model: 'openai/gpt-5', what: 'deprecated', before: 'false', after: 'true' },
    { model: 'openai/gpt-next', what: 'gone', before: '', after: '' },
  ])
  assert.deepEqual((await takeCatalog(JSON.stringify(next), 'https://models.dev', path, now)).changes, [])
})

void test('single entries that do not fit are left out and named; a file of them is refused and the old one stays', async () => {
  using folder = catalogFolder()
  const { refreshed } = folder.files
  const many = Object.fromEntries(Array.from({ length: 40 }, (_, at) => [`m${at}`, { limit: { context: 1_000 } }]))
  const wrong = { models: { ...many, bad: { cost: { input: 'x', output: 1 } }, 'a\u001bb': {} } }
  const report = await takeCatalog(JSON.stringify({ mine: wrong, '../up': { models: {} } }), 'there', refreshed, now)
  assert.equal(report.models, 40)
  assert.deepEqual(
    report.leftOut.map((line) => line.split(':')[0]),
    ['"../up"', 'mine/a\u001bb', 'mine/bad'],
  )
  const half = { mine: { models: { ...many, ...Object.fromEntries(Array.from({ length: 5 }, (_, at) => [`w${at}`, { cost: 1 }])) } } }
  await assert.rejects(
    takeCatalog(JSON.stringify(half), 'there', refreshed, now),
    fails('bad_input', /5 of its entries cannot be read, 40 can/),
  )
  const before = readFileSync(refreshed, 'utf8')
  for (const text of ['<html>', '[]', '{}', '{"a":{}}', '{"a":{"models":{"x":{"limit":{"context":"big"}}}}}', 'null', '']) {
    await assert.rejects(takeCatalog(text, 'there', refreshed, now), fails('bad_input', /there is not a catalog/))
  }
  assert.equal(readFileSync(refreshed, 'utf8'), before)
})

void test('a broken refreshed file is replaced', async () => {
  using folder = catalogFolder()
  writeFileSync(folder.files.refreshed, 'broken')
  const report = await takeCatalog(JSON.stringify(api), 'there', folder.files.refreshed, now)
  assert.ok(report.changes.some(({ what, model }) => what === 'new' && model === 'openai/gpt-next'))
})

void test('a file that cannot be written leaves no other file behind', async () => {
  using folder = catalogFolder()
  mkdirSync(folder.files.refreshed)
  await assert.rejects(takeCatalog(JSON.stringify(api), 'there', folder.files.refreshed, now), fails('tool_failed', /cannot be written/))
  assert.deepEqual(readdirSync(folder.folder), ['refreshed.jsonl'])
})

void test('any download becomes a readable catalog or is refused with a reason', async () => {
  const entry = fc.record(
    {
      name: fc.string(),
      limit: fc.record({ context: fc.oneof(fc.nat(), fc.anything()) }),
      cost: fc.anything(),
      modalities: fc.anything(),
    },
    { requiredKeys: [] },
  )
  const names = fc.oneof(fc.string(), fc.constantFrom('openai', '__proto__', 'constructor', 'a"b', 'a\nb'))
  const models = fc.dictionary(names, fc.oneof({ weight: 9, arbitrary: entry }, fc.anything()))
  const provider = fc.record({ name: fc.string(), models })
  // A few strange entries among many good ones are left out; nothing but strange ones is refused.
  const good = Object.fromEntries(Array.from({ length: 100 }, (_, at) => [`m${at}`, { limit: { context: at } }]))
  const strange = fc.dictionary(names, fc.oneof({ weight: 9, arbitrary: provider }, fc.anything()), { maxKeys: 4 })
  const document = fc.oneof(
    strange.map((others) => ({ ...others, good: { name: 'Good', models: good } })),
    strange,
    fc.anything(),
  )
  let taken = 0
  await fc.assert(
    fc.asyncProperty(document, async (value) => {
      const text = JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? ''
      try {
        const converted = convertCatalog(text, 'there', now)
        assert.deepEqual(await checkCatalogText(converted.text, 'refreshed'), { providers: converted.providers, models: converted.models })
        taken += 1
      } catch (error) {
        assert.ok(isOxbowError(error, 'bad_input'), String(error))
      }
    }),
    { numRuns: scaled(500) },
  )
  assert.ok(taken > 5, `${taken} of 500 were catalogs`)
})

void test('a catalog is downloaded, through a redirect within its host', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/api.json') response.writeHead(302, { location: '/moved.json' }).end()
    else response.end(JSON.stringify(api))
  })
  assert.deepEqual(JSON.parse(await downloadCatalog(server.url)), api)
})

void test('a redirect to another host, or in a circle, is not followed', async () => {
  let reached = false
  await using other = await serve((_, response) => {
    reached = true
    response.end('{}')
  })
  await using server = await serve((_, response) => response.writeHead(302, { location: other.url }).end())
  await assert.rejects(downloadCatalog(server.url), fails('tool_failed', /which is not followed/))
  assert.equal(reached, false)
  await using circle = await serve((_, response) => response.writeHead(302, { location: '/api.json' }).end())
  await assert.rejects(downloadCatalog(circle.url), fails('tool_failed', /redirects more than 3 times/))
})

void test('a download that is too large, endless or an error is aborted', async () => {
  await using endless = await serve((_, response) => {
    const more = (): void => {
      if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more))
    }
    more()
  })
  await assert.rejects(downloadCatalog(endless.url, { timeMs: 60_000, maxBytes: 200_000 }), fails('tool_failed', /more than 200000 bytes/))
  await using silent = await serve((_, response) => void response.write('{'))
  await assert.rejects(
    downloadCatalog(silent.url, { timeMs: 50, maxBytes: 1_000 }),
    fails('tool_failed', /did not send all of it within 0\.05 seconds/),
  )
  await using absent = await serve((_, response) => void response.writeHead(404).end('no'))
  await assert.rejects(downloadCatalog(absent.url), fails('tool_failed', /answered 404/))
  await using cut = await serve(
    (_, response) => void response.writeHead(200, { 'content-length': 100 }).write('{', () => response.destroy()),
  )
  await assert.rejects(downloadCatalog(cut.url), fails('tool_failed', /cannot be reached/))
})

void test('a catalog is downloaded over TLS or from this machine only, never from an address with a password', async () => {
  for (const address of [
    'http://models.dev/api.json',
    'file:///etc/passwd',
    'ftp://x/',
    'models.dev',
    '',
    'https://me:secret@models.dev/',
  ]) {
    await assert.rejects(downloadCatalog(address), fails('bad_input', /not an address for a catalog/))
  }
})
