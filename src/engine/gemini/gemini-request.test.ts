import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { AssistantMessage, MediaPart, Message, ModelFacts, Sealed, ToolMessage, ToolResultPart } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { createGeminiReader } from './gemini-answer.ts'
import { chunkOf, sseOf } from './fake-gemini.ts'
import { createGeminiWriter } from './gemini-wire.ts'
import { modelLimits } from '../limits.ts'

const facts: ModelFacts = {
  name: 'm',
  provider: 'google',
  contextTokens: 1_000_000,
  maxOutputTokens: 65_536,
  price: null,
  input: ['text', 'image', 'pdf', 'audio'],
  tools: true,
  reasoning: false,
  sampling: true,
  structuredOutput: true,
  deprecated: false,
}
const old = 'gemini-2.5-flash'
const newer = 'gemini-3.5-flash'
const call = (id: string, text = '{}', sealed?: Sealed) =>
  ({ type: 'tool_call', id, name: 'file_read', arguments: text, ...(sealed === undefined ? {} : { sealed }) }) as const
const asks = (...parts: AssistantMessage['parts']): AssistantMessage => ({ role: 'assistant', parts })
const result = (id: string, text: string, more: Partial<ToolResultPart> = {}): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'file_read', ok: true, text, ...more }],
})
const seal = (data: Sealed['data'], model = old, wire = 'gemini'): Sealed => ({ wire, model, data })
const media = (mediaType: string): MediaPart => ({ type: 'media', mediaType, name: 'n', data: 'AAAA' })
const inline = (mimeType: string): object => ({ inlineData: { mimeType, data: 'AAAA' } })
const called = (more: object = {}): object => ({ functionCall: { name: 'file_read', args: {} }, ...more })
const responded = (text: string, more: object = {}): object => ({
  functionResponse: { name: 'file_read', response: { result: text }, ...more },
})

interface Body {
  contents: { role: string; parts: Record<string, unknown>[] }[]
}
const write = (messages: readonly Message[], model = old, known: Partial<ModelFacts> = {}): Body['contents'] => {
  const writer = createGeminiWriter({ facts: () => ({ ...facts, ...known }) })
  return (JSON.parse(writer.write(requestOf('', { messages, model, system: '' })).join('')) as Body).contents
}

