import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLineWriter } from './screen/screen.ts'
import { printLine, printNotice } from './terminal.ts'

void test('output of a verb is cleaned in the same way', () => {
  let written = ''
  const stream = { write: (text: string) => (written += text) } as unknown as NodeJS.WriteStream
  printLine({ output: stream }, JSON.stringify({ a: '\u009b2J' }))
  printNotice({ errors: stream }, 'Error: \u001b[2J')
  createLineWriter((text) => (written += text)).stream('\u009d0;title')
  assert.equal(written, '{"a":"\\u009b2J"}\nError: \\u001b[2J\n\\u009d0;title')
})
