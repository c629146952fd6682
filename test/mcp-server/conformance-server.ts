/**
 * What the conformance suite of MCP asks of a server, besides what Oxbow offers: calls of a test kernel, and an offer with the texts, files
 * and questions of the suite. The way to it is the product's: `createMcp`, with the sources of the gateway and a key of the kernel.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import { createClients } from '../../src/gateway/clients.ts'
import { refuseSource } from '../../src/gateway/admission.ts'
import { gatewayLimits } from '../../src/gateway/limits.ts'
import { createMcp } from '../../src/gateway/mcp/endpoint.ts'
import { createKeyOffer } from '../../src/gateway/mcp/key-offer.ts'
import type { Content, Exchange, Offer, PromptMessage, ResourceContent, Tool, ToolResult } from '../../src/gateway/mcp/offer.ts'
import { openFixture, testCall } from '../../src/kernel/kernel-fixture.ts'
import type { Kernel } from '../../src/kernel/index.ts'
import { isObject, type JsonObject, OxbowError } from '../../src/base/index.ts'
import type { Call } from '../../src/protocol/index.ts'

const picture = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const sound = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA='

const reading = { tier: 'read_only', effect: 'none', right: 'file.read' } as const

/** Those that a call can be. */
const calls: readonly Call[] = [
  testCall('test.simple_text', async () => ({ output: {}, text: 'This is a simple text response for testing.' }), reading),
  testCall(
    'test.error_handling',
    async () => {
      throw new OxbowError('tool_failed', 'This tool intentionally returns an error for testing.', { hint: '' })
    },
    reading,
  ),
  testCall(
    'test.image_content',
    async (_, { blobs }) => {
      const bytes = Buffer.from(picture, 'base64')
      const file = { name: 'dot.png', media_type: 'image/png', bytes: bytes.length, pieces: [await blobs.keep(bytes)] }
      return { output: {}, text: 'A picture.', files: [file] }
    },
    reading,
  ),
  testCall('json_schema_2020_12_tool', async () => ({ output: {}, text: '' }), {
    ...reading,
    input: z.looseObject({}),
    parameters: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { address: { type: 'object', properties: { street: { type: 'string' }, city: { type: 'string' } } } },
      properties: { name: { type: 'string' }, address: { $ref: '#/$defs/address' } },
      additionalProperties: false,
    },
  }),
]

const text = (words: string): Content => ({ type: 'text', text: words })
const resource = (uri: string, mimeType: string, words: string): Content => ({ type: 'resource', resource: { uri, mimeType, text: words } })
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 50))

type Fixture = (input: JsonObject, exchange: Exchange) => Promise<ToolResult | Awaited<ReturnType<Offer['call']>>>

/** Asks in the first round, and shows the answer in the second. */
const asking =
  (method: string, paramsOf: (input: JsonObject) => JsonObject): Fixture =>
  async (input, { state, answers }) => {
    if (state === '') return { asks: { it: { method, params: paramsOf(input) } }, state: 'asked' }
    const answer = answers['it']
    const shown =
      isObject(answer) && 'action' in answer
        ? `action=${JSON.stringify(answer['action'])}, content=${JSON.stringify(answer['content'])}`
        : JSON.stringify(answer)
    return { content: [text(`Elicitation completed: ${shown}`)] }
  }

const form = (properties: JsonObject, required: readonly string[] = []) => ({
  mode: 'form',
  message: 'Please fill this in.',
  requestedSchema: { type: 'object', properties, required },
})
const options = ['option1', 'option2', 'option3']
const titled = [1, 2, 3].map((n) => ({ const: `value${n}`, title: `Option ${n}` }))

const fixtures: Readonly<Record<string, Fixture>> = {
  test_multiple_content_types: async () => ({
    content: [
      text('Multiple content types test:'),
      { type: 'image', data: picture, mimeType: 'image/png' },
      resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
    ],
  }),
  test_audio_content: async () => ({ content: [{ type: 'audio', data: sound, mimeType: 'audio/wav' }] }),
  test_embedded_resource: async () => ({
    content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')],
  }),
  async test_tool_with_logging(_, { log }) {
    for (const words of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      log('info', words)
      await pause()
    }
    return { content: [text('Logged.')] }
  },
  async test_tool_with_progress(_, { progress }) {
    for (const done of [0, 50, 100]) {
      progress?.(done, 100, '')
      await pause()
    }
    return { content: [text('Done.')] }
  },
  test_sampling: asking('sampling/createMessage', ({ prompt = '' }) => ({
    messages: [{ role: 'user', content: { type: 'text', text: prompt } }],
    maxTokens: 100,
  })),
  test_elicitation: asking('elicitation/create', ({ message = '' }) => ({
    ...form({ username: { type: 'string', description: 'Name' }, email: { type: 'string', description: 'Address' } }, [
      'username',
      'email',
    ]),
    message,
  })),
  test_elicitation_sep1034_defaults: asking('elicitation/create', () =>
    form({
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }),
  ),
  test_elicitation_sep1330_enums: asking('elicitation/create', () =>
    form({
      untitledSingle: { type: 'string', enum: options },
      titledSingle: { type: 'string', oneOf: titled },
      legacyEnum: { type: 'string', enum: ['opt1', 'opt2', 'opt3'], enumNames: ['Option One', 'Option Two', 'Option Three'] },
      untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
      titledMulti: { type: 'array', items: { anyOf: titled } },
    }),
  ),
  async test_reconnection() {
    await pause()
    return { content: [text('Reconnected.')] }
  },
}

