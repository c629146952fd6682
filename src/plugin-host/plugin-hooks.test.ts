import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../base/index.ts'
import type { HookStep, HookValues, PluginHookResult } from '../protocol/index.ts'
import { hookAliases } from './hook-aliases.ts'
import { hooksOf } from './plugin-hooks.ts'
import type { HookPart, PluginRuntime } from './plugin-object.ts'

const runtime = { signal: new AbortController().signal, log() {} } as unknown as PluginRuntime
const place = { session: 's1', turn: 't1', agent: 'ox', user: 'ada' }

/** What each step shows in these tests. */
const values: { readonly [Step in HookStep]?: HookValues[Step] } = {
  'message.received': { ...place, id: 'm1', text: 'hi', from: 'user:ada', attachments: [], first: true },
  'model.before': {
    ...place,
    call: 'g1',
    model: 'openai/gpt-5',
    role: 'user',
    text: 'hi',
    messages: 1,
    input_tokens: 9,
    max_output_tokens: 100,
    temperature: null,
    top_p: null,
  },
  'model.after': {
    ...place,
    call: 'g1',
    status: 'ok',
    text: 'let me see',
    calls: [{ id: 'c1', name: 'file_read', arguments: '{}' }],
    input_tokens: 9,
    output_tokens: 5,
  },
  'call.before': { ...place, call: 'g1.0', name: 'file.read', input: { path: 'a.txt' }, tier: 'read_only' },
  'call.after': {
    ...place,
    call: 'g1.0',
    name: 'file.read',
    input: { path: 'a.txt' },
    status: 'ok',
    ok: true,
    text: 'content',
    duration_ms: 3,
  },
  'turn.ended': { ...place, status: 'ok', reply: 'done', duration_ms: 20 },
}

type Fire = (step: HookStep, change?: JsonObject) => Promise<PluginHookResult>

function firing(...hooks: readonly object[]): Fire {
  const held = hooksOf([{ name: 'test', hooks: hooks as readonly HookPart[] }])
  return (step, change = {}) => held.run(step, { ...(values[step] as unknown as JsonObject), ...change }, runtime)
}

/** Runs the alias at these steps, with a handler that keeps its arguments. */
async function seen(alias: string, ...steps: readonly HookStep[]): Promise<readonly [Record<string, unknown>, Record<string, unknown>]> {
  const args: unknown[][] = []
  const fire = firing({ step: alias, run: (...each: unknown[]) => void args.push(structuredCloneOf(each)) })
  for (const step of steps) await fire(step)
  assert.equal(args.length, 1, `${alias} fires once`)
  return args[0] as unknown as [Record<string, unknown>, Record<string, unknown>]
}

const structuredCloneOf = (value: unknown): unknown[] => JSON.parse(JSON.stringify(value)) as unknown[]

