/** Money through the front door: the program as a person runs it, and services that fail, lie and say nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { readLedger } from '../support/ledger.ts'
import { openHome } from '../support/program.ts'
import { openReady } from '../support/ready.ts'
import { scaled } from '../support/scale.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { chat, provider } from './answers.ts'
import { type PlainEndpoint, startEndpoint } from './plain-endpoint.ts'

interface Line {
  readonly scope: string
  readonly window: string
  readonly spent: { readonly micro_dollars: number; readonly tokens: number }
  readonly reserved: { readonly micro_dollars: number }
}

/** A provider with one model, `m`. @param price micro-dollars for a million tokens, of input and of output */
function section(name: string, endpoint: Pick<PlainEndpoint, 'origin'>, price: number): string {
  return `[providers.${name}]
wire = "openai-chat"
base_url = "${endpoint.origin}/v1"
api_key_env = ""
[providers.${name}.models.m]
context_tokens = 50000
max_output_tokens = 1000
input_price = ${price}
output_price = ${price}
`
}

const [cheapPrice, dearPrice] = [100_000, 30_000_000]
/** Messages in each home. */
const turns = scaled(4, 2)
/** What each answer reports: dear, it costs $0.30. */
const usage = { input: 9_000, output: 1_000 }

test('a fallback that no budget covers is never asked; the next one that is covered answers, at its own price', async () => {
  for (const [fallback, code] of [
    ['["dear/m"]', 7],
    ['["dear/m", "fair/m"]', 0],
  ] as const) {
    await using down = await startEndpoint(() => ({ status: 500, body: '{"error":{"message":"down"}}' }))
    await using dear = await startEndpoint(() => chat({ text: 'Dear answer.', usage }))
    await using fair = await startEndpoint(() => chat({ text: 'Fair answer.', usage }))
    const providers = section('down', down, cheapPrice) + section('dear', dear, dearPrice) + section('fair', fair, 2 * cheapPrice)
    await using home = await openHome(`[model]\nname = "down/m"\nfallback = ${fallback}\n${providers}`)
    assert.equal((await home.oxbow(['budget', 'set', 'user', '--per', 'day', '--money', '0.05'])).exit, 0)
    for (let turn = 0; turn < turns; turn += 1) {
      const { exit, out, err } = await home.oxbow(['run', `message ${turn}`])
      assert.equal(exit, code, out + err)
      if (code === 0) assert.match(out, /Fair answer/)
      else assert.match(err + out, /budget does not cover a request to dear\/m/)
    }
    assert.deepEqual([dear.asked.length, fair.asked.length], [0, code === 0 ? turns : 0])
    const [line] = await home.json<Line>('budget', 'list')
    // 10 000 tokens at $0.20 a million.
    assert.deepEqual([line?.spent.micro_dollars, line?.reserved.micro_dollars], [code === 0 ? turns * 2_000 : 0, 0])
    if (code === 0) continue
    // A budget that covers it: it is asked once, and its price is booked.
    assert.equal((await home.oxbow(['budget', 'set', 'user', '--per', 'day', '--money', '5'])).exit, 0)
    const { exit, out } = await home.oxbow(['run', 'message'])
    assert.deepEqual([exit, dear.asked.length], [0, 1], out)
    const [after] = await home.json<Line>('budget', 'list')
    assert.equal(after?.spent.micro_dollars, 300_000)
  }
})

test('a service that counts nothing, or nonsense, is charged by what was sent and what came', async () => {
  const counts = [
    '{"prompt_tokens":0,"completion_tokens":0}',
    '{"prompt_tokens":-5,"completion_tokens":-1}',
    '{"prompt_tokens":1e999,"completion_tokens":1}',
    'null',
  ]
  counts.splice(scaled(counts.length, 2))
  const text = 'words '.repeat(400)
  await using liar = await startEndpoint((_, place) => {
    const { body = '' } = chat({ text })
    return { body: body.replace(/"usage":\{[^}]*\}/, `"usage":${counts[place] ?? 'null'}`) }
  })
  await using home = await openHome(`[model]\nname = "liar/m"\n${section('liar', liar, 1_000_000)}`)
  assert.equal((await home.oxbow(['budget', 'set', 'user', '--per', 'day', '--money', '5'])).exit, 0)
  let before = 0
  for (const [turn, said] of counts.entries()) {
    assert.equal((await home.oxbow(['run', 'message'])).exit, 0)
    const [line] = await home.json<Line>('budget', 'list')
    const { tokens = 0, micro_dollars: money = 0 } = line?.spent ?? {}
    // 2 400 characters came, and the instructions that were sent are longer.
    assert.ok(tokens - before > 1_200, `${said}: ${tokens - before}`)
    assert.equal(money, tokens, 'a dollar for a million')
    assert.equal(liar.asked.length, turn + 1)
    before = tokens
  }
})

test('a request that is stopped before its first byte costs its input, whoever stops it', async () => {
  for (const by of (['person', 'kill', 'guest stop', 'time limit'] as const).slice(0, scaled(4, 2))) {
    using workspace = makeWorkspace()
    await using silent = await startEndpoint(() => 'nothing')
    const config = {
      model: { name: 'silent/m' },
      ...(by === 'time limit' && { turn: { time_limit_s: 3 } }),
      providers: { silent: provider(silent, { inputPrice: 2, outputPrice: 2 }) },
      budget: { user: { micro_dollars: 10_000_000 } },
    }
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const { session, send, ended } = await openConversation(terminal)
    const turn = await send('Hello.')
    await silent.reached(1)
    // The record of a request rides along with the next commit, some milliseconds later.
    await terminal.record(({ name, phase }) => name === 'model.generate' && phase === 'intent')
    if (by === 'person') await terminal.expect('result', 'cancel_turn', { session })
    if (by === 'person' || by === 'time limit') await ended(turn)
    if (by === 'kill') await guest.kill()
    else await guest.stop()
    if (by === 'kill') {
      // The next guest finds what the one before had begun. Its turn goes on, so the service is asked again.
      await using next = startGuest({ workspace, config })
      using again = await openReady(next, workspace)
      await silent.reached(2)
      await again.expect('result', 'cancel_turn', { session })
      await next.stop()
    }
    const { entries } = await readLedger(workspace)
    const asked = entries.filter(({ name, phase }) => name === 'model.generate' && (phase === 'outcome' || phase === 'reconciled'))
    assert.equal(asked.length, by === 'kill' ? 2 : 1, by)
    for (const { body } of asked) {
      const { spent } = body as { spent?: { tokens: number; microDollars: number } }
      assert.ok((spent?.tokens ?? 0) > 1_000, `${by}: ${JSON.stringify(body)}`)
      assert.equal(spent?.microDollars, 2 * (spent?.tokens ?? 0))
    }
  }
})
