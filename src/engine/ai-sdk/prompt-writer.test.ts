import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { AssistantMessage, GenerateRequest, MediaPart, Message, ModelFacts, Sealed, ToolMessage } from '../../protocol/index.ts'
import { plainFacts, userMessage } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { type PromptOptions, writeCallOptions, writePrompt } from './prompt-writer.ts'

type Loose = Record<string, any>

const base: PromptOptions = {
  version: 4,
  wire: 'ai-sdk:pkg',
  input: ['text', 'image', 'pdf'],
  mediaInResults: true,
  answerAfterResult: false,
}
const write = (messages: readonly Message[], more: Partial<PromptOptions> = {}): Loose[] =>
  writePrompt(requestOf('', { system: '', messages }), { ...base, ...more })

const png: MediaPart = { type: 'media', mediaType: 'image/png', name: 'a.png', data: 'QQ==' }
const pdf: MediaPart = { type: 'media', mediaType: 'application/pdf', name: '', data: 'QQ==' }
const seal = (model = 'test', wire = 'ai-sdk:pkg'): Sealed => ({ wire, model, data: { pkg: { signature: 's' } } })
const callOf = (id: string, text = '{}'): AssistantMessage['parts'][number] => ({ type: 'tool_call', id, name: 'x', arguments: text })
const resultOf = (id: string, more: Partial<ToolMessage['parts'][0]> = {}): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'x', ok: true, text: 'done', ...more }],
})
const assistant = (...parts: AssistantMessage['parts']): AssistantMessage => ({ role: 'assistant', parts })

