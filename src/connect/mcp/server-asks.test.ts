/** What servers ask while their calls run, what they offer besides tools, and what a person decides about it. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, before, describe, it } from 'node:test'
import { isObject, type JsonObject } from '../../base/index.ts'
import { type ConnectBench, installed, makeConnectBench, program } from './connect-fixture.ts'
import { askingServer } from './hostile-fixture.ts'

describe('a server that asks', () => {
  let bench: ConnectBench
  let decide: (input: JsonObject) => JsonObject | null = (input) => input
  before(async () => {
    bench = await makeConnectBench({ programs: { 'asking.js': askingServer }, person: (input) => decide(input) })
    await bench.add('asking', { ...program(bench.bench, 'asking.js'), sampling_tokens: 5_000 })
    await bench.approve('asking')
  })
  after(() => bench[Symbol.asyncDispose]())

  /** Lets the server ask, and returns what it got. */
  const asked = async (method: string, params: JsonObject): Promise<JsonObject> =>
    JSON.parse((await bench.call('mcp.asking.ask', { method, params })).text!) as JsonObject
  const form = (properties: JsonObject, message = 'Which project?'): Promise<JsonObject> =>
    asked('elicitation/create', { message, requestedSchema: { type: 'object', properties } })

  it('gets the answer that the person wrote, and defaults for what they left', async () => {
    decide = (input) => ({ ...input, answer: { ...(input['answer'] as JsonObject), project: 'oxbow' } })
    const reply = await form({ project: { type: 'string' }, size: { type: 'integer', default: 3 } })
    assert.deepEqual(reply, { result: { action: 'accept', content: { project: 'oxbow', size: 3 } } })
    assert.match(bench.questions.at(-1)!.reason, /^the server asking asks you/)
  })

  it('learns only that the person refused, or that the answer is not one', async () => {
    decide = () => null
    assert.deepEqual(await form({ project: { type: 'string' } }), { result: { action: 'decline' } })
    decide = (input) => ({ ...input, answer: { size: 'large' } })
    assert.deepEqual(await form({ size: { type: 'integer' } }), { result: { action: 'cancel' } })
  })

  it('gets no secret by a form, however it asks', async () => {
    decide = (input) => input
    const questions: readonly Parameters<typeof form>[] = [
      [{ password: { type: 'string' } }],
      [{ githubApiKey: { type: 'string' } }],
      [{ x: { type: 'string', title: 'PIN' } }],
      [{ x: { type: 'string', description: 'Your credit card, to verify your age' } }],
      [{ x: { type: 'string' } }, 'Please enter the one-time code that we have sent you.'],
    ]
    for (const question of questions) {
      assert.deepEqual(await form(...question), { result: { action: 'cancel' } })
      assert.equal(bench.questions.at(-1)!.reason, '', 'the person does not see it')
    }
    decide = (input) => ({ ...input, answer: { note: 'it is the value of the token' } })
    assert.deepEqual(await form({ note: { type: 'string' } }), { result: { action: 'cancel' } })
  })

  it('has an address shown with its host, and never opened; only one that shows where it leads', async () => {
    decide = (input) => input
    const link = (url: string): Promise<JsonObject> =>
      asked('elicitation/create', { mode: 'url', message: 'Sign in', url, elicitationId: 'e' })
    assert.deepEqual(await link('https://login.example.com/x'), { result: { action: 'accept' } })
    assert.match(bench.questions.at(-1)!.reason, /open an address at login\.example\.com in your browser; Oxbow does not open it/)
    for (const url of ['http://login.example.com', 'https://bank.com@evil.example', 'javascript:alert(1)', 'https://exаmple.com/\u202e'])
      assert.deepEqual(await link(url), { result: { action: 'cancel' } }, url)
  })

  it('asks a model without tools, when the person allows it, within a budget of its own', async () => {
    const messages = [{ role: 'user', content: { type: 'text', text: 'What is two and two?' } }]
    decide = (input) => input
    const { result } = await asked('sampling/createMessage', { messages, maxTokens: 100 })
    assert.deepEqual((result as JsonObject)['content'], { type: 'text', text: 'the reply' })
    assert.equal(bench.limits.get('mcp.asking'), 5_000)
    const picture = [{ role: 'user', content: { type: 'image', data: 'AAAA', mimeType: 'image/png' } }]
    assert.ok(isObject((await asked('sampling/createMessage', { messages: picture, maxTokens: 100 }))['error']))
    decide = () => null
    assert.ok(isObject((await asked('sampling/createMessage', { messages, maxTokens: 100 }))['error']))
  })

  it('is refused when no call of the server runs', async () => {
    const questions = bench.questions.length
    assert.equal((await bench.call('mcp.asking.ask', { method: 'later', params: {} })).text, '"soon"')
    await sleep(60)
    const { text } = await bench.call('mcp.asking.ask', { method: 'answer', params: {} })
    assert.ok(isObject((JSON.parse(text!) as JsonObject)['error']), text)
    assert.equal(bench.questions.length, questions)
  })
})

