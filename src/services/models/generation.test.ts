import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import { type CallId, type Failure, OxbowError, type SessionId, systemClock, type TurnId } from '../../base/index.ts'
import {
  type CallContext,
  type Engine,
  type GenerateRequest,
  type ModelEvent,
  type ModelFacts,
  type ModelPrice,
  noSpend,
  plainFacts,
  type Sandbox,
  type Spend,
  userMessage,
  type Usage,
} from '../../protocol/index.ts'
import type { Events } from '../../kernel/records/events.ts'
import { knowing } from '../../kernel/kernel-fixture.ts'
import { createMeter, runGeneration } from './generation.ts'

const price: ModelPrice = { inputPerMillion: 1_000_000, outputPerMillion: 2_000_000 }
const dear: ModelPrice = { inputPerMillion: 10_000_000, outputPerMillion: 20_000_000 }
const sealed = { wire: 'w', model: 'm', data: { signature: 's' } }
const secret = 'private.0123456789'

function facts(name: string, its: ModelPrice | null): ModelFacts {
  return plainFacts({ name, provider: 'test', contextTokens: 10_000, maxOutputTokens: 100, price: its })
}

const known: Record<string, ModelFacts> = {
  'test/m': facts('m', price),
  'test/dear': facts('dear', dear),
  'test/free': facts('free', null),
}

interface Ran {
  /** What the call gave out, or the failure with what it leaves on record. */
  readonly output: Awaited<ReturnType<typeof runGeneration>>['output'] | null
  readonly failure: OxbowError | null
  readonly spent: Spend
  /** Text and restarts as followers are told them. */
  readonly told: readonly string[]
  readonly reserved: readonly Spend[]
}

interface Run {
  /** A number: so many characters came, and none is given out. */
  readonly batches: readonly (readonly ModelEvent[] | number)[]
  /** Widenings that the budget covers. */
  readonly covers?: number
  readonly moneyIsLimited?: boolean
  readonly maxOutputTokens?: number
  /** Output tokens that the request allows, where that is more than what is reserved. */
  readonly allowed?: number
}

/** Asks before each request, as a chain does: for the first model, and for each one that a batch restarts with. */
function fakeEngine(batches: Run['batches']): Engine {
  const ask = async (request: GenerateRequest, model: string, lost: Usage | null): Promise<Failure | null> => {
    const unreported = lost === null ? [] : [{ model: 'test/m', usage: lost }]
    const its = known[model] ?? assert.fail(`nobody knows ${model}`)
    return (await request.onAsk?.({ facts: its, maxOutputTokens: request.maxOutputTokens, unreported })) ?? null
  }
  return {
    estimateInput: async () => 50,
    facts: async (name: string) => known[name] ?? assert.fail(`nobody knows ${name}`),
    async *generate(request, signal) {
      await ask(request, request.model, null)
      for (const batch of batches) {
        const parts = typeof batch === 'number' ? [] : batch
        const at = parts.findIndex(({ type }) => type === 'restarted')
        const again = parts[at]
        const refused = again?.type === 'restarted' ? await ask(request, again.model, again.usage) : null
        if (again?.type === 'restarted' && refused !== null) {
          yield [...parts.slice(0, at), { type: 'error', failure: refused, usage: again.usage }]
          return
        }
        if (typeof batch !== 'number') yield batch
        else request.onProgress?.(batch)
        if (!signal.aborted) continue
        yield [{ type: 'error', failure: why, usage: usage(0, 0) }]
        return
      }
    },
  } as Partial<Engine> as Engine
}