const aliasTests: Readonly<Record<string, () => Promise<void>>> = {
  async before_tool_call() {
    const [event, ctx] = await seen('before_tool_call', 'call.before')
    assert.deepEqual(event, { toolName: 'file_read', params: { path: 'a.txt' }, toolCallId: 'g1.0', runId: 't1' })
    assert.deepEqual([ctx['agentId'], ctx['sessionKey'], ctx['toolName']], ['ox', 's1', 'file_read'])
    const answers = [
      { params: { path: 'b.txt' } },
      { block: true, blockReason: 'no' },
      { block: false },
      { requireApproval: { title: 'Read', description: 'sure?' }, params: { path: 'c.txt' } },
    ]
    const fire = firing({ step: 'before_tool_call', run: () => answers.shift() })
    assert.deepEqual(await fire('call.before'), { verdict: 'change', value: { input: { path: 'b.txt' } }, reason: '' })
    assert.deepEqual(await fire('call.before'), { verdict: 'refuse', value: null, reason: 'no' })
    assert.equal((await fire('call.before')).verdict, 'pass')
    assert.deepEqual(await fire('call.before'), { verdict: 'approve', value: { input: { path: 'c.txt' } }, reason: 'Read: sure?' })
  },
  async after_tool_call() {
    const [event] = await seen('after_tool_call', 'call.after')
    assert.deepEqual([event['toolName'], event['result'], event['error'], event['durationMs']], ['file_read', 'content', undefined, 3])
  },
  async message_received() {
    const [event, ctx] = await seen('message_received', 'message.received')
    assert.deepEqual([event['content'], event['from'], event['messageId'], ctx['conversationId']], ['hi', 'user:ada', 'm1', 's1'])
  },
  async agent_end() {
    const [event] = await seen('agent_end', 'turn.ended')
    assert.deepEqual(event, { messages: [{ role: 'assistant', content: 'done' }], success: true, durationMs: 20, runId: 't1' })
  },
  async session_start() {
    const [event] = await seen('session_start', 'message.received')
    assert.deepEqual(event, { sessionId: 's1', sessionKey: 's1' })
    let fired = 0
    await firing({ step: 'session_start', run: () => void fired++ })('message.received', { first: false })
    assert.equal(fired, 0)
  },
  async 'tool.execute.before'() {
    const [input, output] = await seen('tool.execute.before', 'call.before')
    assert.deepEqual([input, output], [{ tool: 'file_read', sessionID: 's1', callID: 'g1.0' }, { args: { path: 'a.txt' } }])
    const change = firing({
      step: 'tool.execute.before',
      run: (_: unknown, out: { args: { path: string } }) => void (out.args.path = 'b.txt'),
    })
    assert.deepEqual((await change('call.before')).value, { input: { path: 'b.txt' } })
    const refuse = firing({ step: 'tool.execute.before', run: () => Promise.reject(new Error('Do not read .env files')) })
    assert.deepEqual(await refuse('call.before'), { verdict: 'refuse', value: null, reason: 'Do not read .env files' })
  },
  async 'tool.execute.after'() {
    const [input, output] = await seen('tool.execute.after', 'call.after')
    assert.deepEqual([input['tool'], input['args'], output['output']], ['file_read', { path: 'a.txt' }, 'content'])
    const change = firing({ step: 'tool.execute.after', run: (_: unknown, out: { output: string }) => void (out.output = 'other') })
    assert.deepEqual((await change('call.after')).value, { text: 'other' })
  },
  async 'chat.params'() {
    const [input, output] = await seen('chat.params', 'model.before')
    assert.deepEqual([input['sessionID'], input['model'], output['options']], ['s1', { id: 'gpt-5', providerID: 'openai' }, {}])
    const change = firing({ step: 'chat.params', run: (_: unknown, out: Record<string, unknown>) => void (out['temperature'] = 0.2) })
    assert.deepEqual((await change('model.before')).value, { max_output_tokens: 100, temperature: 0.2 })
  },
  async 'session.idle'() {
    const [input] = await seen('session.idle', 'turn.ended')
    assert.deepEqual(input, { event: { type: 'session.idle', properties: { sessionID: 's1' } } })
  },
  async tool_call() {
    const [event] = await seen('tool_call', 'call.before')
    assert.deepEqual(event, { type: 'tool_call', toolName: 'file_read', toolCallId: 'g1.0', input: { path: 'a.txt' } })
    const change = firing({ step: 'tool_call', run: (each: { input: { path: string } }) => void (each.input.path = 'b.txt') })
    assert.deepEqual((await change('call.before')).value, { input: { path: 'b.txt' } })
    const block = firing({ step: 'tool_call', run: () => ({ block: true, reason: 'no' }) })
    assert.equal((await block('call.before')).verdict, 'refuse')
  },
  async tool_result() {
    const [event] = await seen('tool_result', 'call.after')
    assert.deepEqual([event['content'], event['isError']], [[{ type: 'text', text: 'content' }], false])
    const change = firing({ step: 'tool_result', run: () => ({ content: [{ type: 'text', text: 'x' }], isError: true }) })
    assert.deepEqual((await change('call.after')).value, { text: 'x', ok: false })
  },
  async turn_start() {
    const indexes: unknown[] = []
    const fire = firing({ step: 'turn_start', run: ({ turnIndex }: { turnIndex: number }) => void indexes.push(turnIndex) })
    for (const turn of ['t1', 't1', 't2']) await fire('model.before', { turn })
    assert.deepEqual(indexes, [0, 1, 0])
  },
  async turn_end() {
    const [event] = await seen('turn_end', 'model.after', 'call.after', 'turn.ended')
    const [result] = event['toolResults'] as readonly Record<string, unknown>[]
    assert.deepEqual([event['turnIndex'], result?.['toolCallId'], result?.['toolName']], [0, 'g1.0', 'file_read'])
    // A call that the gate refused has no result: the next answer shows that its turn has ended.
    await seen('turn_end', 'model.after', 'model.before')
    let ends = 0
    await firing({ step: 'turn_end', run: () => void ends++ })('model.after', { calls: [] })
    assert.equal(ends, 1)
  },
}

test('every alias is tested', () => assert.deepEqual(Object.keys(aliasTests).toSorted(), Object.keys(hookAliases).toSorted()))

