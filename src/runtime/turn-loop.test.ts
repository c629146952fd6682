import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId } from '../base/index.ts'
import {
  type CallOutcome,
  type ConversationItem,
  conversationItem,
  type Message,
  plainFacts,
  type ToolCallPart,
  toolResult,
  userMessage,
} from '../protocol/index.ts'
import { createMessageCounter } from './window.ts'
import { createFakeProcess, type FakeProcess, ok } from './fake-process.ts'
import { runTurn } from './pipeline.ts'
import type { RuntimeDeps } from './pipeline.ts'

const usage = { inputTokens: 1, outputTokens: 1, estimated: false }
const deps: RuntimeDeps = {
  facts: plainFacts({ name: 'm', provider: 'scripted', contextTokens: 100_000, maxOutputTokens: 1_000, price: null }),
  toolTokens: 0,
  counter: createMessageCounter(async (texts) => texts.map((text) => text.length)),
  maxTurns: 10,
  providers: [{ name: 'character', provide: () => 'You are a test.' }],
  evaluators: [],
}

const says = (text: string): CallOutcome => ok({ message: { role: 'assistant', parts: [{ type: 'text', text }] }, finish: 'stop', usage })
const asks = (...calls: [name: string, args?: string][]): CallOutcome => {
  const parts = calls.map(([name, args = '{}'], i): ToolCallPart => ({ type: 'tool_call', id: `t${i}`, name, arguments: args }))
  return ok({ message: { role: 'assistant', parts }, finish: 'tool_calls', usage })
}
const history = (items: readonly ConversationItem[]) => () => ok({ items })
const hello = [conversationItem('u1' as CallId, userMessage('hello'))]

/** A turn before this one, which did something. */
const earlier = [
  ...hello,
  conversationItem('g0' as CallId, (asks(['write_z']) as { output: { message: Message } }).output.message),
  toolResult('g0.0' as CallId, { id: 't0', name: 'write_z' }, { ok: true, text: 'Z' }),
  conversationItem('g1' as CallId, { role: 'assistant', parts: [{ type: 'text', text: 'done' }] }),
]

function scripted(steps: readonly CallOutcome[], more: Record<string, () => CallOutcome> = {}, signal?: AbortSignal): FakeProcess {
  const left = [...steps]
  return createFakeProcess({ conversation: history(hello), 'model.generate': () => left.shift() ?? says('out of script'), ...more }, signal)
}

const names = (process: FakeProcess): string[] => process.made.map((call) => call.name)
const sent = (process: FakeProcess, nth: number): readonly Message[] =>
  (process.made.filter((call) => call.name === 'model.generate')[nth]!.input as { messages: readonly Message[] }).messages

test('a turn without tools is one history read and one generation', async () => {
  const process = scripted([says('hi')])
  const result = await runTurn(process, deps)
  assert.deepEqual([result.status, result.reply, result.steps], ['ok', 'hi', 1])
  assert.deepEqual(names(process), ['model.generate'])
})

test('an answer that reaches its limit without any text is no reply, and the turn says why', async () => {
  const cut = ok({ message: { role: 'assistant', parts: [{ type: 'reasoning', text: 'Hm.' }] }, finish: 'length', usage })
  const result = await runTurn(scripted([asks(['write_a']), cut], { write_a: () => ok({}, 'written') }), deps)
  assert.deepEqual([result.status, result.failure?.code], ['limit', 'limit_reached'])
  assert.match(result.reply, /1000 tokens of one answer[^]*Done in this turn: write_a/)
})

test('an answer that reaches its limit in mid-text is a reply that says once that it is truncated', async () => {
  const cut = ok({ message: { role: 'assistant', parts: [{ type: 'text', text: 'Once upon' }] }, finish: 'length', usage })
  const result = await runTurn(scripted([cut]), deps)
  assert.deepEqual([result.status, result.reply, result.failure?.code], ['ok', 'Once upon', 'limit_reached'])
  assert.match(result.failure?.message ?? '', /is truncated.*1000 tokens/)
})