async function run({
  batches,
  covers = Infinity,
  moneyIsLimited = false,
  maxOutputTokens = 100,
  allowed = maxOutputTokens,
}: Run): Promise<Ran> {
  const told: string[] = []
  const reserved: Spend[] = []
  const events = {
    delta: (_session, _turn, _call, text) => void told.push(text),
    restarted: ({ model, why }) => void told.push(`<${model}: ${why}>`),
  } as Partial<Events> as Events
  const engine = fakeEngine(batches)
  const context: CallContext = {
    id: 'c' as CallId,
    caller: {
      user: 'ada' as never,
      actor: 'agent:ox',
      rights: new Set(),
      audience: 'runtime',
      session: 's' as SessionId,
      turn: 't' as TurnId,
      process: '',
    },
    signal: new AbortController().signal,
    clock: systemClock,
    sandbox: {} as Sandbox,
    progress: () => {},
    reserveMore: (spend) => reserved.push(spend) <= covers,
    reserveUpTo: (spend) => (reserved.push(spend) <= covers ? spend : noSpend),
    record: () => undefined,
    erase: async () => ({ bodies: 0, blobs: 0, kept: [] }),
    call: () => Promise.reject(new Error('no calls')),
    leadsTo: () => Promise.resolve(null),
    readApart: () => Promise.reject(new Error('no calls')),
    callAs: () => Promise.reject(new Error('no calls')),
    branch: () => Promise.reject(new Error('no branches')),
    labels: () => [],
    whileProgram: (_, work) => work(),
    attachments: async () => [],
    blobs: { keep: async () => '', read: async () => null },
  }
  const secrets = knowing(new Map([['KEY', secret]]))
  const asked = { model: 'test/m', system: '', messages: [userMessage('x')], tools: [], maxOutputTokens: allowed }
  try {
    const { output, spent } = await runGeneration(asked, { inputTokens: 50, outputTokens: maxOutputTokens }, context, {
      engine,
      events,
      budgets: { limitsMoney: () => moneyIsLimited },
      secrets,
    })
    return { output, failure: null, spent: spent ?? assert.fail('nothing was spent'), told, reserved }
  } catch (error) {
    if (!(error instanceof OxbowError)) throw error
    return { output: null, failure: error, spent: error.data['spent'] as unknown as Spend, told, reserved }
  }
}

const usage = (inputTokens: number, outputTokens: number): Usage => ({ inputTokens, outputTokens, estimated: false })
const say = (text: string): ModelEvent => ({ type: 'text', text })
const finish = (its: Usage = usage(10, 5)): ModelEvent => ({ type: 'finish', reason: 'stop', usage: its })
const why: Failure = { code: 'model_unreachable', message: 'gone', hint: 'wait' }
const restarted = (model: string, its: Usage): ModelEvent => ({ type: 'restarted', model, why, usage: its })

/** What a failed generation leaves of the conversation. */
function kept(failure: OxbowError | null): unknown {
  return (failure?.data['outcome'] as { message?: { parts: unknown } } | undefined)?.message?.parts
}