void describe('the prompt of a provider package', () => {
  void it('has a file in the form of its version', () => {
    const user: Message = { role: 'user', parts: [{ type: 'text', text: 'look' }, png, pdf] }
    assert.deepEqual(write([user])[0]?.['content'], [
      { type: 'text', text: 'look' },
      { type: 'file', mediaType: 'image/png', filename: 'a.png', data: { type: 'data', data: 'QQ==' } },
      { type: 'file', mediaType: 'application/pdf', data: { type: 'data', data: 'QQ==' } },
    ])
    assert.equal(write([user], { version: 3 })[0]?.['content'][1].data, 'QQ==')
    assert.equal(write([user], { version: 2 })[0]?.['content'][1].data, 'QQ==')
  })

  void it('notes what is omitted when the model does not accept it', () => {
    const sound = { ...png, mediaType: 'audio/wav' }
    const other = { ...png, mediaType: 'application/zip' }
    const [user] = write([{ role: 'user', parts: [png, pdf, sound, other] }], { input: ['text'] })
    assert.deepEqual(
      user?.['content'].map((part: Loose) => part['text']),
      [
        '[image omitted: this model does not accept images]',
        '[PDF omitted: this model does not accept PDFs]',
        '[audio omitted: this model does not accept audio]',
        '[file omitted: this model does not accept files of this type]',
      ],
    )
  })

  void it('has the result of a tool as text, as an error, and with media in the form of its version', () => {
    const outputOf = (more: Partial<ToolMessage['parts'][0]>, version: 2 | 3 | 4 = 4): Loose =>
      write([assistant(callOf('a')), resultOf('a', more)], { version })[1]?.['content'][0].output
    assert.deepEqual(outputOf({}), { type: 'text', value: 'done' })
    assert.deepEqual(outputOf({ ok: false }), { type: 'error-text', value: 'done' })
    const forms = ([2, 3, 4] as const).map((version) => outputOf({ media: [png] }, version)['value'][1])
    assert.deepEqual(forms, [
      { type: 'media', data: 'QQ==', mediaType: 'image/png' },
      { type: 'image-data', data: 'QQ==', mediaType: 'image/png' },
      { type: 'file', mediaType: 'image/png', data: { type: 'data', data: 'QQ==' }, filename: 'a.png' },
    ])
    assert.equal(outputOf({ media: [pdf] }, 3)['value'][1].type, 'file-data')
  })

  void it('shows media of results after the last result of the step where results cannot hold them', () => {
    const messages = [assistant(callOf('a'), callOf('b')), resultOf('a', { media: [png] }), resultOf('b'), userMessage('go on')]
    const prompt = write(messages, { mediaInResults: false })
    assert.deepEqual(
      prompt.map(({ role }) => role),
      ['assistant', 'tool', 'tool', 'user', 'user'],
    )
    assert.deepEqual(prompt[1]?.['content'][0].output, { type: 'text', value: 'done' })
    assert.deepEqual(
      prompt[3]?.['content'].map((part: Loose) => part['type']),
      ['text', 'file'],
    )
  })

  void it('has an answer between a result and a user for a service that demands one', () => {
    const messages = [assistant(callOf('a')), resultOf('a', { media: [png] }), userMessage('go on')]
    const roles = (mediaInResults: boolean): unknown[] =>
      write(messages, { mediaInResults, answerAfterResult: true }).map(({ role }) => role)
    assert.deepEqual(roles(true), ['assistant', 'tool', 'assistant', 'user'])
    assert.deepEqual(roles(false), ['assistant', 'tool', 'assistant', 'user', 'user'])
  })

  void it('gives back what was sealed to the same package and model only', () => {
    const thought = (sealed?: Sealed): AssistantMessage['parts'][number] => ({ type: 'reasoning', text: 'hm', ...(sealed && { sealed }) })
    const [kept] = write([assistant(thought(seal()), { type: 'text', text: 'a', sealed: seal() })])
    assert.deepEqual(kept?.['content'], [
      { type: 'reasoning', text: 'hm', providerOptions: { pkg: { signature: 's' } } },
      { type: 'text', text: 'a', providerOptions: { pkg: { signature: 's' } } },
    ])
    const foreign = [thought(), thought(seal('other')), thought(seal('test', 'anthropic'))]
    const [dropped] = write([assistant(...foreign, { type: 'text', text: 'a', sealed: seal('other') })])
    assert.deepEqual(dropped?.['content'], [{ type: 'text', text: 'a' }])
    assert.deepEqual(write([assistant(thought(seal('other')))]), [])
    const bare = { wire: 'ai-sdk:pkg', model: 'test', data: {} }
    assert.deepEqual(write([assistant(thought(bare))])[0]?.['content'], [{ type: 'reasoning', text: 'hm' }])
  })

  void it('gives two calls with one id an id each, and their results the same ones in order', () => {
    const prompt = write([assistant(callOf('a'), callOf('a')), resultOf('a'), resultOf('a'), assistant(callOf('a')), resultOf('a')])
    const ids = prompt.map(({ content }) => content.map((part: Loose) => part['toolCallId']))
    assert.deepEqual(ids, [['a', 'a_2'], ['a'], ['a_2'], ['a'], ['a']])
  })

  void it('wraps arguments that are no object', () => {
    const inputs = ['{"a":1}', '', '[1]', '{"a":'].map((text) => write([assistant(callOf('a', text))])[0]?.['content'][0].input)
    assert.deepEqual(inputs, [{ a: 1 }, {}, { invalid_arguments: '[1]' }, { invalid_arguments: '{"a":' }])
  })
})