test('results go back to the model in the order of the calls, whatever order they end in', async () => {
  const first = Promise.withResolvers<CallOutcome>()
  const process = createFakeProcess({
    conversation: history(hello),
    'model.generate': () =>
      process.made.filter((call) => call.name === 'model.generate').length === 1 ? asks(['read_a'], ['read_b']) : says('done'),
    read_a: () => first.promise,
    read_b: () => {
      first.resolve(ok(null, 'A'))
      return ok(null, 'B')
    },
  })
  assert.equal((await runTurn(process, deps)).reply, 'done')
  const results = sent(process, 1)
    .filter((message) => message.role === 'tool')
    .map((message) => message.parts[0].text)
  assert.deepEqual(results, ['A', 'B'])
})

test('a call that changes something waits for the reads before it and runs alone', async () => {
  const log: string[] = []
  const slow = (name: string) => async () => {
    log.push(`+${name}`)
    await new Promise(setImmediate)
    log.push(`-${name}`)
    return ok(null, name)
  }
  const steps = [asks(['read_a'], ['read_b'], ['write_c'], ['read_d']), says('done')]
  const process = createFakeProcess({
    conversation: history(hello),
    'model.generate': () => steps.shift()!,
    read_a: slow('a'),
    read_b: slow('b'),
    write_c: slow('c'),
    read_d: slow('d'),
  })
  await runTurn(process, deps)
  assert.deepEqual(log, ['+a', '+b', '-a', '-b', '+c', '-c', '+d', '-d'])
})

test('a resumed turn carries out only the tool calls that have no result, under their first ids', async () => {
  const generation = conversationItem('g1' as CallId, (asks(['write_a'], ['write_b']) as { output: { message: Message } }).output.message)
  const result = conversationItem('g1.0' as CallId, {
    role: 'tool',
    parts: [{ type: 'tool_result', id: 't0', name: 'write_a', ok: true, text: 'A' }],
  })
  const process = createFakeProcess({
    conversation: history([...hello, generation, result]),
    'model.generate': () => says('done'),
    write_b: () => ok(null, 'B'),
  })
  await runTurn(process, deps)
  assert.deepEqual(process.made.map((call) => [call.name, call.id]).slice(0, 1), [['write_b', 'g1.1']])
})

test('a turn whose answer is on record already asks nothing again', async () => {
  const answer = conversationItem('g1' as CallId, { role: 'assistant', parts: [{ type: 'text', text: 'answered' }] })
  const process = createFakeProcess({ conversation: history([...hello, answer]) })
  assert.equal((await runTurn(process, deps)).reply, 'answered')
  assert.deepEqual(names(process), [])
})

test('a failed tool is a result that the model reads', async () => {
  const process = scripted([asks(['no_such_tool']), says('sorry')])
  assert.equal((await runTurn(process, deps)).reply, 'sorry')
  const result = sent(process, 1).at(-1)
  assert.deepEqual(result?.parts[0], { type: 'tool_result', id: 't0', name: 'no_such_tool', ok: false, text: 'Error: no no_such_tool' })
})

test('the same call with the same result three times is told to the model, a fourth ends the turn', async () => {
  const process = scripted(
    [1, 2, 3, 4, 5].map(() => asks(['read_a'])),
    { read_a: () => ok(null, 'same') },
  )
  const result = await runTurn(process, deps)
  assert.equal(result.status, 'limit')
  assert.match(result.reply, /read_a ×4/)
  const systems = process.made.filter((call) => call.name === 'model.generate').map((call) => (call.input as { system: string }).system)
  assert.deepEqual(
    systems.map((system) => system.includes('three times')),
    [false, false, false, true],
  )
})

test('the same call many times in one answer is told to the model before it ends the turn, and all of its results count', async () => {
  const five = asks(...[1, 2, 3, 4, 5].map((): [string] => ['read_a']))
  const process = scripted([five, says('sorry')], { read_a: () => ok(null, 'same') })
  const result = await runTurn(process, deps)
  assert.deepEqual([result.status, result.reply], ['ok', 'sorry'])
  const [, second] = process.made.filter((call) => call.name === 'model.generate')
  assert.match((second!.input as { system: string }).system, /three times/)

  const again = scripted([five, five], { read_a: () => ok(null, 'same') })
  const stopped = await runTurn(again, deps)
  assert.equal(stopped.status, 'limit')
  assert.match(stopped.reply, /read_a ×10\.\nLeft: the answer/)
})

