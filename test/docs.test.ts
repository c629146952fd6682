/** Generated pages say what their source says; the error table and the places that raise its codes are held together. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stalePages } from '../scripts/generate-docs.ts'
import { describedCalls } from '../src/guest/offline.ts'
import { errorTable } from '../src/base/index.ts'
import { parseConfig } from '../src/services/index.ts'
import { noticeKinds } from '../src/protocol/notices.ts'
import { codesIn, findCodes } from './architecture/raised-codes.ts'

const codes: ReadonlySet<string> = new Set(Object.keys(errorTable))
const source = fileURLToPath(new URL('../src', import.meta.url))

void test('generated pages are equal to their source', async () => {
  assert.deepEqual(await stalePages(), [], 'run: node scripts/generate-docs.ts')
})

void test('the frames and calls that the page of the frames names exist', async () => {
  const page = readFileSync(new URL('../docs/frames.md', import.meta.url), 'utf8')
  const tasks = page.slice(page.indexOf('## What is asked how'), page.indexOf('## Frames of the client'))
  const frames = [...page.matchAll(/^### `(\w+)`$/gm)].map(([, name]) => name)
  const calls = (await describedCalls(parseConfig({}, 'the defaults'))).map(({ name }) => name)
  const phases = ['started', 'outcome', 'decided', 'cancelled', ...noticeKinds]
  const fields = ['client_id', 'attachments', 'pieces']
  for (const [, name = ''] of tasks.matchAll(/`([\w.]+)`/g))
    assert.ok([...frames, ...calls, ...phases, ...fields, 'call'].includes(name), name)
})

void test('the calls and families that the page of the classic names lists exist', async () => {
  const page = readFileSync(new URL('../docs/system-calls.md', import.meta.url), 'utf8')
  const calls = (await describedCalls(parseConfig({}, 'the defaults'))).map(({ name }) => name)
  const named = Array.from(
    page.matchAll(/(?:`|call )([a-z]+)\.([a-z_]+|\*)(?=[` ])/g),
    ([, family = '', name = '']) => [family, name] as const,
  )
  assert.ok(named.length > 40)
  for (const [family, name] of named)
    assert.ok(name === '*' ? calls.some((call) => call.startsWith(`${family}.`)) : calls.includes(`${family}.${name}`), `${family}.${name}`)
})

void describe('error codes', () => {
  void test('each is raised somewhere', () => {
    const raised = new Set(findCodes(source, codes).raised.map(({ code }) => code))
    assert.deepEqual(
      [...codes].filter((code) => !raised.has(code)),
      [],
    )
  })

  void test('none is used that is missing from the table', () => {
    assert.deepEqual(findCodes(source, codes).unknown, [])
  })

  void test('a code counts as raised where it is passed on, not where it is compared', () => {
    const raised = (text: string): readonly string[] => codesIn('a.ts', text, codes).raised.map(({ code }) => code)
    assert.deepEqual(raised(`throw new OxbowError('denied', 'no', { hint: '' })`), ['denied'])
    assert.deepEqual(raised(`const f = toFailure(e, late ? 'timeout' : 'cancelled', '')`), ['timeout', 'cancelled'])
    assert.deepEqual(raised(`const byStatus = { 401: 'model_auth' }`), ['model_auth'])
    assert.deepEqual(raised(`const f = { status: 'cancelled', failure: { code: 'timeout' } }`), ['timeout'])
    assert.deepEqual(raised(`type A = 'denied'; if (a === 'denied' || isOxbowError(e, 'timeout')) { /* 'cancelled' */ }`), [])
  })

  void test('a text in place of a code that is not in the table is detected', () => {
    const unknown = (text: string): readonly string[] => codesIn('a.ts', text, codes).unknown.map(({ code }) => code)
    assert.deepEqual(unknown(`throw new OxbowError('made_up', '', {})`), ['made_up'])
    assert.deepEqual(unknown(`const f = { code: ok ? 'denied' : 'made_up' }`), ['made_up'])
    assert.deepEqual(unknown(`if (error.code === 'ENOENT') throw new OxbowError('denied', '', { cause: { code: 'EIO' } })`), [])
  })
})
