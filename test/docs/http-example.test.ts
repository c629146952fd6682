/** The first example of the HTTP API, literally. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutProgram } from '../support/needed-program.ts'
import { openHome } from '../support/program.ts'
import { docBlocks } from './doc-blocks.ts'
import { openShell } from './run-blocks.ts'

test('the first example of the page about HTTP makes a key and gets the reply of a turn', { skip: withoutProgram('curl') }, async () => {
  const example = docBlocks().find(({ page, language }) => page === 'docs/http-api.md' && language === 'sh')
  assert.ok(example !== undefined && example.unchecked === '')
  await using home = await openHome('[model]\nprovider = "offline"\n')
  const { exit, out } = await (await openShell(home))(example)
  assert.equal(exit, 0, out)
  const answer = JSON.parse(out.slice(out.indexOf('{'))) as { status?: string; reply?: string; code?: string }
  assert.equal(answer.code, undefined, out)
  assert.notEqual(answer.reply ?? '', '', out)
})