void describe('a Gemini request', () => {
  void it('holds all that was asked', () => {
    const tool = { name: 'file_read', description: 'Reads.', parameters: { type: 'object', $schema: 's' } }
    const request = requestOf('hi', { tools: [tool], system: 'S', model: old })
    assert.deepEqual(
      JSON.parse(
        createGeminiWriter({ facts: () => facts })
          .write(request)
          .join(''),
      ),
      {
        contents: [{ role: 'user', parts: [{ text: 'hi' }] }],
        tools: [{ functionDeclarations: [{ name: 'file_read', description: 'Reads.', parametersJsonSchema: { type: 'object' } }] }],
        systemInstruction: { parts: [{ text: 'S' }] },
        generationConfig: { maxOutputTokens: 100 },
      },
    )
  })

  void it('sends all results of a step in one content, in the order of the calls, joined with a message that follows', () => {
    const contents = write([
      userMessage('a'),
      userMessage('b'),
      asks({ type: 'text', text: 'T' }, call('1'), call('2'), call('2')),
      result('2', 'second'),
      result('2', 'third', { ok: false }),
      result('1', 'first'),
      userMessage('c'),
      asks({ type: 'text', text: 'end' }),
    ])
    assert.deepEqual(contents, [
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ text: 'T' }, called(), called(), called()] },
      {
        role: 'user',
        parts: [
          responded('first'),
          responded('second'),
          { functionResponse: { name: 'file_read', response: { error: 'third' } } },
          { text: 'c' },
        ],
      },
      { role: 'model', parts: [{ text: 'end' }] },
    ])
  })

  void it('keeps results of no call, behind the calls’ results', () => {
    const [, last] = write([asks(call('1')), result('x', 'lost'), result('1', 'found')])
    assert.deepEqual(last?.parts, [responded('found'), responded('lost')])
    const own = asks(call('1', '{}', seal({ id: '1' })))
    const twice = write([own, result('1', 'R'), userMessage('u'), result('1', 'again')])[1]?.parts
    assert.deepEqual(twice, [responded('R', { id: '1' }), { text: 'u' }, responded('again')])
  })

  void it('writes a result anew when its call was known by another id', () => {
    const writer = createGeminiWriter({ facts: () => facts })
    const answer = result('1', 'R')
    const sent = (sealed?: Sealed): number =>
      writer
        .write(requestOf('', { messages: [asks(call('1', '{}', sealed)), answer], model: old }))
        .join('')
        .split('"id":"1"').length - 1
    assert.deepEqual([sent(), sent(seal({ id: '1' })), sent()], [0, 2, 0])
  })

  void it('leaves unsigned and foreign reasoning behind, and messages that have nothing else', () => {
    const foreign = asks({ type: 'reasoning', text: 'x', sealed: seal({ signature: 'QQ==' }, old, 'anthropic') })
    assert.deepEqual(write([userMessage('a'), asks({ type: 'reasoning', text: 'secret' }), foreign, userMessage('b'), userMessage('')]), [
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
    ])
  })

  void it('gives back signatures and ids to the same wire and model alone', () => {
    const message = (sealed: Sealed): readonly Message[] => [asks(call('own', '{}', sealed)), result('own', 'R')]
    const data = { signature: 'QQ==', id: 'own' }
    assert.deepEqual(write(message(seal(data))), [
      { role: 'model', parts: [{ functionCall: { name: 'file_read', args: {}, id: 'own' }, thoughtSignature: 'QQ==' }] },
      { role: 'user', parts: [responded('R', { id: 'own' })] },
    ])
    for (const other of [seal(data, newer), seal(data, old, 'openai-chat')]) {
      assert.deepEqual(write(message(other)), [
        { role: 'model', parts: [called()] },
        { role: 'user', parts: [responded('R')] },
      ])
    }
  })

  void it('writes the same message anew for another model', () => {
    const writer = createGeminiWriter({ facts: () => facts })
    const messages = [asks(call('own', '{}', seal({ signature: 'QQ==' })))]
    const sent = (model: string): boolean => writer.write(requestOf('', { messages, model })).join('').includes('QQ==')
    assert.deepEqual([sent(old), sent(newer), sent(old)], [true, false, true])
  })

  void it('gives an answer back in the very parts in which it came', () => {
    const parts = [
      { text: 'hm', thought: true, thoughtSignature: 'QQ==' },
      { text: 'one ' },
      { text: 'two', thoughtSignature: 'Qg==' },
      { text: '', thoughtSignature: 'Qw==' },
      called({ thoughtSignature: 'RA==' }),
      called(),
    ]
    const reader = createGeminiReader({ limits: modelLimits, origin: 'o', key: '', model: old, requestChars: 1 })
    const events: Parameters<typeof reader.feed>[1] = []
    reader.feed(sseOf(...parts.map((part) => chunkOf([part])), chunkOf([], { finishReason: 'STOP' })), events)
    assert.equal(reader.problem(null), null)
    events.push(...reader.finish())
    const back = events.flatMap((event): AssistantMessage['parts'] => {
      if (event.type === 'tool_call') return [event.call]
      return event.type === 'text' || event.type === 'reasoning' ? [event] : []
    })
    const message = asks(...joinParts(back))
    assert.deepEqual(write([message])[0]?.parts, parts)
  })

  void it('wraps arguments that are no JSON object, so that the model can read what it wrote', () => {
    const sent = (text: string): unknown => {
      const part = write([asks(call('a', text))])[0]?.parts[0] as { functionCall: { args: unknown } } | undefined
      return part?.functionCall.args
    }
    assert.deepEqual(
      [sent('{"a":1}'), sent('{"a":'), sent('[1]'), sent(''), sent('\ud800')],
      [{ a: 1 }, { invalid_arguments: '{"a":' }, { invalid_arguments: '[1]' }, {}, { invalid_arguments: '\ufffd' }],
    )
    const deep = '{"a":'.repeat(100_000) + '1' + '}'.repeat(100_000)
    assert.deepEqual(sent(deep), { invalid_arguments: deep })
  })

  void it('sends pictures, documents and sound, and notes what the model does not accept', () => {
    const message: Message = {
      role: 'user',
      parts: [{ type: 'text', text: 'see' }, media('image/png'), media('application/pdf'), media('audio/wav')],
    }
    assert.deepEqual(write([message])[0]?.parts, [{ text: 'see' }, inline('image/png'), inline('application/pdf'), inline('audio/wav')])
    assert.deepEqual(write([message], old, { input: ['text'] })[0]?.parts, [
      { text: 'see' },
      { text: '[image omitted: this model does not accept images]' },
      { text: '[document omitted: this model does not accept documents]' },
      { text: '[audio omitted: this model does not accept audio]' },
    ])
    const odd: Message = { role: 'user', parts: [media('application/zip'), media('nonsense')] }
    const said = { text: '[file omitted: this model does not accept files of this type]' }
    assert.deepEqual(write([odd])[0]?.parts, [said, said])
  })

  void it('puts media of a result into the response where the model supports that, else after all responses', () => {
    const messages = [asks(call('1'), call('2')), result('1', 'A', { media: [media('image/png'), media('image/gif')] }), result('2', 'B')]
    assert.deepEqual(write(messages, newer)[1]?.parts, [
      responded('A', { parts: [inline('image/png')] }),
      responded('B'),
      inline('image/gif'),
    ])
    assert.deepEqual(write(messages, old)[1]?.parts, [responded('A'), responded('B'), inline('image/png'), inline('image/gif')])
  })

  void it('puts the instructions of a model that takes none before its first message', () => {
    const writer = createGeminiWriter({ facts: () => facts })
    const body = JSON.parse(writer.write(requestOf('hi', { model: 'gemma-3-27b-it', system: 'S' })).join('')) as Body & {
      systemInstruction?: unknown
    }
    assert.deepEqual(body.contents, [{ role: 'user', parts: [{ text: 'S\n\n' }, { text: 'hi' }] }])
    assert.equal(body.systemInstruction, undefined)
  })

  void it('converts a message once: later requests take its text from the cache', () => {
    const writer = createGeminiWriter({ facts: () => facts })
    let reads = 0
    const plain = userMessage('old')
    const watched = { role: 'user', get parts() { reads += 1; return plain.parts } } as const // prettier-ignore
    const first = writer.write(requestOf('', { messages: [watched] })).join('')
    const before = reads
    assert.equal(writer.write(requestOf('', { messages: [watched] })).join(''), first)
    assert.equal(reads, before)
  })

  void it('is valid JSON that keeps every text, but for halves of characters, whatever is in it', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', minLength: 1 })), fc.string(), (texts, system) => {
        const messages = texts.map((text, at) => (at % 2 === 0 ? userMessage(text) : asks({ type: 'text', text })))
        const body = JSON.parse(
          createGeminiWriter({ facts: () => facts })
            .write(requestOf('', { messages, system }))
            .join(''),
        ) as Body
        const sent = body.contents.map(({ parts: [part] }) => part?.['text'])
        assert.deepEqual(
          sent,
          texts.map((text) => text.toWellFormed()),
        )
      }),
    )
  })

  void it('sends no half of a character, for which the service would refuse the whole conversation', () => {
    const contents = write([userMessage('a\ud800'), asks({ type: 'text', text: '\udc00b' }, call('1')), result('1', '\ud800')])
    assert.deepEqual(
      contents.map(({ parts }) => parts[0]),
      [{ text: 'a\ufffd' }, { text: '\ufffdb' }, responded('\ufffd')],
    )
  })

  void it('alternates roles and has a response for each result, whatever the conversation', () => {
    const anyMessage = fc.oneof(
      fc.string().map(userMessage),
      fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 }).map((ids) => asks({ type: 'text', text: 't' }, ...ids.map((id) => call(id)))),
      fc.constantFrom('a', 'b', 'c').map((id) => result(id, 'R')),
    )
    fc.assert(
      fc.property(fc.array(anyMessage), (messages) => {
        const contents = write(messages)
        for (const [at, { role, parts }] of contents.entries()) {
          assert.notEqual(role, contents[at - 1]?.role)
          assert.notEqual(parts.length, 0)
        }
        const responses = contents.flatMap(({ parts }) => parts.filter((part) => 'functionResponse' in part)).length
        assert.equal(responses, messages.filter((message) => message.role === 'tool').length)
      }),
    )
  })
})

/** Parts of a message, as the runtime makes them of events. */
function joinParts(events: AssistantMessage['parts']): AssistantMessage['parts'] {
  const parts: AssistantMessage['parts'][number][] = []
  for (const event of events) {
    const last = parts.at(-1)
    if (last !== undefined && last.type !== 'tool_call' && event.type === last.type && last.sealed === undefined) {
      parts[parts.length - 1] = { ...event, text: last.text + event.text }
    } else parts.push(event)
  }
  return parts
}
