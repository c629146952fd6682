import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { isOxbowError } from '../base/index.ts'
import { askModel, modelSettings } from './model.ts'
import { describeTools, runTool, tool } from './tools.ts'

const context = { signal: new AbortController().signal, session: 's', call: 'c' }
const isBadInput = (error: unknown): boolean => isOxbowError(error, 'bad_input')

void test('a tool that says nothing of itself is taken at its strictest', () => {
  const [described] = describeTools({ send: tool({ description: 'Sends.', run: () => null }) })
  assert.deepEqual(described, {
    name: 'send',
    description: 'Sends.',
    parameters: { type: 'object', properties: {}, additionalProperties: false },
    tier: 'privileged',
    effect: 'once',
    adds: ['untrusted'],
    sink: true,
    timeoutMs: 120_000,
  })
})

void test('a schema is told as JSON Schema, and what does not fit it does not reach the tool', async () => {
  const add = tool({ description: 'Adds.', input: z.object({ a: z.number(), b: z.number().default(2) }), run: ({ a, b }) => a + b })
  const { type, required } = describeTools({ add })[0]!.parameters
  assert.deepEqual([type, required], ['object', ['a']])
  assert.equal(await runTool('add', add, { a: 1 }, context), 3)
  await assert.rejects(runTool('add', add, { a: 'x' }, context), (error) => isBadInput(error) && /a: /.test((error as Error).message))
})

void test('names, schemas and tools that cannot work are refused at the start, each by name', () => {
  const fine = { description: 'x', run: () => null }
  for (const tools of [
    { '': fine },
    { 'a.b': fine },
    { '1st': fine },
    { __proto__x: { ...fine, description: ' ' } },
    { text: { ...fine, input: z.string() as never } },
    { odd: { description: 'x' } as never },
    Object.fromEntries(Array.from({ length: 201 }, (_, i) => [`t${i}`, fine])),
  ])
    assert.throws(() => describeTools(tools), isBadInput, Object.keys(tools)[0])
  assert.throws(() => modelSettings({ name: 'a/b c', generate: () => '' }), isBadInput)
})

void test('what a tool throws is a failure of the tool, and what is not JSON is left out', async () => {
  const run = (work: () => unknown) => runTool('x', tool({ description: 'x', run: work }), {}, context)
  await assert.rejects(
    run(() => Promise.reject(new Error('no paper'))),
    (error) => isOxbowError(error, 'tool_failed') && error.message === 'no paper',
  )
  assert.equal(await run(() => undefined), null)
  assert.equal(await run(() => () => 1), null)
  assert.deepEqual(await run(() => ({ a: 1, b: undefined, at: new Date(0) })), { a: 1, at: '1970-01-01T00:00:00.000Z' })
  await assert.rejects(
    run(() => 10n),
    (error) => isOxbowError(error, 'tool_failed'),
  )
})

void test('pieces of an answer are joined: texts at once, calls and usage at the end', async () => {
  const pieces: object[] = []
  async function* generate() {
    yield 'Hel'
    yield { text: 'lo', toolCalls: [{ name: 'a', input: {} }] }
    yield { toolCalls: [{ name: 'b', input: { x: 1 } }], usage: { inputTokens: 3, outputTokens: 4 } }
  }
  const answer = await askModel(generate, { messages: [] }, context.signal, (piece) => void pieces.push(piece))
  assert.deepEqual(pieces, [{ text: 'Hel' }, { text: 'lo' }])
  assert.deepEqual(answer, {
    text: 'Hello',
    toolCalls: [
      { name: 'a', input: {} },
      { name: 'b', input: { x: 1 } },
    ],
    usage: { promptTokens: 3, completionTokens: 4 },
  })
  await assert.rejects(
    askModel(
      () => 7 as never,
      { messages: [] },
      context.signal,
      () => {},
    ),
    (error) => isOxbowError(error, 'model_garbled'),
  )
})
