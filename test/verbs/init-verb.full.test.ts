/** `oxbow init` with options (in a terminal: `init-wizard.full.test.ts`): what it writes makes a working Oxbow, and no key is shown or kept in plain text. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, beforeEach, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { errorTable } from '../../src/base/index.ts'
import { guestEntry } from '../support/built.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { startModel } from '../support/model.ts'
import type { Ran } from '../support/program.ts'

const secret = 'sk-of-a-test-4711'
const homes: string[] = []
let home = ''

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-init-'))
  homes.push(home)
  shareCompileCache(home)
})

after(() => homes.forEach((folder) => rmSync(folder, { recursive: true, force: true })))

async function oxbow(args: readonly string[], piped = '', more: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end(piped)
  const env = { OXBOW_HOME: home, PATH: process.env['PATH'], ...more }
  const exit = await runProgram(args, { input, output, errors, env, version: '1', program: { entry: guestEntry } } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const configText = (): string => readFileSync(join(home, 'users/default/config.toml'), 'utf8')

/** Whether any file of the home has the text. */
function isAnywhere(folder: string, text: string): boolean {
  try {
    execFileSync('grep', ['-rqaF', text, folder])
    return true
  } catch {
    return false
  }
}

test('options set up a service, its key, a daily budget and a tier in a bare home', async () => {
  const model = ['--model', 'anthropic/claude-haiku-4-5', '--key-stdin', '--budget', '2.5', '--tier', 'process']
  const dry = await oxbow(['init', ...model, '--dry-run'], secret)
  assert.match(
    dry.out,
    /^Would use anthropic\/claude-haiku-4-5 .*store the key as ANTHROPIC_API_KEY.*\$2\.5 a day.*Nothing is changed\.\n$/,
  )
  const { exit, out, err } = await oxbow(['init', ...model, '--json'], secret, { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9' })
  assert.equal(exit, 0, err)
  const report = JSON.parse(out) as { key: string; is_key_stored: boolean; budget: number; tier: string; changed: boolean }
  assert.deepEqual(
    [report.key, report.is_key_stored, report.budget, report.tier, report.changed],
    ['ANTHROPIC_API_KEY', true, 2.5, 'process', true],
  )
  assert.match(configText(), /\[model\]\nname = "claude-haiku-4-5"\nprovider = "anthropic"/)
  assert.match((await oxbow(['secret', 'list'])).out, /ANTHROPIC_API_KEY/)
  assert.match((await oxbow(['budget', 'list'])).out, /user +day +\$0\.00 of \$2\.50/)
  assert.equal(isAnywhere(home, secret), false, 'the key is nowhere in plain text')
  assert.doesNotMatch(out + err, new RegExp(secret))

  const again = await oxbow(['init', '--tier', 'process', '--yes'], '', { ANTHROPIC_BASE_URL: 'http://127.0.0.1:9', OPENAI_API_KEY: 'x' })
  assert.match(again.out, /was right already\nmodel +anthropic\/claude-haiku-4-5[^]*\nbudget +\$2\.5 a day\n/, again.err)
  assert.match(configText(), /\[model\]\nname = "claude-haiku-4-5"\nprovider = "anthropic"/, 'what is not named stays')
})

test('what it sets up answers', async () => {
  await using server = await startModel([{ events: [{ text: 'Hello from the model.' }] }])
  const { exit, out, err } = await oxbow(['init', '--base-url', server.config.base_url, '--model', 'scripted', '--json'])
  assert.equal(exit, 0, err)
  assert.equal((JSON.parse(out) as { model: { state: string } }).model.state, 'ok', out)
  await oxbow(['config', 'set', 'model.context_tokens', '32768', '--user', 'default'])
  const ran = await oxbow(['run', 'hi'], '', { OPENAI_API_KEY: 'x' })
  assert.equal(ran.out, 'Hello from the model.\n', ran.err)
})

test('--yes takes a key of the environment, and only names the variable', async () => {
  const { exit, out } = await oxbow(['init', '--yes', '--dry-run', '--json'], '', { ANTHROPIC_API_KEY: secret })
  assert.equal(exit, 0)
  const { target } = JSON.parse(out) as { target: { model: object; key: string } }
  assert.deepEqual(target.model, { kind: 'service', provider: 'anthropic', model: '' })
  assert.equal(target.key, 'ANTHROPIC_API_KEY')
})

test('a model on this machine that is not there is no reason to write another one', async () => {
  const { exit, err } = await oxbow(['init', '--model', 'local'])
  assert.equal(exit, errorTable.not_found.exit)
  assert.match(err, /^error: no model was found on this machine\nhint: Start Ollama, /)
  assert.throws(configText, { code: 'ENOENT' })
})

test('a budget in dollars asks for the price of a model that no catalog has', async () => {
  const address = ['init', '--base-url', 'http://127.0.0.1:9/v1', '--model', 'mine', '--budget', '1', '--dry-run', '--json']
  const refused = await oxbow(address)
  assert.equal(refused.exit, errorTable.bad_input.exit)
  assert.match(refused.err, /--input-price and --output-price/)
  const priced = await oxbow([...address, '--input-price', '0.25', '--output-price', '2'])
  assert.equal(priced.exit, 0, priced.err)
  assert.match(priced.out, /"price":\{"input":250000,"output":2000000\}/)
})

test('what cannot be set up is refused with what to give instead', async () => {
  for (const [args, problem] of [
    [[], /^error: nobody can be asked here\nhint: Name a model with --model, or add --yes/],
    [['--model', 'nonsense'], /^error: "nonsense" names no model\nhint: Give provider\/model/],
    [['--model', 'groq'], /^error: "groq" names no model/],
    [['--model', 'offline', '--key-stdin'], /^error: this model needs no key/],
    [['--model', 'openai', '--key-stdin'], /^error: the key is empty/],
    [['--model', 'openai', '--key-env', 'NOT_SET'], /^error: the variable NOT_SET is not set/],
    [['--base-url', 'http://127.0.0.1:9/v1'], /^error: --base-url needs a model/],
  ] as const) {
    const { exit, err } = await oxbow(['init', ...args])
    assert.equal(exit, errorTable.bad_input.exit, args.join(' '))
    assert.match(err, problem, args.join(' '))
  }
})
