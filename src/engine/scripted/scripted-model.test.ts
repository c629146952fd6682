import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describe, it } from 'node:test'
import type { Message } from '../../protocol/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { collect, describeModelContract, requestOf, textOfEvents } from '../model-contract.ts'
import { contractScenario } from './scenario-fixture.ts'
import { loadScenario } from './scenario.ts'
import { createScriptedModel } from './scripted-model.ts'

describeModelContract('the scripted model in process', () =>
  Promise.resolve({
    model: createScriptedModel(contractScenario),
    text: requestOf('say'),
    toolCall: requestOf('call'),
    failure: requestOf('fail'),
    endless: requestOf('hang'),
    close: () => Promise.resolve(),
  }),
)

const answer = (text: string): Message => ({ role: 'assistant', parts: [{ type: 'text', text }] })

void describe('the scripted model', () => {
  void it('chooses turn and step from the request alone, so that a restarted guest goes on', async () => {
    const steps = (name: string) => [{ events: [{ text: `${name}1` }] }, { events: [{ text: `${name}2 after {{last}}` }] }]
    const scenario = { turns: [{ steps: steps('a') }, { steps: steps('b') }, { match: 'special', steps: steps('c') }] }
    const ask = async (...messages: Message[]): Promise<string> =>
      textOfEvents(await collect(createScriptedModel(scenario), requestOf('', { messages })))
    const result: Message = { role: 'tool', parts: [{ type: 'tool_result', id: '1', name: 'x', ok: true, text: 'RESULT' }] }
    assert.equal(await ask(userMessage('hi')), 'a1')
    assert.equal(await ask(userMessage('hi'), answer(''), result), 'a2 after RESULT')
    assert.equal(await ask(userMessage('hi'), answer('a1'), userMessage('more')), 'b1')
    assert.equal(await ask(userMessage('hi'), answer('a1'), userMessage('a special one'), answer('')), 'c2 after ')
  })

  void it('fills arguments of a tool call, as a text', async () => {
    const events = [{ tool_call: { name: 'pay', arguments: { what: 'for {{last}}' } } }]
    const [call] = await collect(createScriptedModel({ turns: [{ steps: [{ events }] }] }), requestOf('a "cow"'))
    assert.equal(call?.type === 'tool_call' && call.call.arguments, '{"what":"for a \\"cow\\""}')
  })

  void it('refuses a step that the scenario does not have', async () => {
    const [event] = await collect(createScriptedModel({ turns: [{ match: 'x', steps: [{ events: [] }] }] }), requestOf('y'))
    assert.equal(event?.type === 'error' && event.failure.code, 'model_refused')
  })

  void it('waits its delays and gives its own error codes', async () => {
    const events = [{ text: 'a' }, { delay_ms: 1 }, { text: 'b' }, { error: 'model_overloaded' as const }]
    const got = await collect(createScriptedModel({ turns: [{ steps: [{ events }] }] }), requestOf('x'))
    assert.deepEqual(
      got.map((event) => event.type),
      ['text', 'text', 'error'],
    )
  })

  void it('answers with a status as often as configured, then with its events', async () => {
    const model = createScriptedModel({ turns: [{ steps: [{ http: { status: 429, times: 1 }, events: [{ text: 'now' }] }] }] })
    const [first] = await collect(model, requestOf('x'))
    assert.equal(first?.type === 'error' && first.failure.code, 'model_rate_limited')
    assert.equal(textOfEvents(await collect(model, requestOf('x'))), 'now')
  })
})

void describe('a scenario file', () => {
  void it('that is wrong or missing is a bad_config that names the place', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-scenario-'))
    const file = join(folder, 'scenario.json')
    await writeFile(file, JSON.stringify({ turns: [{ steps: [{ events: [{ txt: 'x' }] }] }] }))
    await assert.rejects(
      loadScenario(file),
      (error) => isOxbowError(error, 'bad_config') && error.message.includes('turns.0.steps.0.events.0'),
    )
    await assert.rejects(loadScenario(join(folder, 'none.json')), (error) => isOxbowError(error, 'bad_config'))
    await rm(folder, { recursive: true })
  })

  void it('can be served by a process of its own, which prints its address', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-scenario-'))
    const file = join(folder, 'scenario.json')
    await writeFile(file, JSON.stringify(contractScenario))
    const child = spawn(process.execPath, [fileURLToPath(new URL('../scripted-server-main.ts', import.meta.url)), file])
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const response = await fetch(`${String(line).trim()}/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ messages: [{ role: 'user', content: 'say' }] }),
    })
    assert.match(await response.text(), /\[DONE\]/)
    child.kill('SIGTERM')
    await once(child, 'exit')
    await rm(folder, { recursive: true })
  })
})
