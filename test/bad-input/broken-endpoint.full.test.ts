/** A model endpoint that is broken in every way that real ones are: the turn ends with a code and a hint, and the next one works. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ScenarioStep } from '../../src/engine/index.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { builtFile } from '../support/built.ts'

const impatientGuest = builtFile(new URL('./impatient-guest.ts', import.meta.url))

interface Breakage {
  readonly what: string
  readonly step: ScenarioStep
  readonly code: string
  readonly hint: RegExp
}

const status = (code: number, body?: string, headers?: Record<string, string>): ScenarioStep => ({
  http: { status: code, body, headers },
  events: [],
})
const html = '<!doctype html><html><body><h1>502 Bad Gateway</h1></body></html>'

const breakages: readonly Breakage[] = [
  { what: 'refuses the key', step: status(401), code: 'model_auth', hint: /OPENAI_API_KEY|key/ },
  { what: 'forbids', step: status(403), code: 'model_auth', hint: /key/ },
  { what: 'asks for fewer requests', step: status(429), code: 'model_rate_limited', hint: /\w/ },
  { what: 'fails', step: status(500), code: 'model_overloaded', hint: /\w/ },
  { what: 'is behind a broken proxy', step: status(502, html, { 'content-type': 'text/html' }), code: 'model_overloaded', hint: /\w/ },
  { what: 'does not know the model', step: status(404), code: 'model_refused', hint: /\w/ },
  { what: 'refuses the request', step: status(400), code: 'model_refused', hint: /\w/ },
  {
    what: 'answers with a web page',
    step: status(200, html, { 'content-type': 'text/html' }),
    code: 'model_garbled',
    hint: /base_url|address|URL/i,
  },
  {
    what: 'streams garbage',
    step: { events: [{ garbage: 'data: {"choices": [[[\n\ndata: \u0000\u0001}\n\n' }] },
    code: 'model_garbled',
    hint: /\w/,
  },
  {
    what: 'asks for a tool without naming it',
    step: { events: [{ tool_call: { name: '', arguments: { path: 'a' } } }] },
    code: 'model_garbled',
    hint: /base URL/,
  },
  {
    what: 'streams an error',
    step: { events: [{ error: 'model_overloaded', message: 'out of cards' }] },
    code: 'model_overloaded',
    hint: /\w/,
  },
  { what: 'drops in the middle', step: { events: [{ text: 'Half of ' }, { drop: true }] }, code: 'model_unreachable', hint: /\w/ },
  { what: 'ends without an end', step: { events: [{ text: 'Half of ' }], finish: 'none' }, code: 'model_unreachable', hint: /\w/ },
  { what: 'stalls before it begins', step: { events: [{ stall: true }] }, code: 'model_stalled', hint: /\w/ },
  { what: 'stalls in the middle', step: { events: [{ text: 'Half of ' }, { stall: true }] }, code: 'model_stalled', hint: /\w/ },
]

test('a turn ends with a code and a hint when its endpoint', async (t) => {
  using workspace = makeWorkspace()
  await using model = await startModel({
    turns: [...breakages.map(({ what, step }) => ({ match: `It ${what}.`, steps: [step] })), { steps: [{ events: [{ text: 'Fine.' }] }] }],
  })
  await using guest = startGuest({ workspace, entry: impatientGuest, config: { model: model.config } })
  using terminal = await openReady(guest, workspace)
  for (const { what, code, hint } of breakages) {
    await t.test(what, async () => {
      const conversation = await openConversation(terminal)
      const end = await conversation.say(`It ${what}.`)
      assert.equal(end.status, 'failed')
      assert.equal(end.failure?.code, code, JSON.stringify(end.failure))
      assert.match(end.failure?.hint ?? '', hint)
      assert.ok(end.reply.includes(end.failure?.message ?? '-'), 'the person is told')
      // The next message of the same session is a turn like any other.
      assert.equal((await conversation.say('How are you?')).reply, 'Fine.')
    })
  }
})

test('an endpoint that cannot be reached is named, with what to check', async () => {
  using workspace = makeWorkspace()
  const model = await startModel([])
  await model[Symbol.asyncDispose]()
  await using guest = startGuest({ workspace, entry: impatientGuest, config: { model: model.config } })
  using terminal = await openReady(guest, workspace)
  const { status: how, failure } = await (await openConversation(terminal)).say('Hello?')
  assert.deepEqual([how, failure?.code], ['failed', 'model_unreachable'])
  assert.ok(failure?.message.includes(new URL(model.config.base_url).host), failure?.message)
  assert.match(failure?.hint ?? '', /\w/)
})

test('a turn with a model that never ends is stopped by the time limit of turns', async () => {
  using workspace = makeWorkspace()
  await using model = await startModel([{ events: [{ text: 'Well, ' }, { stall: true }] }])
  await using guest = startGuest({ workspace, config: { model: model.config, turn: { time_limit_s: 1 } } })
  using terminal = await openReady(guest, workspace)
  const { status: how, failure } = await (await openConversation(terminal)).say('Hello?')
  assert.deepEqual([how, failure?.code], ['limit', 'timeout'])
  assert.match(failure?.hint ?? '', /turn\.time_limit_s/)
})
