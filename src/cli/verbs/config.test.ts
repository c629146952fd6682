/** `oxbow config` on files in a home of its own. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-config-test-'))
const file = join(home, 'config.toml')
after(() => rmSync(home, { recursive: true }))

async function config(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: { OXBOW_HOME: home, ...env }, version: '1.2.3' } as unknown as Terminal
  const exit = await runProgram(['config', ...words], terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

test('values are set with their types, keep the comments of the file, and are shown where they differ from the defaults', async () => {
  writeFileSync(file, '# mine\n[approval]\nmode = "auto" # for now\n')
  for (const [key, value] of [
    ['approval.mode', 'manual'],
    ['sandbox.memory_mb', '2048'],
    ['agent.rights', '["file.read"]'],
    ['agent.name', '12'],
  ] as const)
    assert.equal((await config(['set', key, value])).exit, 0, key)
  assert.match(readFileSync(file, 'utf8'), /^# mine\n\[approval\]\nmode = "manual" # for now\n[^]*memory_mb = 2048\n[^]*name = "12"/)
  assert.match((await config([])).out, /agent\.name +"12"\n[^]*sandbox\.memory_mb +2048/)
  assert.equal((await config(['get', 'approval.mode'])).out, 'manual\n')
  assert.deepEqual(JSON.parse((await config(['get', 'agent.rights', '--json'])).out), ['file.read'])
  assert.match((await config(['validate'])).out, /can be used/)
  assert.equal(JSON.parse((await config(['schema'])).out).type, 'object')
})

test('a value that cannot be used changes nothing, and neither does an edit', async () => {
  const before = readFileSync(file, 'utf8')
  for (const words of [
    ['set', 'approval.mode', 'nonsense'],
    ['set', 'no.such.key', '1'],
    ['set', 'model.api_key', 'sk-1234567890123456789012'],
    ['set', '__proto__.x', '1'],
    ['get', 'approval.nope'],
    ['get', 'constructor.name'],
  ]) {
    const { exit, err } = await config(words)
    assert.ok(exit > 1, words.join(' '))
    assert.match(err, /^error: .+\nhint: /s)
    assert.doesNotMatch(err, /sk-1234/)
  }
  const misspelt = await config(['set', 'agent.rihgts', 'x', 'aproval.mode', 'auto'])
  assert.match(misspelt.err, /agent\.rihgts: unknown key; did you mean rights\?/)
  assert.match(misspelt.err, /aproval: unknown key; did you mean approval\?/)
  // The line of a file that was not written would tell nobody anything.
  assert.doesNotMatch(misspelt.err, /line \d|config\.toml/)
  assert.match((await config(['get', 'model.nam'])).err, /"model\.nam"; did you mean model\.name\?\n/)
  const wrong = await config(['edit'], { EDITOR: 'sed -i s/manual/nonsense/' })
  const [, draft] = /your text is in (\S+)\./.exec(wrong.err.replaceAll(/\n +/g, ' ')) ?? []
  assert.match(readFileSync(draft!, 'utf8'), /nonsense/)
  assert.equal(readFileSync(file, 'utf8'), before)
  assert.equal((await config(['edit'], { EDITOR: 'sed -i s/manual/auto/' })).exit, 0)
  assert.equal((await config(['get', 'approval.mode'])).out, 'auto\n')
})

test('a model of a plugin that is not there is no model to configure', async () => {
  const before = readFileSync(file, 'utf8')
  const { exit, err } = await config(['set', 'model.name', 'plugin:misspelt'])
  assert.equal(exit, 4)
  assert.match(err, /There is no plugin "misspelt" that serves the model/)
  assert.equal(readFileSync(file, 'utf8'), before)
})

test('a value of one user goes into the file of that user and takes precedence', async () => {
  assert.equal((await config(['set', 'approval.mode', 'manual', '--user', 'ada'])).exit, 0)
  assert.ok(existsSync(join(home, 'users/ada/config.toml')))
  assert.equal((await config(['get', 'approval.mode', '--user', 'ada'])).out, 'manual\n')
  assert.equal((await config(['get', 'approval.mode'])).out, 'auto\n')
  assert.match((await config(['set', 'approval.mode', 'allow_list', '--user', 'ada', '--json'])).out, /"changed":true/)
})

test('a change goes into the file that has the key last, so that it has an effect', async () => {
  assert.equal((await config(['set', 'approval.mode', 'auto', '--user', 'default'])).exit, 0)
  assert.match((await config(['set', 'approval.mode', 'manual'])).out, /users\/default\/config\.toml/)
  assert.equal((await config(['get', 'approval.mode'])).out, 'manual\n')
  assert.match(readFileSync(file, 'utf8'), /mode = "auto"/, 'the file of all users is as it was')
})

test('a rule for a call that there is not is saved with a warning that names the one that may be meant', async () => {
  const { exit, err } = await config(['set', 'approval.calls."file.raed"', 'deny'])
  assert.equal(exit, 0, err)
  assert.match(err, /warning: approval\.calls names "file\.raed" \(Did you mean file\.read\?\), which does not exist/)
  const two = await config(['set', 'approval.calls."file.wirte"', 'deny'])
  assert.match(two.err, /file\.wirte.*file\.raed.*, which do not exist/)
})

test('another provider is set with a warning of what is kept of the one before', async () => {
  writeFileSync(file, '[model]\nprovider = "openai"\nname = "mine"\nbase_url = "http://127.0.0.1:9/v1"\ncontext_tokens = 32768\n')
  const words = ['set', 'model.provider', 'anthropic', 'model.name', 'claude-sonnet-4-5']
  const { exit, err } = await config(words, { ANTHROPIC_API_KEY: 'x' })
  assert.equal(exit, 0, err)
  assert.match(err.replaceAll(/\n +/g, ' '), /still sets model\.base_url, model\.context_tokens\. .*remove it: oxbow config edit/)
  assert.doesNotMatch((await config(words, { ANTHROPIC_API_KEY: 'x' })).err, /still sets/)
})
