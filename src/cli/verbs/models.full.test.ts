/** The verbs about models from end to end: the real program, which asks the real guest program, over a catalog server of its own. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { shareCompileCache } from '../../../test/support/compile-cache.ts'
import { errorTable } from '../../base/index.ts'
import { providerTable } from './models.ts'
import { program } from '../../../test/support/built.ts'

interface Ran {
  readonly exit: number | null
  readonly out: string
  readonly err: string
}

let home = ''
let server: Server
let url = ''
let served: unknown

async function oxbow(...args: readonly string[]): Promise<Ran> {
  const child = spawn(process.execPath, [program, ...args], { env: { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home } })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  child.stdin.end()
  return new Promise((resolve) => child.once('close', (exit) => resolve({ exit, out, err })))
}

const config = (text: string): void => writeFileSync(join(home, 'config.toml'), text)

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-catalog-verbs-'))
  shareCompileCache(home)
  server = createServer((_, response) => response.end(JSON.stringify(served))).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api.json`
})

after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  rmSync(home, { recursive: true, force: true })
})

void test('models lists a provider’s models with size, price and abilities, and its own of the configuration', async () => {
  config('[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\n[providers.mine.models."my-llama"]\ncontext_tokens = 8192\n')
  const { exit, out, err } = await oxbow('models', 'anthropic')
  assert.equal(exit, 0, err)
  assert.match(out, /^MODEL +CONTEXT +OUTPUT +IN \$\/M +OUT \$\/M +TAKES +TOOLS +REASONING\n/)
  assert.match(out, /^anthropic\/claude-haiku-4-5 +200k +32k +1\.00 +5\.00 +text,image,pdf +yes +yes$/m)
  assert.match(out, /^anthropic\/claude-3-opus-20240229 .* deprecated$/m)
  const mine = await oxbow('models', 'mine', '--json')
  assert.deepEqual(JSON.parse(mine.out), { ...(JSON.parse(mine.out) as object), name: 'my-llama', contextTokens: 8192, price: null })
})

void test('an unknown provider is an error that lists the known ones', async () => {
  const { exit, err } = await oxbow('models', 'nobody')
  assert.equal(exit, errorTable.not_found.exit)
  assert.match(err, /^error: there is no provider "nobody"\nhint: .*\[providers\.nobody\].* Known are .*anthropic.*openai/)
})

void test('models of a service of the person are what it lists, and one that lists nothing says what to do', async () => {
  const base = url.replace('/api.json', '/v1')
  config(`[providers.lab]\nbase_url = "${base}"\n[providers.lab.models.described]\ncontext_tokens = 8192\n`)
  served = { object: 'list', data: [{ id: 'lab-large', object: 'model' }] }
  const { exit, out, err } = await oxbow('models', 'lab')
  assert.equal(exit, 0, err)
  assert.match(out, /^lab\/lab-large +\d+k /m)
  assert.match(out, /^lab\/described +8192 /m)
  config(`[providers.lab]\nbase_url = "${base}"\n`)
  assert.match((await oxbow('models')).err, /`oxbow models lab` asks your service lab\./)
  served = { object: 'list', data: [] }
  const empty = await oxbow('models', 'lab')
  assert.equal(empty.exit, errorTable.not_found.exit)
  assert.match(empty.err, /\/v1, the service of lab, lists no models\.\nhint: .*\[providers\.lab\.models\."MODEL"\]/)
  config('[providers.lab]\nbase_url = "http://127.0.0.1:9/v1"\n')
  assert.match((await oxbow('models', 'lab')).err, /does not answer with a list of models\.\nhint: Check that it runs/)
  config(`[providers.lab]\nbase_url = "${base}"\napi_key_env = "LAB_KEY"\n`)
  assert.match((await oxbow('models', 'lab')).err, /LAB_KEY is not set; lab needs a key/)
})

void test('models --discover searches this machine, not the catalog', async () => {
  config('')
  const found = await oxbow('models', '--discover', '--json')
  assert.equal(found.exit, 0, found.err)
  // Services may run here; each says where.
  for (const line of found.out
    .trim()
    .split('\n')
    .filter((each) => each !== '')) {
    assert.match((JSON.parse(line) as { baseUrl: string }).baseUrl, /^http:\/\/127\.0\.0\.1:\d+\/v1$/)
  }
})

void test('catalog show lists each fact with its source', async () => {
  config('[model]\nprovider = "openai"\nname = "gpt-5-mini"\ncontext_tokens = 100000\n')
  const { exit, out, err } = await oxbow('catalog', 'show', 'openai/gpt-5-mini')
  assert.equal(exit, 0, err)
  assert.match(out, /^context +configuration +100000 tokens$/m)
  assert.match(out, /^output +package +32000 tokens, the model can 128000$/m)
  assert.match(out, /^price per million +package +in \$0\.25, out \$2\.00, cache read \$0\.025$/m)
  const { out: json } = await oxbow('catalog', 'show', 'gpt-5-mini', '--json')
  const shown = JSON.parse(json) as { facts: { provider: string; contextTokens: number }; origins: { tools: string } }
  assert.deepEqual([shown.facts.provider, shown.facts.contextTokens, shown.origins.tools], ['openai', 100_000, 'package'])
  const unknown = await oxbow('catalog', 'show', 'openai/gpt5minni')
  assert.equal(unknown.exit, errorTable.not_found.exit)
  assert.match(unknown.err, /the nearest known are gpt-5-mini/)
  config('')
  const nobodys = await oxbow('catalog', 'show', 'nobody/gpt-5-mini')
  assert.equal(nobodys.exit, errorTable.not_found.exit)
  assert.match(nobodys.err, /has a provider "nobody"\nhint: `oxbow models` lists/)
})

void test('catalog refresh installs a newer catalog, shows the changes, and overrides the package', async () => {
  config('')
  served = {
    openai: {
      name: 'OpenAI',
      models: { 'gpt-5-mini': { cost: { input: 9, output: 99 }, name: 'Mini' }, 'gpt-99': { limit: { context: 4096 } } },
    },
  }
  const { exit, out, err } = await oxbow('catalog', 'refresh', '--url', url)
  assert.equal(exit, 0, err)
  assert.match(out, /refreshed\.jsonl: 1 providers, 2 models\.\n2 changes:\n/)
  assert.match(out, /^ {2}price {2}openai\/gpt-5-mini: \{.*\} → \{"input":9,"output":99\}$/m)
  assert.match((await oxbow('models', 'openai')).out, /^openai\/gpt-5-mini +400k +32k +9\.00 +99\.00 /m)
  assert.match((await oxbow('catalog', 'refresh', '--url', url)).out, /Nothing has changed/)
})

void test('catalog refresh refuses what is not a catalog and keeps the one there is', async () => {
  const path = join(home, 'catalog', 'refreshed.jsonl')
  const kept = readFileSync(path, 'utf8')
  served = { message: 'hello' }
  const { exit, err } = await oxbow('catalog', 'refresh', '--url', url)
  assert.equal(exit, errorTable.bad_input.exit)
  assert.match(err, /not a catalog.*\nhint: The catalog stays as it was/)
  assert.equal(readFileSync(path, 'utf8'), kept)
  assert.equal((await oxbow('catalog', 'refresh', '--url', 'http://example.com/api.json')).exit, errorTable.bad_input.exit)
})

void test('catalog verify accepts files and known models, warns of one without a price, and fails on an unknown one', async () => {
  config(
    '[model]\nprovider = "openai"\nname = "gpt-5-mini"\nfallback = ["anthropic/claude-haiku-4-5"]\n' +
      '[providers.mine]\nbase_url = "http://127.0.0.1:9/v1"\n[providers.mine.models.m]\ncontext_tokens = 8192\n',
  )
  const good = await oxbow('catalog', 'verify')
  assert.equal(good.exit, 0, good.err)
  assert.match(good.out, /^ok +\S+overlay\.json +not there$/m)
  assert.match(good.out, /^ok +\S+refreshed\.jsonl +1 providers, 2 models$/m)
  assert.match(good.out, /^ok +anthropic\/claude-haiku-4-5 +200000 tokens, priced$/m)
  assert.match(good.out, /^warning +mine\/m +it has no price: set input_price and output_price before/m)
  writeFileSync(join(home, 'config.toml'), '[budget.user]\nmicro_dollars = 5\n', { flag: 'a' })
  const refused = await oxbow('catalog', 'verify')
  assert.equal(refused.exit, errorTable.bad_config.exit)
  assert.match(refused.out, /^FAILED +mine\/m +it has no price, and there is a money budget/m)
  config('[model]\nprovider = "openai"\nname = "gpt5minni"\n')
  const unknown = await oxbow('catalog', 'verify', '--json')
  assert.equal(unknown.exit, errorTable.bad_config.exit)
  const failed = unknown.out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { check: string; ok: boolean })
    .filter(({ ok }) => !ok)
  assert.deepEqual(
    failed.map(({ check }) => check),
    ['openai/gpt5minni'],
  )
})

void test('a broken overlay fails only what uses the catalog, and names the key', async () => {
  config('')
  mkdirSync(join(home, 'catalog'), { recursive: true })
  writeFileSync(join(home, 'catalog', 'overlay.json'), '{"openai":{"models":{"gpt-5":{"limt":{}}}}}')
  const { exit, err } = await oxbow('models', 'openai')
  assert.equal(exit, errorTable.bad_config.exit)
  assert.match(err, /overlay\.json cannot be used: openai\.models\.gpt-5: .*limt/)
  const verified = await oxbow('catalog', 'verify')
  assert.equal(verified.exit, errorTable.bad_config.exit)
  assert.match(verified.out, /^FAILED +\S+overlay\.json/m)
  assert.equal((await oxbow('calls')).exit, 0)
})

void test('models lists those that can be used, and says how to see the others', async () => {
  rmSync(join(home, 'catalog'), { recursive: true, force: true })
  config('')
  const none = await oxbow('models')
  assert.match(none.out, /^PROVIDER +MODELS\n[^]*^openai +\d+$/m)
  assert.match(none.err, /No provider has a key here\. .*`oxbow models --all` lists all \d+\./)
  config('[model]\nprovider = "anthropic"\nname = "claude-haiku-4-5"\n')
  const usable = await oxbow('models')
  assert.match(usable.out, /^anthropic\/claude-haiku-4-5 /m)
  assert.doesNotMatch(usable.out, /^openai\//m)
  const all = await oxbow('models', '--all')
  assert.match(all.out, /^openai\/gpt-5 /m)
  assert.equal(all.err, '')
  assert.match((await oxbow('models', '--json')).out, /"provider":"openai"/)
})

void test('providers are listed with their number of models', () => {
  const text = providerTable([{ provider: 'openai' }, { provider: 'anthropic' }, { provider: 'openai' }])
  assert.equal(text, 'PROVIDER   MODELS\nopenai     2\nanthropic  1')
})
