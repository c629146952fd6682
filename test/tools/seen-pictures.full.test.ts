/** A picture that a tool gives reaches the model that asked for it, in each wire the way of that wire; others read about it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { messageSse } from '../../src/engine/anthropic/fake-anthropic.ts'
import { chunkOf, sseOf as geminiSse } from '../../src/engine/gemini/fake-gemini.ts'
import { responseStream } from '../../src/engine/openai-responses/fake-responses.ts'
import { pngOf } from '../../src/tools/media/picture-fixture.ts'
import { chat } from '../engine/answers.ts'
import { type PlainAnswer, type PlainEndpoint, startEndpoint } from '../engine/plain-endpoint.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'

type Body = Record<string, any>

interface Wire {
  readonly name: string
  readonly provider: Readonly<Record<string, unknown>>
  readonly path: string
  readonly call: () => PlainAnswer
  readonly text: () => PlainAnswer
  /** Where the wire has the picture of a result: its base64. */
  readonly picture: (body: Body) => unknown
}

const args = { path: 'pic.png' }
const json = JSON.stringify(args)
const uri = (url: unknown): string => String(url).replace('data:image/png;base64,', '')

const anthropic: Pick<Wire, 'path' | 'call' | 'text' | 'picture'> = {
  path: '/v1',
  call: () => ({ body: messageSse({ blocks: [{ id: 'toolu_1', name: 'file_read', input: json }] }) }),
  text: () => ({ body: messageSse({ blocks: [{ text: 'An ox.' }] }) }),
  picture: ({ messages }) => messages.at(-1).content[0].content.find(({ type }: { type: string }) => type === 'image')?.source.data,
}

const wires: readonly Wire[] = [
  {
    name: 'chat-completions',
    provider: { wire: 'openai-chat' },
    path: '/v1',
    call: () => chat({ call: ['file_read', json] }),
    text: () => chat({ text: 'An ox.' }),
    // A result holds only text: the picture follows it.
    picture: ({ messages }) => uri(messages.at(-1).content.at(-1).image_url?.url),
  },
  {
    name: 'responses',
    provider: { wire: 'openai-responses' },
    path: '/v1',
    call: () => ({
      body: responseStream(
        [{ type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'file_read', arguments: json, status: 'completed' }],
        { input_tokens: 10, output_tokens: 5 },
      ),
    }),
    text: () => ({
      body: responseStream(
        [
          {
            type: 'message',
            id: 'msg_1',
            role: 'assistant',
            status: 'completed',
            content: [{ type: 'output_text', text: 'An ox.', annotations: [] }],
          },
        ],
        { input_tokens: 10, output_tokens: 5 },
      ),
    }),
    picture: ({ input }) => uri(input.at(-1).output.at(-1).image_url),
  },
  { name: 'anthropic', provider: { wire: 'anthropic' }, ...anthropic },
  {
    name: 'gemini',
    provider: { wire: 'gemini' },
    path: '/v1beta',
    call: () => ({ body: geminiSse(chunkOf([{ functionCall: { name: 'file_read', args } }], { finishReason: 'STOP' })) }),
    text: () => ({ body: geminiSse(chunkOf([{ text: 'An ox.' }], { finishReason: 'STOP' })) }),
    picture: ({ contents }) => contents.at(-1).parts.at(-1).inlineData?.data,
  },
  { name: 'AI SDK', provider: { wire: 'ai-sdk', package: '@ai-sdk/anthropic' }, ...anthropic },
]

describe('a picture that a tool gives', () => {
  // One guest for all wires: each is a provider with an endpoint of its own.
  let stack: AsyncDisposableStack
  let terminal: Terminal
  const png = pngOf(40, 30)
  const endpoints = new Map<Wire, PlainEndpoint>()
  const nameOf = (wire: Wire): string => `mine-${wires.indexOf(wire)}`
  before(async () => {
    stack = new AsyncDisposableStack()
    const workspace = stack.use(makeWorkspace())
    writeFileSync(join(workspace.shared, 'pic.png'), png)
    const providers: Record<string, object> = {}
    for (const wire of wires) {
      const endpoint = stack.use(await startEndpoint((_, place) => (place === 0 ? wire.call() : wire.text())))
      endpoints.set(wire, endpoint)
      providers[nameOf(wire)] = {
        ...wire.provider,
        base_url: endpoint.origin + wire.path,
        api_key_env: 'MY_KEY',
        models: { m: { context_tokens: 50_000 } },
      }
    }
    const config = { model: { name: `${nameOf(wires[0]!)}/m` }, providers }
    const guest = stack.use(startGuest({ workspace, config, keys: { MY_KEY: 'sk-not-a-key' } }))
    terminal = stack.use(await openReady(guest, workspace))
  })
  after(() => stack.disposeAsync())

  for (const wire of wires) {
    it(`is seen by the model that requested it, through the wire ${wire.name}`, async () => {
      const { asked } = endpoints.get(wire)!
      const conversation = await openConversation(terminal, `${nameOf(wire)}/m`)
      const end = await conversation.say('What is in pic.png?')
      assert.equal(end.reply, 'An ox.', JSON.stringify(end))
      assert.equal(wire.picture(JSON.parse(asked[1]!.body) as Body), png.toString('base64'))
      assert.match(asked[1]!.body, /pic\.png \(image\/png, 40 × 30, \d+ bytes\)/)
      assert.ok(!asked[0]!.body.includes(png.toString('base64')))
      const { body } = await terminal.record(
        (record) => record.session === conversation.session && record.name === 'file.read' && record.phase === 'outcome',
      )
      assert.deepEqual(
        (body as unknown as { files: Body[] }).files.map(({ name, media_type: type, bytes }) => [name, type, bytes]),
        [['pic.png', 'image/png', png.length]],
      )
      // The next message still shows it.
      await conversation.say('Sure?')
      assert.ok(asked[2]!.body.includes(png.toString('base64')))
    })
  }

  it('is described in words to a model that accepts no pictures', async () => {
    using workspace = makeWorkspace()
    writeFileSync(join(workspace.shared, 'pic.png'), png)
    const [{ call, text }] = wires as [Wire]
    await using endpoint = await startEndpoint((_, place) => (place === 0 ? call() : text()))
    const config = { model: { name: 'deepseek/deepseek-chat' }, providers: { deepseek: { base_url: `${endpoint.origin}/v1` } } }
    await using guest = startGuest({ workspace, config, keys: { DEEPSEEK_API_KEY: 'sk-not-a-key' } })
    using other = await openReady(guest, workspace)
    await (await openConversation(other)).say('What is in pic.png?')
    const second = endpoint.asked[1]!.body
    assert.match(second, /pic\.png \(image\/png, 40 × 30, \d+ bytes\)/)
    assert.match(second, /\[picture not shown: this model does not take files of its kind\]/)
    assert.ok(!second.includes(png.toString('base64').slice(0, 60)))
  })
})