void describe('a generation', () => {
  void it('joins neighbouring text, keeps parts apart where one was sealed, and keeps the seal', async () => {
    const { output, told } = await run({
      batches: [
        [
          { type: 'reasoning', text: 'hm' },
          { type: 'reasoning', text: '', sealed },
          { type: 'reasoning', text: 'so' },
        ],
        [say('Hel'), say('lo')],
        [say(' you'), finish()],
      ],
    })
    assert.deepEqual(output?.message.parts, [
      { type: 'reasoning', text: 'hm', sealed },
      { type: 'reasoning', text: 'so' },
      { type: 'text', text: 'Hello you' },
    ])
    assert.deepEqual(told, ['Hello', ' you'], 'a batch is told at once, and reasoning is not told')
  })

  void it('costs what the endpoint reports, at the price of the model', async () => {
    const { spent, output } = await run({ batches: [[say('x'), finish(usage(1000, 100))]] })
    assert.deepEqual(spent, { microDollars: 1200, tokens: 1100 })
    assert.equal(output?.finish, 'stop')
    assert.equal('repaired' in (output ?? {}), false)
  })

  void it('whose reported usage is over what was reserved is booked while the budget covers it', async () => {
    const batches = [[say('x'), finish(usage(1000, 100))]]
    const { reserved } = await run({ batches })
    assert.deepEqual(reserved, [{ microDollars: 1200 - 250, tokens: 1100 - 150 }])
    const { failure, spent } = await run({ batches, covers: 0 })
    assert.equal(failure?.code, 'budget_exhausted')
    assert.match(failure?.message ?? '', /test\/m reports 1000 tokens of input and 100 of output, more than the 50 and 100/)
    assert.deepEqual(spent, { microDollars: 50 + 200, tokens: 150 }, 'no more than what was reserved')
    assert.deepEqual(kept(failure), [{ type: 'text', text: 'x' }])
  })

  void it('whose reported usage no window allows fails, whatever the budget, and is booked as reserved', async () => {
    for (const its of [usage(10_001, 1), usage(1, 1_000_000)]) {
      const { failure, spent, reserved } = await run({ batches: [[say('x'), finish(its)]] })
      assert.equal(failure?.code, 'model_garbled')
      assert.match(failure?.message ?? '', /test\/m reports .* but its window holds 10000/)
      assert.ok(spent.tokens <= 150)
      assert.deepEqual(reserved, [])
    }
    const error: ModelEvent = { type: 'error', failure: why, usage: usage(5_000_000, 3) }
    assert.deepEqual((await run({ batches: [[error]] })).spent, { microDollars: 56, tokens: 53 })
    const { spent } = await run({ batches: [[restarted('test/m', usage(5_000_000, 3))], [finish()]] })
    assert.deepEqual(spent, { microDollars: 56 + 20, tokens: 53 + 15 })
  })

  void it('reports repairs of its tool calls', async () => {
    const { output } = await run({ batches: [[{ type: 'finish', reason: 'tool_calls', usage: usage(1, 1), repaired: { syntax: 2 } }]] })
    assert.deepEqual(output?.repaired, { syntax: 2 })
  })

  void it('that restarts voids its text, keeps its cost, and continues at the price of the new model', async () => {
    const { output, spent, told, reserved } = await run({
      batches: [[say('half')], [restarted('test/dear', usage(10, 3)), say('whole')], [finish(usage(10, 5))]],
    })
    assert.deepEqual(output?.message.parts, [{ type: 'text', text: 'whole' }])
    assert.deepEqual(told, ['half', '<test/dear: gone>', 'whole'])
    assert.deepEqual(spent, { microDollars: 10 + 6 + 100 + 100, tokens: 13 + 15 })
    // What is lost, and the difference that a whole answer (50 in, 100 out) may cost with the dearer model.
    assert.deepEqual(reserved, [{ microDollars: 16 + 9 * (50 + 200), tokens: 13 }])
  })

  void it('does not restart when the budget does not cover the lost text', async () => {
    const { failure, spent } = await run({ batches: [[say('half'), restarted('test/dear', usage(10, 3)), say('whole')]], covers: 0 })
    assert.equal(failure?.code, 'budget_exhausted')
    assert.deepEqual(spent, { microDollars: 16, tokens: 13 })
    assert.deepEqual(kept(failure), [{ type: 'text', text: 'half' }])
  })

  void it('does not continue with an unpriced model under a money budget, and does without one', async () => {
    const batches = [[restarted('test/free', usage(0, 0)), say('whole'), finish()]]
    const refused = await run({ batches, moneyIsLimited: true })
    assert.equal(refused.failure?.code, 'budget_exhausted')
    assert.match(refused.failure?.message ?? '', /price of test\/free is unknown/)
    assert.equal((await run({ batches })).output?.finish, 'stop')
  })

  void it('longer than its reservation continues while the budget covers it, and then stops with its text', async () => {
    const piece = [say('x'.repeat(1000))]
    const batches = [piece, piece, piece, piece, [finish()]]
    const wide = await run({ batches })
    assert.equal(wide.output?.finish, 'stop')
    assert.deepEqual(wide.reserved[0], { microDollars: 512, tokens: 256 })

    const { failure, spent, told } = await run({ batches, covers: 1, allowed: 10_000 })
    assert.equal(failure?.code, 'budget_exhausted')
    assert.match(failure?.hint ?? '', /budget/)
    // 100 tokens were reserved, then 256 more: the second piece is past them, and nothing after it was taken.
    assert.equal(told.length, 2)
    assert.deepEqual(spent, { microDollars: 50 + 1000, tokens: 550 }, 'input as reserved for, output as it is estimated')
    assert.deepEqual(kept(failure), [{ type: 'text', text: 'x'.repeat(2000) }])
  })

  void it('whose tool call outgrows the budget is stopped, although no part of it was streamed', async () => {
    const batches = [[say('I write. ')], 300, 1_500, 3_000, 1_000_000, [finish()]]
    const { failure, spent, reserved } = await run({ batches, covers: 2, allowed: 10_000 })
    assert.equal(failure?.code, 'budget_exhausted')
    assert.deepEqual(kept(failure), [{ type: 'text', text: 'I write. ' }])
    assert.equal(reserved.length, 4, 'what was covered, and the two sizes that were not')
    assert.deepEqual(spent.tokens, 50 + 3_000 / 4)
    assert.equal((await run({ batches })).output?.finish, 'stop')
  })

  void it('that fails keeps its text and its cost, but not the reasoning', async () => {
    const error: ModelEvent = { type: 'error', failure: why, usage: usage(10, 3) }
    const { failure, spent } = await run({ batches: [[{ type: 'reasoning', text: 'hm' }, say('half')], [error]] })
    assert.deepEqual([failure?.code, failure?.message, failure?.hint], [why.code, why.message, why.hint])
    assert.deepEqual(spent, { microDollars: 16, tokens: 13 })
    assert.deepEqual(kept(failure), [{ type: 'text', text: 'half' }])
    assert.equal(kept((await run({ batches: [[{ type: 'reasoning', text: 'hm' }, error]] })).failure), undefined)
  })

  void it('does not keep a key that the endpoint repeats in its answer', async () => {
    const call = { type: 'tool_call', id: 'a', name: 'n', arguments: `{"k":"${secret}"}` } as const
    const split = [secret.slice(0, 5), secret.slice(5)].map((text) => [say(text)])
    const { output } = await run({ batches: [...split, [{ type: 'tool_call', call }, finish()]] })
    assert.deepEqual(output?.message.parts, [
      { type: 'text', text: '[secret:KEY]' },
      { ...call, arguments: '{"k":"[secret:KEY]"}' },
    ])
    const { failure } = await run({ batches: [...split, [{ type: 'error', failure: why, usage: usage(0, 0) }]] })
    assert.deepEqual(kept(failure), [{ type: 'text', text: '[secret:KEY]' }])
  })

  void it('whose stream ends early is a failure of the model', async () => {
    assert.equal((await run({ batches: [[say('x')]] })).failure?.code, 'model_garbled')
  })
})

test('of an answer that outgrew its reservation in one event, as much is paid as one read brings', async () => {
  const priced = facts('m', { inputPerMillion: 1_000_000, outputPerMillion: 1_000_000 })
  const paid = async (end: (meter: ReturnType<typeof createMeter>) => void): Promise<number> => {
    const context = { reserveMore: () => false, reserveUpTo: (more: Spend) => more }
    const reserved = { inputTokens: 10, outputTokens: 20 }
    const meter = createMeter({ context, facts: priced, reserved, moneyIsLimited: () => true, inputFor: async () => 10 })
    assert.equal(await meter.admit({ facts: priced, maxOutputTokens: 400, unreported: [] }), null)
    end(meter)
    return meter.spent().tokens
  }
  assert.equal(await paid((meter) => meter.chargeStopped(250_000)), 30 + 16_384)
  assert.equal(await paid((meter) => meter.chargeStopped(250)), 260)
  assert.equal(
    await paid((meter) => void meter.charge({ model: 'test/m', usage: { inputTokens: 10, outputTokens: 0, estimated: true } }, 250_000)),
    30 + 16_384,
  )
})