test('the limit of generations ends a turn with an account of what was done', async () => {
  let n = 0
  const process = createFakeProcess({
    conversation: history(hello),
    'model.generate': () => asks(['read_a', `{"n":${n++}}`]),
    read_a: () => ok(null, `${n}`),
  })
  const result = await runTurn(process, deps)
  assert.deepEqual([result.status, result.steps, result.failure?.code], ['limit', 10, 'limit_reached'])
  assert.match(result.reply, /Done in this turn: read_a ×10/)
})

test('a message that comes when the turn may ask no more is left to a turn that can answer it', async () => {
  const process: FakeProcess = createFakeProcess({
    conversation: history(hello),
    'model.generate': (_, id) => asks(['read_a', JSON.stringify(id)]),
    read_a: () => {
      if (names(process).filter((name) => name === 'model.generate').length === deps.maxTurns)
        process.mail.push({ id: 'u2' as CallId, text: 'and?' })
      return ok(null, 'A')
    },
  })
  assert.equal((await runTurn(process, deps)).status, 'limit')
  assert.equal(process.mail.length, 1)
})

test('a message sent while the turn runs is offered at the next step', async () => {
  const process: FakeProcess = scripted([asks(['read_a']), says('both done')], {
    read_a: () => {
      process.mail.push({ id: 'u2' as CallId, text: 'also this' })
      return ok(null, 'A')
    },
  })
  assert.equal((await runTurn(process, deps)).reply, 'both done')
  assert.deepEqual(sent(process, 1).at(-1), userMessage('also this'))
})

test('a message that comes with the last words is answered in the same turn', async () => {
  const steps = [says('first'), says('second')]
  const process: FakeProcess = createFakeProcess({
    conversation: history(hello),
    'model.generate': () => {
      if (steps.length === 2) process.mail.push({ id: 'u2' as CallId, text: 'and?' })
      return steps.shift()!
    },
  })
  assert.equal((await runTurn(process, deps)).reply, 'second')
})

test('cancelling ends the turn without another generation and says what was left', async () => {
  const controller = new AbortController()
  const process = scripted(
    [asks(['write_a'], ['write_b'])],
    { write_a: () => (controller.abort('cancelled'), ok(null, 'A')) },
    controller.signal,
  )
  const result = await runTurn(process, deps)
  assert.deepEqual([result.status, result.failure?.code], ['cancelled', 'cancelled'])
  assert.match(result.reply, /Done in this turn: write_a\.\nLeft: 1 requested call/)
  assert.deepEqual(names(process), ['model.generate', 'write_a'])
})

test('what was done before a message steered the turn is told as done, and nothing of the turns before', async () => {
  const controller = new AbortController()
  const answers = { conversation: history([...earlier, conversationItem('turn' as CallId, userMessage('go'))]) }
  const process: FakeProcess = scripted(
    [asks(['write_a']), asks(['write_b'])],
    {
      ...answers,
      write_a: () => (process.mail.push({ id: 'u2' as CallId, text: 'and b' }), ok(null, 'A')),
      write_b: () => (controller.abort('cancelled'), ok(null, 'B')),
    },
    controller.signal,
  )
  assert.match((await runTurn(process, deps)).reply, /Done in this turn: write_a, write_b\.\nLeft: the answer/)
})

test('the last words of a turn that had to stop are not cut amid a character', async () => {
  const words = conversationItem('g' as CallId, { role: 'assistant', parts: [{ type: 'text', text: `${'x'.repeat(499)}🐂🐂` }] })
  const failed = { ...words, ended: { code: 'model_garbled', message: 'It broke.', hint: '' } } as const
  const result = await runTurn(scripted([], { conversation: history([...hello, failed]) }), deps)
  assert.equal(result.status, 'failed')
  assert.match(result.reply, /Last words: x{499}$/m)
})

test('a refused generation is a limit, a failed one a failure, and both keep the hint', async () => {
  const failure = { code: 'budget_exhausted', message: 'spent', hint: 'raise it' } as const
  const refused = await runTurn(scripted([{ status: 'refused', failure, text: '' }]), deps)
  assert.deepEqual([refused.status, refused.failure], ['limit', failure])
  assert.match(refused.reply, /raise it/)
  assert.equal((await runTurn(scripted([{ status: 'failed', failure, text: '' }]), deps)).status, 'failed')
})

