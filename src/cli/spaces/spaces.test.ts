/** `oxbow space new` and `use`, as they are typed. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

function openTerminal(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-space-verbs-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const env = { OXBOW_HOME: join(root, 'home'), OXBOW_SYSTEM_ROOT: join(root, 'none') }
  const type = async (...args: readonly string[]) => {
    const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
    input.end()
    const exit = await runProgram(['space', ...args], { input, output, errors, env, version: '1.2.3' } as unknown as Terminal)
    return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
  }
  return { root, type }
}

void test('a folder that suggests a space must be one, and nothing is made where it is not', async (t) => {
  const { root, type } = openTerminal(t)
  writeFileSync(join(root, 'file'), '')
  for (const name of ['nothing', 'file']) {
    const refused = await type('new', 'taxes', '--path', join(root, name))
    assert.equal(refused.exit, 4, refused.err)
    assert.match(refused.err, /^error: there is no folder \/.*\nhint: .*--path/)
  }
  assert.doesNotMatch((await type('list')).out, /taxes/)
  mkdirSync(join(root, 'folder'))
  assert.equal((await type('new', 'taxes', '--path', join(root, 'folder'))).exit, 0)
})

void test('the way back is named only where there is one', async (t) => {
  const { type } = openTerminal(t)
  await type('new', 'taxes')
  assert.match((await type('use', 'taxes')).out, /Back: oxbow space use default/)
  assert.doesNotMatch((await type('use', 'default')).out, /Back/)
})

void test('what cannot be shared is named, also by the beginning of an id, with what to do instead', async (t) => {
  const { type } = openTerminal(t)
  await type('new', 'taxes')
  for (const id of ['019a21d5', '01a21d5f-bb78-7366-9410-bfa6729a5937']) {
    const refused = await type('share', id, '--to', 'taxes')
    assert.equal(refused.exit, 2, refused.err)
    assert.match(refused.err, new RegExp(`a session cannot be shared.*\\nhint: .*oxbow space move ${id} --from default --to taxes`))
  }
  assert.match((await type('share', 'schedule:019b', '--to', 'taxes')).err, /a schedule cannot be shared.*\nhint: Move it/)
  assert.match((await type('share', '/shared/figures', '--to', 'taxes')).err, /there is no \/shared\/figures/)
})
