/** `oxbow/sdk` as a program uses it: a real guest, with model, tools and approvals that are functions of this test. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { z } from 'zod'
import { type AskedCall, type Generate, type Oxbow, type OxbowOptions, startOxbow, tool } from '../../src/sdk/index.ts'

async function start(t: TestContext, options: OxbowOptions): Promise<Oxbow> {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-sdk-'))
  const oxbow = await startOxbow({ home, insecure: true, env: { PATH: process.env['PATH'] }, ...options })
  t.after(async () => {
    await oxbow.close()
    await rm(home, { recursive: true, force: true })
  })
  return oxbow
}

const seen: { city: string; days: number }[] = []
const weather = tool({
  description: 'The weather of a city.',
  input: z.object({ city: z.string(), days: z.number().int().default(3) }),
  tier: 'read_only',
  effect: 'none',
  run({ city, days }) {
    seen.push({ city, days })
    return { sky: 'clear', city }
  },
})

/** Calls a tool once, then says what came of it. */
const callsOnce =
  (name: string, input: object): Generate =>
  ({ messages }) => {
    const result = messages.at(-1)!
    return result.role === 'tool' ? `It says: ${result.content}` : { toolCalls: [{ name, input: input as never }] }
  }

for (const process of ['child', 'own'] as const) {
  void test(`a guest (${process}) has the model and the tools of the program`, async (t) => {
    const oxbow = await start(t, { process, model: callsOnce('app_weather', { city: 'Oslo' }), tools: { weather } })
    const reply = await oxbow.run('How is the weather in Oslo?')
    assert.match(reply.text, /clear/)
    assert.equal(reply.model, 'plugin:app/model')
    assert.deepEqual(seen.at(-1), { city: 'Oslo', days: 3 })
    assert.deepEqual(
      reply.calls.map(({ name, status }) => [name, status]),
      [['app.weather', 'ok']],
    )
    const { records } = await oxbow.call('session.records', { session: reply.session })
    assert.ok(JSON.stringify(records).includes('app.weather'))
  })
}

void test('a tool that says nothing of itself asks; without an answer it is denied', async (t) => {
  let ran = 0
  const asked: AskedCall[] = []
  const send = tool({ description: 'Sends a letter.', run: () => void (ran += 1) })
  const options = { model: callsOnce('app_send', {}), tools: { send } }
  const denying = await start(t, options)
  const reply = await denying.run('Send it.')
  assert.equal(ran, 0)
  assert.match(reply.text, /denied|allow/)
  const allowing = await start(t, { ...options, approve: (call) => asked.push(call) > 0 })
  await allowing.run('Send it.')
  assert.equal(ran, 1)
  assert.equal(asked[0]?.name, 'app.send')
})

void test('what happens in a run is iterated over, in several sessions at once', async (t) => {
  const oxbow = await start(t, {
    async *model({ messages }) {
      yield 'You said '
      yield messages.at(-1)!.content
    },
  })
  const [a, b] = [await oxbow.session(), await oxbow.session({ title: 'b' })]
  const runs = [a.run('one'), b.run('two'), a.run('three')]
  const texts = await Promise.all(
    runs.map(async (run) => {
      let text = ''
      for await (const event of run) {
        if (event.type === 'text') text += event.text
        else if (event.type === 'restart') text = event.text
      }
      return text
    }),
  )
  assert.deepEqual(texts, ['You said one', 'You said two', 'You said three'])
})
