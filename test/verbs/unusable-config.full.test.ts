/** A configuration with which Oxbow would not start is never saved, and one that a person wrote anyway never keeps Oxbow from starting. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { minContextTokens } from '../../src/config/index.ts'
import { program } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { startModel, type TestModel } from '../support/model.ts'

let home: string
let file: string
let model: TestModel

before(async () => {
  model = await startModel([{ events: [{ text: 'hello from the address' }] }])
})
after(() => model[Symbol.asyncDispose]())
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-unusable-'))
  file = join(home, 'users/default/config.toml')
  shareCompileCache(home)
})

/** Its words, as a terminal with much room shows them. */
async function oxbow(...args: readonly string[]) {
  const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home }
  const child = spawn(process.execPath, [program, ...args], { env, cwd: home, stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (said.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (said.err += chunk.toString()))
  const exit = await new Promise<number | null>((resolve) => child.once('close', resolve))
  return { exit, out: said.out, err: said.err.replaceAll(/\n +/g, ' ') }
}

const gone = (): void => rmSync(home, { recursive: true, force: true, maxRetries: 5 })
const modelSection = (): string => /\[model\][^[]*/.exec(readFileSync(file, 'utf8'))?.[0] ?? ''

test('a set-up takes the size that the service names, and the one of the catalog for a model that is known', async () => {
  const data = [{ id: 'foo', object: 'model', max_model_len: 9_000 }]
  const server = createServer((_, response) => response.setHeader('content-type', 'application/json').end(JSON.stringify({ data })))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  assert.equal((await oxbow('init', '--model', 'foo', '--base-url', baseUrl, '--yes')).exit, 0)
  assert.match(modelSection(), /context_tokens = 9000/)
  assert.equal((await oxbow('init', '--model', 'gpt-4.1-mini', '--base-url', baseUrl, '--yes')).exit, 0)
  assert.match(modelSection(), /context_tokens = 1047576/)
  server.close()
  gone()
})

test('a window in which no turn fits is refused everywhere, and in the smallest one a turn works', async () => {
  assert.equal((await oxbow('init', '--model', 'foo', '--base-url', model.config.base_url, '--yes')).exit, 0)
  const few = await oxbow('config', 'set', 'model.context_tokens', String(minContextTokens - 1), '--user', 'default')
  assert.notEqual(few.exit, 0)
  assert.match(few.err, /window of openai\/foo, 5999 tokens, is too small.*at least 6000 tokens.*larger window/s)
  assert.match(modelSection(), /context_tokens = 32768/)
  assert.equal((await oxbow('config', 'set', 'model.context_tokens', String(minContextTokens), '--user', 'default')).exit, 0)
  const ran = await oxbow('run', 'hi')
  assert.match(ran.out, /hello from the address/, ran.err)
  // What is too small for another reason names the window, and the key to change.
  const long = await oxbow('config', 'set', 'model.max_output_tokens', '5000', '--user', 'default')
  assert.match(long.err, /an answer of openai\/foo may take 5000 of the 6000 tokens.*at most 1500/s)
  writeFileSync(file, `${readFileSync(file, 'utf8')}\n`.replace('[model]\n', '[model]\nmax_output_tokens = 5000\n'))
  const full = await oxbow('run', 'hi')
  assert.match(full.err, /The context window of openai\/foo, 6000 tokens, is too small: .* an answer may take 5000/)
  assert.match(full.err, /oxbow config set model\.max_output_tokens 1500/)
  gone()
})

test('neither init nor config set nor config edit saves what does not start, and each says why', async () => {
  assert.equal((await oxbow('config', 'set', 'model.provider', 'offline', '--user', 'default')).exit, 0)
  const text = readFileSync(file, 'utf8')
  for (const args of [
    ['init', '--model', 'anthropic/claud-nonsense', '--yes'],
    ['config', 'set', 'model.provider', 'openai', 'model.name', 'gpt5minni'],
    ['config', 'set', 'web.search', 'searxng'],
    ['config', 'set', 'gateway.host', '300.1.1.1'],
    ['config', 'set', 'model.provider', 'anthropic', 'model.name'],
  ]) {
    const { exit, err } = await oxbow(...args)
    assert.notEqual(exit, 0, args.join(' '))
    assert.match(err, /claude|unknown model|search_url|in clear|has no value/, args.join(' '))
    assert.equal(readFileSync(file, 'utf8'), text)
  }
  for (const [key, value, says] of [
    ['turn.max_turns', '0', /turn\.max_turns: must be at least 1/],
    ['sandbox.tier', 'box', /sandbox\.tier: must be one of process, container, micro_vm/],
    ['model.temperature', 'warm', /model\.temperature: must be a number/],
  ] as const) {
    const { exit, err } = await oxbow('config', 'set', key, value)
    assert.notEqual(exit, 0)
    assert.match(err, says)
  }
  // Keys that make sense only together are set together; a key that is stored later is no fault.
  const both = await oxbow('config', 'set', 'model.provider', 'openai', 'model.name', 'gpt-4.1-mini', '--user', 'default')
  assert.equal(both.exit, 0, both.err)
  gone()
})

test('a set-up with a model of unknown size ends in an answer; run and start go on with the last configuration that worked, and say so once', async () => {
  const { exit, err } = await oxbow('init', '--model', 'foo', '--base-url', model.config.base_url, '--yes')
  assert.equal(exit, 0, err)
  assert.match(modelSection(), /context_tokens = 32768/)
  const first = await oxbow('run', 'hi')
  assert.equal(first.exit, 0, first.err)
  assert.match(first.out, /hello from the address/)
  const works = readFileSync(file, 'utf8')
  const notice = /runs with the last configuration that worked/g
  for (const broken of ['[model\n', '[model]\nname = "openai/gpt5minni"\n']) {
    writeFileSync(file, broken)
    const ran = await oxbow('run', 'hi')
    assert.equal(ran.exit, 0, ran.err)
    assert.match(ran.out, /hello from the address/)
    assert.equal(ran.err.match(notice)?.length, 1, ran.err)
  }
  writeFileSync(file, '[model]\nname = 7\n')
  const doctor = await oxbow('doctor')
  assert.match(doctor.out, /missing configuration +.*model\.name/)
  assert.match(doctor.out, /Oxbow starts with the last configuration that worked: correct the configuration\./)
  assert.doesNotMatch(doctor.out + doctor.err, /cannot start|runs with the last/)
  const web = await oxbow('web', '--no-open')
  assert.equal(web.exit, 0, web.err)
  assert.equal(web.err.match(notice)?.length, 1, web.err)
  assert.equal((await oxbow('stop')).exit, 0)
  const started = await oxbow('start')
  assert.equal(started.exit, 0, started.err)
  assert.equal(started.err.match(notice)?.length, 1, started.err)
  assert.match((await oxbow('run', 'hi')).out, /hello from the address/)
  assert.equal((await oxbow('stop')).exit, 0)
  // What did not work is never taken for what worked.
  assert.equal((await oxbow('run', 'hi')).exit, 0)
  // A model that the command line names is the person's own choice: it is refused, not replaced.
  writeFileSync(file, works)
  assert.notEqual((await oxbow('run', '--model', 'anthropic/claud-nonsense', 'hi')).exit, 0)
  gone()
})