void describe('the options of a call', () => {
  const tool = { name: 'x', description: 'X.', parameters: { type: 'object' } }
  const settings = {
    temperature: 0.5,
    topP: 0.9,
    effort: 'high',
    stop: ['END'],
    toolChoice: { tool: 'x' },
    output: { name: 'o', schema: { type: 'object' } },
  } as const
  const knows: ModelFacts = {
    ...plainFacts({ name: 'm', provider: 'p', contextTokens: 1, maxOutputTokens: 1, price: null }),
    reasoning: true,
  }
  const options = (facts: ModelFacts, providerId = 'pkg', version: 2 | 3 | 4 = 4, more: Partial<GenerateRequest> = {}): Loose => {
    const request = requestOf('hi', { settings, tools: [tool], ...more })
    const { signal } = new AbortController()
    const written = writeCallOptions(request, { wire: 'ai-sdk:pkg', facts, loaded: { version, providerId }, signal }) as Loose
    const { prompt: _prompt, abortSignal, includeRawChunks, ...rest } = written
    assert.deepEqual([abortSignal, includeRawChunks], [signal, false])
    return rest
  }

  void it('are what the request asks for and the model knows', () => {
    assert.deepEqual(options(knows), {
      maxOutputTokens: 100,
      temperature: 0.5,
      topP: 0.9,
      reasoning: 'high',
      stopSequences: ['END'],
      tools: [{ type: 'function', name: 'x', description: 'X.', inputSchema: { type: 'object' } }],
      toolChoice: { type: 'tool', toolName: 'x' },
      responseFormat: { type: 'json', name: 'o', schema: { type: 'object' } },
    })
    const plain = { ...knows, reasoning: false, sampling: false, tools: false, structuredOutput: false }
    assert.deepEqual(options(plain), { maxOutputTokens: 100, stopSequences: ['END'] })
    assert.equal('reasoning' in options(knows, 'pkg', 3), false)
  })

  void it('keep nothing at services of the Responses API, and name the cache where the package knows it', () => {
    const optionsOf = (providerId: string, version: 3 | 4 = 4): Loose =>
      options(knows, providerId, version, { cacheKey: 'session' })['providerOptions'] as Loose
    assert.deepEqual(optionsOf('openai.responses'), { openai: { store: false, promptCacheKey: 'session' } })
    assert.deepEqual(optionsOf('openai.chat', 3), { openai: { promptCacheKey: 'session', reasoningEffort: 'high' } })
    assert.deepEqual(Object.keys(optionsOf('azure-openai.responses', 3)), ['azure', 'openai'])
    assert.deepEqual(optionsOf('xai.responses'), { xai: { store: false } })
    assert.equal(optionsOf('mistral.chat'), undefined)
  })

  void it('put media into results where the service behind takes them there', () => {
    const messages = [assistant(callOf('a')), resultOf('a', { media: [png] })]
    const inResult = (providerId: string, version: 2 | 3 | 4 = 4): boolean => {
      const { signal } = new AbortController()
      const context = { wire: 'w', facts: knows, loaded: { version, providerId }, signal }
      const { prompt } = writeCallOptions(requestOf('', { messages }), context)
      return prompt.at(-1)?.role === 'tool'
    }
    const taking = ['anthropic.messages', 'google.generative-ai', 'amazon-bedrock', 'openai.responses']
    assert.deepEqual(
      taking.map((id) => inResult(id)),
      [true, true, true, true],
    )
    assert.deepEqual([inResult('openai.chat'), inResult('groq.chat'), inResult('openai.responses', 2)], [false, false, false])
  })

  void it('mark a prompt for the cache of Bedrock only for models that have one', () => {
    const marks = (model: string, providerId = 'amazon-bedrock'): unknown[] => {
      const { signal } = new AbortController()
      const request = requestOf('hi', {
        model,
        messages: [userMessage('hi'), assistant({ type: 'text', text: 'a' }), userMessage('go on')],
      })
      const { prompt } = writeCallOptions(request, { wire: 'w', facts: knows, loaded: { version: 4, providerId }, signal })
      return prompt.map(({ providerOptions }) => providerOptions ?? null)
    }
    const mark = { bedrock: { cachePoint: { type: 'default' } } }
    assert.deepEqual(marks('anthropic.claude-haiku-4-5'), [mark, null, null, mark])
    assert.deepEqual(marks('meta.llama3'), [null, null, null, null])
    assert.deepEqual(marks('gpt', 'openai.responses'), [null, null, null, null])
  })
})