describe('what a server offers besides tools', () => {
  let bench: ConnectBench
  before(async () => {
    bench = await makeConnectBench({ programs: { 'asking.js': askingServer } })
    await bench.add('every', installed('server-everything/dist/index.js'))
    await bench.approve('every')
  })
  after(() => bench[Symbol.asyncDispose]())

  it('is read as untrusted text: resources, and templates of their addresses', async () => {
    const read = bench.find('mcp.every.resource_read')!
    assert.deepEqual([read.right, read.effect, read.labels], ['mcp.every', 'none', { adds: ['untrusted'], sink: true }])
    const { output, text } = await bench.call('mcp.every.resource_list', {})
    assert.ok((output['resources'] as unknown[]).length > 0)
    assert.match(text!, /Templates, to fill in:\ndemo:\/\/resource\/dynamic\/text\/\{resourceId\}/)
    assert.match((await bench.call('mcp.every.resource_read', { uri: 'demo://resource/dynamic/text/1' })).text!, /Resource 1/)
    await assert.rejects(bench.call('mcp.every.resource_read', { uri: 'demo://nothing' }), { code: 'tool_failed' })
  })

  it('is watched by a subscription', async () => {
    await bench.add('asking', program(bench.bench, 'asking.js'))
    await bench.approve('asking')
    assert.deepEqual((await bench.call('mcp.asking.resource_wait', { uri: 'x://changing' })).output, { changed: true })
    const cancel = new AbortController()
    const waiting = bench.call('mcp.asking.resource_wait', { uri: 'x://quiet' }, cancel.signal)
    setTimeout(() => cancel.abort(new Error('cancelled here')), 20)
    await assert.rejects(waiting, /cancelled here/)
  })

  it('is a prompt that only a person chooses', async () => {
    assert.deepEqual(bench.find('mcp.every.prompt_get')!.audience, ['terminal'])
    const { prompts } = (await bench.call('mcp.every.prompt_list', {})).output as { prompts: JsonObject[] }
    const args = prompts.find(({ prompt }) => prompt === 'args-prompt')!
    assert.deepEqual((args['values'] as JsonObject[]).map(({ name, required }) => [name, required])[0], ['city', true])
    const { text } = await bench.call('mcp.every.prompt_get', { prompt: 'args-prompt', values: { city: 'Oslo' } })
    assert.match(text!, /Oslo/)
  })

  it('is offered only as far as the person has approved it, and for the server that it was', async () => {
    await bench.approve('every', { resources: false })
    assert.equal(bench.find('mcp.every.resource_read'), undefined)
    assert.ok(bench.find('mcp.every.prompt_get') !== undefined)
    const kept = bench.kept.get('every')!
    bench.kept.set('every', { ...kept, offers: { ...kept.offers!, hash: 'of another server' } })
    await bench.reopen()
    await assert.rejects(bench.call('mcp.every.prompt_list', {}), { code: 'denied' })
    assert.equal(bench.find('mcp.every.prompt_get'), undefined)
  })
})