test('a provider that fails or hangs is left out', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const providers = [
    { name: 'good', provide: () => 'good' },
    { name: 'bad', provide: () => Promise.reject(new Error('no')) },
    { name: 'slow', provide: () => new Promise<string>(() => {}) },
  ]
  const process = scripted([says('hi')])
  const running = runTurn(process, { ...deps, providers })
  await new Promise(setImmediate)
  t.mock.timers.tick(2_000)
  await running
  assert.equal((process.made[0]!.input as { system: string }).system, 'good')
})

/** Recalls a fact when `arrive` is called. */
function recallsLater(): { readonly recall: () => Promise<CallOutcome>; readonly arrive: () => void } {
  const found = Promise.withResolvers<CallOutcome>()
  return { recall: () => found.promise, arrive: () => found.resolve(ok({ ids: ['e0'] }, 'Clara plays the cello.')) }
}

const recalledAt = (messages: readonly Message[]): number => messages.findIndex((each) => each.role === 'user' && each.recalled === true)

test('what is recalled too late for the first step precedes its message in the next one', async () => {
  const { recall, arrive } = recallsLater()
  const arriving = (): CallOutcome => {
    arrive()
    return ok({}, 'A')
  }
  const process = scripted([asks(['read_a']), says('hi')], { 'memory.recall': recall as () => never, read_a: arriving })
  await runTurn(process, { ...deps, reminder: { mayRecall: () => true, patienceMs: () => 0, recalled: () => {} } })
  assert.equal(recalledAt(sent(process, 0)), -1)
  const second = sent(process, 1)
  assert.equal(recalledAt(second), 0)
  assert.deepEqual(
    second.map(({ role }) => role),
    ['user', 'user', 'assistant', 'tool'],
  )
})

test('a turn whose answer needs no second step does not wait for what is recalled late', async () => {
  const { recall } = recallsLater()
  const process = scripted([says('hi')], { 'memory.recall': recall as () => never })
  const result = await runTurn(process, { ...deps, reminder: { mayRecall: () => true, patienceMs: () => 0, recalled: () => {} } })
  assert.deepEqual([result.status, result.reply], ['ok', 'hi'])
})

test('the patience of the first request begins when memory is open', async () => {
  const { recall, arrive } = recallsLater()
  const opened = Promise.withResolvers<number>()
  const process = scripted([says('hi')], { 'memory.recall': recall as () => never })
  const patienceMs = (): Promise<number> => {
    setTimeout(arrive, 10)
    return opened.promise
  }
  await runTurn(process, { ...deps, reminder: { mayRecall: () => true, patienceMs, recalled: () => {} } })
  assert.equal(recalledAt(sent(process, 0)), 0)
})

test('a recall knows what the model reads anyway: what was said, recalled and summarized, no results and no name of kept data', async () => {
  const items = [
    ...earlier,
    conversationItem('u2' as CallId, userMessage('See [data:01890a5d-ac96-774b-bcce-b302099a8057:0].')),
    conversationItem('u3' as CallId, userMessage('And now?')),
  ]
  const summary = conversationItem('s0' as CallId, userMessage('Clara plays the cello.'))
  const process = scripted([says('hi')], { conversation: () => ok({ items, summary }), 'memory.recall': () => ok({ ids: [] }, '') })
  await runTurn(process, { ...deps, reminder: { mayRecall: () => true, patienceMs: () => 1_000, recalled: () => {} } })
  const { told } = process.made.find(({ name }) => name === 'memory.recall')!.input as { readonly told: readonly string[] }
  const shown = ['And now?', 'See [data01890a5d-ac96-774b-bcce-b302099a8057:0].', 'done', 'hello', 'Clara plays the cello.']
  assert.deepEqual(told, shown)
})

test('a message that can recall nothing costs no call', async () => {
  const process = scripted([says('hi')])
  await runTurn(process, { ...deps, reminder: { mayRecall: (_, text) => text !== 'hello', patienceMs: () => 0, recalled: () => {} } })
  assert.deepEqual(names(process), ['model.generate'])
})
