/** A plugin that a person has installed demands approval of a call: the full-screen terminal says which plugin asks, and why. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { runProgram } from '../../src/cli/program.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { openTerminal } from '../tui/virtual-terminal.ts'

const write = { events: [{ tool_call: { name: 'file_write', arguments: { path: 'plans.txt', text: 'north' } } }] }
const scenario = {
  turns: [
    { match: 'plans', steps: [write, { events: [{ text: 'They are written.' }] }] },
    { steps: [{ events: [{ text: 'Very well.' }] }] },
  ],
}
const source = `export default { name: 'guard', hooks: [{ step: 'call.before', fail: 'closed', run(runtime, { name, input }) {
  if (name === 'file.write') return { verdict: 'approve', reason: 'is ' + input.path + ' for everybody?' }
} }] }`

let home = ''

before(async () => {
  home = mkdtempSync(join(tmpdir(), 'oxbow-hook-'))
  shareCompileCache(home)
  writeFileSync(join(home, 'scenario.json'), JSON.stringify(scenario))
  writeFileSync(join(home, 'config.toml'), `[model]\nprovider = "scripted"\nscenario = "${join(home, 'scenario.json')}"\n`)
  mkdirSync(join(home, 'guard'))
  const manifest = { name: 'guard', version: '1.0.0', sdk: '^1.0.0', entry: 'index.mjs', rights: { hooks: ['call.before'] } }
  writeFileSync(join(home, 'guard', 'oxbow.plugin.json'), JSON.stringify(manifest))
  writeFileSync(join(home, 'guard', 'index.mjs'), source)
  writeFileSync(join(home, 'alfred.json'), JSON.stringify({ name: 'Alfred', bio: 'A butler.' }))
  const { target } = JSON.parse(await oxbow('plugin', 'add', join(home, 'guard'), '--dry-run', '--json'))
  await oxbow('plugin', 'add', join(home, 'guard'), '--digest', target.tree_hash)
  await oxbow('character', 'import', join(home, 'alfred.json'))
})
after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }))

async function oxbow(...words: readonly string[]): Promise<string> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: { PATH: process.env['PATH'], OXBOW_HOME: home }, version: '0.1.0' } as unknown as Terminal
  const exit = await runProgram(words, terminal)
  assert.equal(exit, 0, String(errors.read()))
  return String(output.read() ?? '')
}

test('the question names the plugin that demands it, and its reason; a yes lets the call run', { timeout: 90_000 }, async () => {
  const terminal = openTerminal({ home, lines: 50 })
  await terminal.see('● new session')
  terminal.type('Write the plans\r')
  await terminal.see('file_write asks to run', 'why: the plugin guard wants your approval: is plans.txt for everybody?')
  await terminal.see('↑↓ and Enter')
  await terminal.unsee('looking for rules')
  // Its first moment takes no key; one too many is deleted.
  await terminal.typeUntil('y', () => terminal.rows().some((row) => row.includes('They are written.')))
  terminal.type('\u0015')
  terminal.type('/agent nobody\r')
  await terminal.see('There is no agent nobody')
  terminal.type('/agent alfred\r')
  await terminal.see('alfred answers from the next message on.')
  terminal.type('Good morning\r')
  await terminal.see('Very well.')
  terminal.type('/quit\r')
  assert.equal(await terminal.exit, 0)
})

test('a terminal that is started for a character gives it the first message', { timeout: 90_000 }, async () => {
  const terminal = openTerminal({ home, lines: 50, args: ['tui', '--agent', 'alfred'] })
  await terminal.see('● new session')
  terminal.type('Good evening\r')
  await terminal.see('Very well.')
  terminal.type('/quit\r')
  assert.equal(await terminal.exit, 0)
  const [newest] = JSON.parse(`[${(await oxbow('sessions', '--json')).trim().split('\n').join(',')}]`)
  assert.equal(newest.agent, 'alfred')
})
