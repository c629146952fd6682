/** A model that asks for nonsense: every mistake is told to it with a code and a way out, and the turn goes on. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Scenario, ScenarioEvent } from '../../src/engine/index.ts'
import { unfenced } from '../../src/base/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'

interface Mistake {
  readonly what: string
  readonly call: { readonly name: string; readonly arguments: unknown }
  /** What the model must read. */
  readonly code: string
  readonly hint: RegExp
}

const mebibyte = 1024 * 1024

const mistakes: readonly Mistake[] = [
  { what: 'an unknown call', call: { name: 'file_raed', arguments: { path: 'a' } }, code: 'unknown_call', hint: /Did you mean file_read/ },
  { what: 'a call that only the runtime may make', call: { name: 'model_generate', arguments: {} }, code: 'bad_input', hint: /model/ },
  {
    what: 'a call that only people may make',
    call: { name: 'call_decide', arguments: { call: 'x', allow: true } },
    code: 'denied',
    hint: /is not offered to a model/,
  },
  { what: 'a wrong type', call: { name: 'file_read', arguments: { path: 5 } }, code: 'bad_input', hint: /field `path`.*valid example/s },
  {
    what: 'a missing field',
    call: { name: 'file_write', arguments: { path: 'a' } },
    code: 'bad_input',
    hint: /field `text`.*valid example/s,
  },
  { what: 'a list for an object', call: { name: 'file_read', arguments: ['a'] }, code: 'bad_input', hint: /valid example/ },
  { what: 'arguments that are no JSON', call: { name: 'file_read', arguments: '{"path": "a' }, code: 'bad_input', hint: /valid example/ },
  {
    what: 'arguments over 1 MiB',
    call: { name: 'file_write', arguments: { path: 'big', text: 'x'.repeat(mebibyte) } },
    code: 'limit_reached',
    hint: /into smaller ones/,
  },
  {
    what: 'a path that leaves the workspace',
    call: { name: 'file_read', arguments: { path: '../internal/oxbow.db' } },
    code: 'path_refused',
    hint: /\/shared/,
  },
  { what: 'a path with a zero byte', call: { name: 'file_read', arguments: { path: 'a\0b' } }, code: 'bad_input', hint: /path/ },
  { what: 'a file that is not there', call: { name: 'file_read', arguments: { path: 'none.txt' } }, code: 'not_found', hint: /list/i },
  { what: 'a file that is not UTF-8', call: { name: 'file_read', arguments: { path: 'latin1.txt' } }, code: 'not_text', hint: /\w/ },
  { what: 'a binary file', call: { name: 'file_read', arguments: { path: 'binary.bin' } }, code: 'not_text', hint: /\w/ },
  {
    what: 'a text to replace that is not there',
    call: { name: 'file_edit', arguments: { path: 'text.txt', find: 'helo', replace: 'x' } },
    code: 'edit_mismatch',
    hint: /hello/,
  },
]

const turnFor = (match: string, events: readonly ScenarioEvent[]): Scenario['turns'][number] => ({
  match,
  steps: [{ events: [...events] }, { events: [{ text: 'I see.' }] }],
})

test('every mistake of a model is answered with a code and a hint', async (t) => {
  using workspace = makeWorkspace()
  writeFileSync(join(workspace.shared, 'latin1.txt'), Buffer.from('na\xefve caf\xe9\n', 'latin1'))
  writeFileSync(join(workspace.shared, 'binary.bin'), Buffer.from([0, 1, 2, 0, 255, 254]))
  writeFileSync(join(workspace.shared, 'text.txt'), 'hello\n')
  await using model = await startModel({ turns: mistakes.map(({ what, call }) => turnFor(`Make ${what}.`, [{ tool_call: call }])) })
  await using guest = startGuest({ workspace, config: { model: { ...model.config, context_tokens: 1_000_000 } } })
  using terminal = await openReady(guest, workspace)
  for (const { what, code, hint } of mistakes) {
    await t.test(what, async () => {
      // A session of its own: what was said before is not repeated to the model.
      const conversation = await openConversation(terminal)
      const end = await conversation.say(`Make ${what}.`)
      assert.deepEqual([end.status, end.reply], ['ok', 'I see.'], JSON.stringify(end))
      const [told = '', ...more] = model.results()
      assert.deepEqual(more, [])
      // What hands say of a file stands in a fence, as its content would.
      assert.ok(unfenced(told).startsWith(`Error (${code}): `), told)
      assert.match(told, hint)
    })
  }
})

test('calls with the same id both run and are both answered', async () => {
  using workspace = makeWorkspace()
  const write = (path: string): ScenarioEvent => ({ tool_call: { id: 'same', name: 'file_write', arguments: { path, text: path } } })
  await using model = await startModel({ turns: [turnFor('Write', [write('one.txt'), write('two.txt')])] })
  await using guest = startGuest({ workspace, config: { model: model.config } })
  using terminal = await openReady(guest, workspace)
  const end = await (await openConversation(terminal)).say('Write.')
  assert.equal(end.status, 'ok')
  const [one = '', two = ''] = model.results()
  assert.match(one, /one\.txt/)
  assert.match(two, /two\.txt/)
  const asked = (model.requests.at(-1) ?? []).flatMap((message) => (message as { tool_calls?: { id: string }[] }).tool_calls ?? [])
  const answered = (model.requests.at(-1) ?? []).flatMap((message) => message.tool_call_id ?? [])
  assert.equal(new Set(asked.map((call) => call.id)).size, 2, 'a strict endpoint is shown different ids')
  assert.deepEqual(
    answered,
    asked.map((call) => call.id),
  )
})
