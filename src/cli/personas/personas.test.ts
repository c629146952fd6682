/** `oxbow persona` on files, without a guest. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-persona-test-'))
after(() => rmSync(home, { recursive: true }))
const file = (name: string): string => join(home, 'agents', `${name}.toml`)

async function persona(...words: readonly string[]) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: { ...process.env, OXBOW_HOME: home }, version: '1.2.3' } as unknown as Terminal
  const exit = await runProgram(['persona', ...words], terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '').replaceAll(/\s+/g, ' ') }
}

test('a right that there is not is refused with those that are near, and nothing is written', async () => {
  const misspelt = await persona('new', 'critic', '--right', 'file.raed')
  assert.equal(misspelt.exit, 2, misspelt.err)
  assert.match(misspelt.err, /There is no right file\.raed\..*Did you mean file\.read/)
  const made = await persona('new', 'critic', '--right', 'nothing.such')
  assert.equal(made.exit, 2)
  assert.match(made.err, /There is no right nothing\.such\..*`oxbow calls` lists calls and their rights/)
  const family = await persona('new', 'critic', '--right', 'file.everything')
  assert.match(family.err, /Did you mean file\.read, file\.write/)
  assert.equal(existsSync(file('critic')), false)
  assert.equal((await persona('new', 'critic', '--right', 'file.read', '--right', '!file.read:/shared/private')).exit, 0)
  const before = readFileSync(file('critic'), 'utf8')
  assert.match((await persona('edit', 'critic', '--right', 'web.raed')).err, /There is no right web\.raed\..*Did you mean web\.read/)
  assert.equal(readFileSync(file('critic'), 'utf8'), before)
})

test('without a terminal and an editor, the field of a persona is named as the other way', async (t) => {
  const before = { VISUAL: process.env['VISUAL'], EDITOR: process.env['EDITOR'] }
  t.after(() => Object.assign(process.env, Object.fromEntries(Object.entries(before).filter(([, value]) => value !== undefined))))
  delete process.env['VISUAL']
  delete process.env['EDITOR']
  await persona('new', 'dev')
  assert.match((await persona('edit', 'dev')).err, /no terminal here to edit in.*or change a field: oxbow persona edit dev --style/)
})