const files: Readonly<Record<string, ResourceContent>> = {
  'test://static-text': { uri: 'test://static-text', mimeType: 'text/plain', text: 'This is the content of the static text resource.' },
  'test://static-binary': { uri: 'test://static-binary', mimeType: 'image/png', blob: picture },
  'test://watched-resource': { uri: 'test://watched-resource', mimeType: 'text/plain', text: 'Watched.' },
}

const user = (content: Content): PromptMessage => ({ role: 'user', content })
const prompts: Readonly<Record<string, (input: Readonly<Record<string, string>>) => readonly PromptMessage[]>> = {
  test_simple_prompt: () => [user(text('This is a simple prompt for testing.'))],
  test_prompt_with_arguments: ({ arg1 = '', arg2 = '' }) => [user(text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`))],
  test_prompt_with_embedded_resource: ({ resourceUri = '' }) => [
    user(resource(resourceUri, 'text/plain', 'Embedded resource content for testing.')),
    user(text('Please process the embedded resource above.')),
  ],
  test_prompt_with_image: () => [
    user({ type: 'image', data: picture, mimeType: 'image/png' }),
    user(text('Please analyze the image above.')),
  ],
}

/** A key's offer plus the fixtures. */
function withFixtures(own: Offer): Offer {
  const tools = Object.keys(fixtures).map((name): Tool => ({ name, title: name, description: name, inputSchema: { type: 'object' } }))
  return {
    ...own,
    async tools(cursor) {
      const { items } = await own.tools(cursor)
      return { items: [...items, ...tools] }
    },
    call: async (name, input, exchange) =>
      fixtures[name] === undefined ? own.call(name, input, exchange) : fixtures[name](input, exchange),
    resources: async () => ({ items: Object.values(files).map(({ uri, mimeType }) => ({ uri, mimeType, name: uri })) }),
    templates: async () => [{ uriTemplate: 'test://template/{id}/data', name: 'data', description: 'Data of an id.' }],
    async read(uri, exchange) {
      const id = /^test:\/\/template\/(\w+)\/data$/.exec(uri)?.[1]
      if (id !== undefined) return [{ uri, mimeType: 'application/json', text: JSON.stringify({ id, templateTest: true }) }]
      return files[uri] === undefined ? own.read(uri, exchange) : [files[uri]]
    },
    subscribe: async (uri, onChange) => (files[uri] === undefined ? own.subscribe(uri, onChange) : () => {}),
    prompts: async () => ({
      items: Object.keys(prompts).map((name) => ({ name, description: name, arguments: [] })),
    }),
    prompt: async (name, input, exchange) => prompts[name]?.(input) ?? own.prompt(name, input, exchange),
  }
}

/** @returns its address, and what closes it */
export async function startConformanceServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const fixture = await openFixture({ calls })
  const made = await fixture.kernel.call('key.create', { name: 'suite', rights: ['file.read'] })
  const { key } = (made as { readonly output: { readonly key: string } }).output
  const clients = createClients({ kernel: fixture.kernel, token: 'none'.repeat(11), requestsPerMinute: 10_000, now: Date.now })
  const closing = new AbortController()
  const mcp = createMcp({
    clients,
    limits: gatewayLimits,
    version: '0.0.0',
    closing: closing.signal,
    onBug: (error) => console.error(error),
    now: Date.now,
    offerFor: (kernel: Kernel, title) => withFixtures(createKeyOffer(kernel, title)),
  })
  // The suite has no key; the gateway judges where a request comes from before it looks at one.
  const server = createServer((request, response) => {
    request.headers.authorization = `Bearer ${key}`
    if (refuseSource(request.headers, { host: '127.0.0.1' }) === null) void mcp(request, response)
    else response.writeHead(403).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`,
    async [Symbol.asyncDispose]() {
      closing.abort()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await fixture[Symbol.asyncDispose]()
    },
  }
}