for (const [alias, run] of Object.entries(aliasTests)) test(`the alias ${alias} fires with the event that its documentation gives`, run)

test('several hooks at one step run in order, and a refusal ends them', async () => {
  const fire = firing(
    { step: 'call.before', run: () => ({ verdict: 'change', value: { input: { path: 'b.txt' } } }) },
    { step: 'tool_call', run: ({ input }: { input: { path: string } }) => void (input.path += '!') },
    { step: 'call.before', run: () => ({ verdict: 'approve', reason: 'sure?' }), fail: 'closed' },
  )
  assert.deepEqual(await fire('call.before'), { verdict: 'approve', value: { input: { path: 'b.txt!' } }, reason: 'sure?' })
  const held = hooksOf([
    {
      name: 'a',
      hooks: [
        { step: 'tool_call', run() {} },
        { step: 'call.before', run() {}, fail: 'closed' },
      ],
    },
  ])
  assert.deepEqual(held.declared, [{ step: 'call.before', fail: 'closed' }])
  assert.equal((await firing({ step: 'call.before', run: () => false })('call.before')).verdict, 'refuse')
})

test('hooks behind one that fails open are asked, and those behind one that fails closed are not', async () => {
  const broken = (fail?: string): object => ({
    step: 'call.before',
    ...(fail !== undefined && { fail }),
    run() {
      throw new Error('no luck')
    },
  })
  const guard = { step: 'call.before', fail: 'closed', run: () => ({ verdict: 'refuse', reason: 'not that one' }) }
  const lenient = { step: 'call.before', run() {} }
  assert.deepEqual(await firing(broken(), guard)('call.before'), {
    verdict: 'refuse',
    value: null,
    reason: 'not that one',
    failed: ['no luck'],
  })
  assert.deepEqual(await firing(broken(), lenient, broken())('call.before'), {
    verdict: 'pass',
    value: null,
    reason: '',
    failed: ['no luck', 'no luck'],
  })
  await assert.rejects(firing(lenient, broken('closed'), guard)('call.before'), { message: 'no luck' })
  await assert.rejects(firing(broken(), broken())('call.before'), { message: 'no luck' })
})

test('an answer without a known verdict is a failure, and so is a change without fields', async () => {
  const may = 'it may return nothing, true, false, or an object whose verdict is pass, change, refuse or approve'
  for (const [answer, message] of [
    [{ refuse: true }, `it answered { refuse: true }; ${may}`],
    [{ verdict: 'deny' }, `it answered { verdict: 'deny' }; ${may}`],
    [{}, `it answered {}; ${may}`],
    [null, `it answered null; ${may}`],
    ['no', `it answered 'no'; ${may}`],
    [0, `it answered 0; ${may}`],
    [['refuse'], `it answered [ 'refuse' ]; ${may}`],
    [{ verdict: 'change' }, "it answered { verdict: 'change' }; the value of change must be an object with the fields that change"],
    [{ verdict: 'approve', value: 'x' }, /the value of approve must be an object/],
  ] as const)
    await assert.rejects(firing({ step: 'call.before', run: () => answer })('call.before'), { message })
  for (const answer of [undefined, true, { verdict: 'pass', more: 1 }])
    assert.equal((await firing({ step: 'call.before', run: () => answer })('call.before')).verdict, 'pass')
  assert.equal((await firing({ step: 'call.before', run: () => ({ verdict: 'refuse', because: 1 }) })('call.before')).verdict, 'refuse')
})

test('a handler for another program whose answer it would not have there is a failure', async () => {
  for (const [step, at, answer, message] of [
    [
      'before_tool_call',
      'call.before',
      { blocked: true },
      /^it answered \{ blocked: true \}; it may return nothing, or an object with params, block, /,
    ],
    ['before_tool_call', 'call.before', { block: 'yes' }, /an object with params, block, blockReason, requireApproval$/],
    ['before_tool_call', 'call.before', false, /it answered false/],
    ['tool_call', 'call.before', { deny: true }, /an object with block, reason$/],
    ['tool_result', 'call.after', { content: 'redacted' }, /an object with content, details, isError$/],
  ] as const)
    await assert.rejects(firing({ step, run: () => answer })(at), { message })
  assert.equal((await firing({ step: 'before_tool_call', run: () => null })('call.before')).verdict, 'pass')
})

test('a hook at a step that does not exist is refused, with all that do', () => {
  assert.throws(
    () => hooksOf([{ name: 'a', hooks: [{ step: 'call.during', run() {} } as unknown as HookPart] }]),
    /a has a hook at call\.during.*call\.before.*tool_call/,
  )
})
