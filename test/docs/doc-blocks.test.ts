/** Every block of the pages is what it says: a configuration, the input of a call, a command line, code. */
import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { stripTypeScriptTypes } from 'node:module'
import { describe, test } from 'node:test'
import { parse as parseToml } from 'smol-toml'
import { buildProgram } from '../../src/cli/program.ts'
import { loadServiceVerbs } from '../../src/cli/service-verbs.ts'
import type { Terminal } from '../../src/cli/terminal.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { parseConfig } from '../../src/services/index.ts'
import { blocksOf, commandLines, docBlocks, indentedBlocks, indentedIn } from './doc-blocks.ts'

const blocks = docBlocks()
const checked = (...languages: readonly string[]) =>
  blocks.filter(({ language, unchecked }) => languages.includes(language) && unchecked === '')
/** Languages that are checked, and those that are only shown. */
const known = new Set(['sh', 'console', 'toml', 'json', 'js', 'ts', 'text', 'markdown'])

void describe('the blocks of the pages', () => {
  void test('each name a language that is checked, or why they are not', () => {
    const unmarked = blocks.filter(({ language, unchecked }) => language === '' || (!known.has(language) && unchecked === ''))
    assert.deepEqual(
      unmarked.map(({ at }) => at),
      [],
    )
    assert.ok(checked('sh').length > 0 && checked('toml').length > 0)
  })

  void test('have fences: an indented one has no language, and nobody checks it', () => {
    assert.deepEqual(indentedBlocks(), [])
    assert.deepEqual(indentedIn('a.md', '# A\n\n    oxbow status\n'), ['a.md:3'])
    assert.deepEqual(indentedIn('a.md', '# A\n\n```sh\n\n    oxbow status\n```\n'), [])
  })

  void test('of TOML are configurations that the program takes', () => {
    for (const { at, text } of checked('toml')) assert.doesNotThrow(() => parseConfig(parseToml(text), at), at)
  })

  void test('of JSON are JSON, and the input of the call that they name', async () => {
    const calls = new Map((await describedCalls(parseConfig({}, 'the defaults'))).map((call) => [call.name, call]))
    for (const { at, call, text } of checked('json')) {
      const value: unknown = JSON.parse(text)
      if (call === '') continue
      const parsed = calls.get(call)?.input.safeParse(value)
      assert.ok(parsed?.success, `${at}: ${parsed?.error?.message ?? `there is no call ${call}`}`)
    }
  })

  void test('of code parse, and name only calls and steps that exist', async () => {
    const calls = (await describedCalls(parseConfig({}, 'the defaults'))).map(({ name }) => name)
    const names = new Set([...calls, 'call.before', 'call.after', 'message.before', 'model.before', 'model.after'])
    for (const { at, language, text } of checked('js', 'ts')) {
      assert.doesNotThrow(() => stripTypeScriptTypes(text), `${at} ${language}`)
      for (const [, name = ''] of text.matchAll(/'([a-z]+\.[a-z_]+)'/g)) assert.ok(names.has(name), `${at}: there is no ${name}`)
    }
  })

  void test('of the shell have command lines that the program takes, also where they are not run', async () => {
    const loaded = await loadServiceVerbs(null)
    const silent = { output: new PassThrough(), errors: new PassThrough(), env: {}, version: '' } as unknown as Terminal
    for (const block of blocks.filter(({ language }) => language === 'sh' || language === 'console'))
      for (const line of commandLines(block)) {
        let isChosen = false
        const program = buildProgram(silent, () => (isChosen = true), loaded)
        await program
          .parseAsync(wordsOf(line), { from: 'user' })
          .catch((error: Error) => assert.fail(`${block.at}: ${line}: ${error.message}`))
        assert.ok(isChosen, `${block.at}: ${line}`)
      }
  })
})

/** Words as a shell splits them; what follows a pipe, a redirection or a second command does not count. */
function wordsOf(line: string): readonly string[] {
  const words = Array.from(line.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g), ([, single, double, plain]) => single ?? double ?? plain ?? '')
  const end = words.findIndex((word) => /^(?:[|<>&]|\))/.test(word))
  return words.slice(1, end === -1 ? undefined : end)
}

void test('a block is found with its mark, its reason and its line', () => {
  const page = 'a\n\n```sh unchecked: it needs an account\nls\n```\n\n  ```\n  x\n  ```\n\n```json call: file.read\n{}\n```\n'
  assert.deepEqual(
    blocksOf('p.md', page).map(({ at, language, unchecked, call, text }) => [at, language, unchecked, call, text]),
    [
      ['p.md:3', 'sh', 'it needs an account', '', 'ls\n'],
      ['p.md:7', '', '', '', 'x\n'],
      ['p.md:11', 'json', '', 'file.read', '{}\n'],
    ],
  )
})
