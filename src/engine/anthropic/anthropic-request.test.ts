import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { MessageCreateParamsStreaming } from '@anthropic-ai/sdk/resources/messages'
import * as fc from 'fast-check'
import type { AssistantMessage, MediaPart, Message, ToolMessage, ToolResultPart } from '../../protocol/index.ts'
import { userMessage } from '../../protocol/index.ts'
import { factsOf } from './fake-anthropic.ts'
import { requestOf } from '../model-contract.ts'
import { createMessageWriter } from './anthropic-wire.ts'
import { scaled } from '../../../test/support/scale.ts'

const writer = createMessageWriter({ facts: factsOf, official: true })
const call = (id: string, text = '{}') => ({ type: 'tool_call', id, name: 'file_read', arguments: text }) as const
const asks = (...parts: AssistantMessage['parts']): AssistantMessage => ({ role: 'assistant', parts })
const says = (text: string): AssistantMessage => asks({ type: 'text', text })
const result = (id: string, text: string, more: Partial<ToolResultPart> = {}): ToolMessage => ({
  role: 'tool',
  parts: [{ type: 'tool_result', id, name: 'file_read', ok: true, text, ...more }],
})
const thought = (text: string, data: { signature?: string; redacted?: string }, wire = 'anthropic', model = 'claude-sonnet-4-5') =>
  ({ type: 'reasoning', text, sealed: { wire, model, data } }) as const

type Block = Record<string, unknown> & { type: string }
interface Turn {
  role: string
  content: Block[]
}
/** The turns of a conversation, cache markers taken out. */
function turns(messages: readonly Message[], model = 'claude-sonnet-4-5', from = writer): Turn[] {
  const body = JSON.parse(from.write(requestOf('', { messages, model, system: '' })).join('')) as { messages: Turn[] }
  for (const { content } of body.messages) for (const block of content) delete block['cache_control']
  return body.messages
}
const text = (words: string): Block => ({ type: 'text', text: words })
const use = (id: string, input: unknown = {}): Block => ({ type: 'tool_use', name: 'file_read', id, input })
const answer = (id: string, words: string): Block => ({ type: 'tool_result', tool_use_id: id, content: [text(words)] })

void describe('a Messages request', () => {
  void it('holds all that was asked, with four cache markers', () => {
    const tool = (name: string) => ({ name, description: 'Reads.', parameters: { type: 'object', properties: {} } })
    const messages = [userMessage('a'), says('b'), userMessage('c'), says('d'), userMessage('e')]
    const body = JSON.parse(writer.write(requestOf('', { messages, tools: [tool('x'), tool('y')], system: 'S' })).join('')) as unknown
    const cache_control = { type: 'ephemeral' as const }
    const schema = { type: 'object' as const, properties: {} }
    const expected: MessageCreateParamsStreaming = {
      model: 'test',
      max_tokens: 100,
      stream: true,
      system: [{ type: 'text', text: 'S', cache_control }],
      tools: [
        { name: 'x', description: 'Reads.', input_schema: schema },
        { name: 'y', description: 'Reads.', input_schema: schema, cache_control },
      ],
      messages: [
        { role: 'user', content: [{ type: 'text', text: 'a' }] },
        { role: 'assistant', content: [{ type: 'text', text: 'b' }] },
        { role: 'user', content: [{ type: 'text', text: 'c', cache_control }] },
        { role: 'assistant', content: [{ type: 'text', text: 'd' }] },
        { role: 'user', content: [{ type: 'text', text: 'e', cache_control }] },
      ],
    }
    assert.deepEqual(body, expected)
  })

  void it('begins with the same bytes when the conversation grows, markers aside', () => {
    const short = [userMessage('a'), asks(call('1')), result('1', 'R')]
    const long = [...short, asks(call('1')), result('1', 'S'), userMessage('b')]
    const plain = (messages: readonly Message[]): string =>
      writer.write(requestOf('', { messages })).join('').replaceAll(',"cache_control":{"type":"ephemeral"}', '').slice(0, -2)
    assert.ok(plain(long).startsWith(plain(short)))
  })

  void it('converts a message once: later requests take its text from the cache', () => {
    let reads = 0
    const old = userMessage('old')
    const watched = { role: 'user', get parts() { reads += 1; return old.parts } } as const // prettier-ignore
    const first = writer.write(requestOf('', { messages: [watched] })).join('')
    const before = reads
    assert.equal(writer.write(requestOf('', { messages: [watched] })).join(''), first)
    assert.equal(reads, before)
  })

  void it('converts again for another model what depends on the model', () => {
    const messages = [userMessage('a'), asks(thought('t', { signature: 's' }), { type: 'text', text: 'b' }), userMessage('c')]
    const content = (model: string): number | undefined => turns(messages, model)[1]?.content.length
    assert.deepEqual(
      ['claude-sonnet-4-5', 'claude-opus-4-5', 'claude-sonnet-4-5'].map((model) => content(model)),
      [2, 1, 2],
    )
  })
})

void describe('the turns of a conversation', () => {
  void it('alternate: neighbouring messages of one side become one turn', () => {
    const got = turns([userMessage('a'), userMessage('b'), says('c'), asks(), says('d'), userMessage('e')])
    assert.deepEqual(got, [
      { role: 'user', content: [text('a'), text('b')] },
      { role: 'assistant', content: [text('c'), text('d')] },
      { role: 'user', content: [text('e')] },
    ])
  })

  void it('hold the results of an answer together and first, whenever they came', () => {
    const got = turns([
      userMessage('go'),
      asks(call('1'), { type: 'text', text: 'Reading.' }, call('2')),
      result('2', 'B'),
      userMessage('also this'),
      result('1', 'A'),
    ])
    assert.deepEqual(got.slice(1), [
      { role: 'assistant', content: [text('Reading.'), use('1'), use('2')] },
      { role: 'user', content: [answer('2', 'B'), answer('1', 'A'), text('also this')] },
    ])
  })

  void it('give each call one result: a missing one says so, one without its call is text', () => {
    const got = turns([userMessage('go'), asks(call('1'), call('2')), result('1', 'A'), result('9', 'X'), says('b'), userMessage('c')])
    const user = got[2]?.content ?? []
    assert.deepEqual(user[0], answer('1', 'A'))
    assert.deepEqual([user[1]?.['tool_use_id'], user[1]?.['is_error']], ['2', true])
    assert.deepEqual(user[2], text('[result of an earlier call of file_read]\nX'))
    assert.equal(turns([userMessage('go'), asks(call('1'))]).at(-1)?.content[0]?.type, 'tool_result')
  })

  void it('make ids that repeat in a conversation different, and their results with them', () => {
    const got = turns([
      userMessage('go'),
      asks(call('a'), call('a'), call('a_2')),
      result('a', '1'),
      result('a', '2'),
      result('a_2', '3'),
      asks(call('a')),
      result('a', '4'),
    ])
    assert.deepEqual(
      got.map(({ content }) => content.map((block) => block['id'] ?? block['tool_use_id'])),
      [[undefined], ['a', 'a_2', 'a_2_2'], ['a', 'a_2', 'a_2_2'], ['a_3'], ['a_3']],
    )
  })

  void it('map ids and names of other wires to what the service takes, always alike', () => {
    const got = turns([
      userMessage('go'),
      asks({ type: 'tool_call', id: 'call:1|fc.2', name: 'files.read now', arguments: '{}' }, call('')),
      result('call:1|fc.2', 'A'),
      result('', 'B'),
    ])
    assert.deepEqual(got[1]?.content[0], { type: 'tool_use', id: 'call_1_fc_2', name: 'files_read_now', input: {} })
    assert.deepEqual(
      got[2]?.content.map((block) => block['tool_use_id']),
      ['call_1_fc_2', 'call'],
    )
  })

  void it('hold arguments that are no JSON object wrapped, so that the model can still read them', () => {
    const sent = (written: string): unknown => turns([userMessage('x'), asks(call('a', written))])[1]?.content[0]?.['input']
    assert.deepEqual(['{"a":1e400}', '{"a":', '[1]', ' '].map(sent), [
      { a: Number.POSITIVE_INFINITY },
      { invalid_arguments: '{"a":' },
      { invalid_arguments: '[1]' },
      {},
    ])
  })

  void it('send no blank text, and results without text as the service takes them', () => {
    const got = turns([
      userMessage(''),
      userMessage(' \n'),
      userMessage('go'),
      asks({ type: 'text', text: '\n\n' }, call('1'), call('2')),
      result('1', ''),
      result('2', ' ', { ok: false }),
    ])
    assert.deepEqual(got, [
      { role: 'user', content: [text('go')] },
      { role: 'assistant', content: [use('1'), use('2')] },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: '1' },
          { type: 'tool_result', tool_use_id: '2', content: [text('[failed without a message]')], is_error: true },
        ],
      },
    ])
  })

  void it('begin with the user, also where the beginning was omitted', () => {
    assert.equal(turns([says('b'), userMessage('c')])[0]?.role, 'user')
    assert.equal(turns([])[0]?.role, 'user')
  })

  void it('that end with an answer are continued by models that can, without white space at the end, and others are asked to', () => {
    const messages = [userMessage('a'), says('half a sen  \n')]
    assert.deepEqual(turns(messages).at(-1), { role: 'assistant', content: [text('half a sen')] })
    assert.deepEqual(turns(messages, 'claude-opus-4-6').at(-1), { role: 'user', content: [text('Continue where you stopped.')] })
  })
})

void describe('thinking in a conversation', () => {
  const withThinking = (...parts: AssistantMessage['parts']): Block[] | undefined =>
    turns([userMessage('a'), asks(...parts, { type: 'text', text: 'b' }), userMessage('c')])[1]?.content

  void it('is given back to the model that gave it, signature and encrypted data unchanged', () => {
    assert.deepEqual(withThinking(thought('t ', { signature: 's' }), thought('', { redacted: 'r' }), thought('', { signature: 'q' })), [
      { type: 'thinking', thinking: 't ', signature: 's' },
      { type: 'redacted_thinking', data: 'r' },
      { type: 'thinking', thinking: '', signature: 'q' },
      text('b'),
    ])
  })

  void it('that came between two calls stands there again, for the same model', () => {
    const placed = (id: string, after: number) => ({
      ...call(id),
      sealed: { wire: 'anthropic', model: 'claude-sonnet-4-5', data: { after } },
    })
    const parts = [thought('t', { signature: 's' }), thought('', { redacted: 'r' }), placed('1', 1), placed('2', 1), call('3')]
    const kinds = (model?: string): unknown =>
      turns([userMessage('a'), asks(...parts), userMessage('b')], model)[1]?.content.map(({ type }) => type)
    assert.deepEqual(kinds(), ['thinking', 'tool_use', 'tool_use', 'redacted_thinking', 'tool_use'])
    assert.deepEqual(kinds('claude-opus-4-5'), ['tool_use', 'tool_use', 'tool_use'])
  })

  void it('of another wire, another model, or without a signature stays behind', () => {
    const foreign = [
      thought('t', { signature: 's' }, 'gemini'),
      thought('t', { signature: 's' }, 'anthropic', 'claude-opus-4-5'),
      thought('t', { signature: '' }),
      thought('t', {}),
      { type: 'reasoning', text: 't' } as const,
    ]
    assert.deepEqual(withThinking(...foreign), [text('b')])
  })

  void it('without a signature goes back to services that give none', () => {
    const compatible = createMessageWriter({ facts: factsOf, official: false })
    const sealed = thought('t', { signature: '' }, 'anthropic', 'kimi')
    const messages = [userMessage('a'), asks(sealed, { type: 'text', text: 'b' }), userMessage('c')]
    assert.deepEqual(turns(messages, 'kimi', compatible)[1]?.content[0], { type: 'thinking', thinking: 't', signature: '' })
  })

  void it('never ends an answer', () => {
    const end = thought('t', { signature: 's' })
    assert.deepEqual(turns([userMessage('a'), asks(end), userMessage('c')]).length, 1)
    assert.deepEqual(turns([userMessage('a'), asks({ type: 'text', text: 'b' }, end), userMessage('c')])[1]?.content, [text('b')])
    assert.equal(turns([userMessage('a'), asks(end, call('1')), result('1', 'R')])[1]?.content[0]?.type, 'thinking')
  })
})

void describe('pictures and documents', () => {
  const media = (mediaType: string, name = ''): MediaPart => ({ type: 'media', mediaType, name, data: 'QUJD' })
  const sent = (part: MediaPart, model?: string): Block | undefined => turns([{ role: 'user', parts: [part] }], model)[0]?.content[0]

  void it('are sent as the service takes them', () => {
    const source = { type: 'base64', media_type: 'image/png', data: 'QUJD' }
    assert.deepEqual(sent(media('image/png', 'a.png')), { type: 'image', source })
    const pdf = { type: 'base64', media_type: 'application/pdf', data: 'QUJD' }
    assert.deepEqual(sent(media('application/pdf', 'a.pdf')), { type: 'document', source: pdf, title: 'a.pdf' })
    assert.deepEqual(sent(media('application/pdf')), { type: 'document', source: pdf })
  })

  void it('become a note where the model or the service does not accept them', () => {
    const words = (part: MediaPart, model?: string): unknown => sent(part, model)?.['text']
    assert.equal(words(media('image/png'), 'text-only'), '[image omitted: this model does not accept images]')
    assert.equal(words(media('application/pdf', 'a.pdf'), 'text-only'), '[PDF "a.pdf" omitted: this model does not accept PDFs]')
    assert.equal(words(media('image/svg+xml')), '[image omitted: this model does not accept image/svg+xml]')
    assert.equal(words(media('audio/wav')), '[audio omitted: this model does not accept audio]')
  })

  void it('are judged anew for another model', () => {
    const look: Message = { role: 'user', parts: [media('image/png')] }
    const result1 = result('1', 'R', { media: [media('image/png')] })
    const types = (model: string): unknown => JSON.stringify(turns([look, asks(call('1')), result1], model)).match(/"image"|omitted/g)
    assert.deepEqual(['text-only', 'claude-sonnet-4-5'].map(types), [
      ['omitted', 'omitted'],
      ['"image"', '"image"'],
    ])
  })

  void it('stand inside the result of a call, and behind it when the call failed', () => {
    const look = (ok: boolean): Block[] | undefined =>
      turns([userMessage('a'), asks(call('1')), result('1', 'R', { ok, media: [media('image/png')] })])[2]?.content
    const picture = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } }
    assert.deepEqual(look(true), [{ type: 'tool_result', tool_use_id: '1', content: [text('R'), picture] }])
    assert.deepEqual(look(false), [{ type: 'tool_result', tool_use_id: '1', content: [text('R')], is_error: true }, picture])
  })
})

void describe('the text of a request', () => {
  void it('is valid JSON that keeps every text, but for halves of characters', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.string({ unit: 'binary' }), (texts, system) => {
        const body = JSON.parse(
          writer.write(requestOf('', { messages: [userMessage('.'), ...texts.map(userMessage)], system })).join(''),
        ) as {
          messages: Turn[]
          system?: Block[]
        }
        const kept = texts.filter((each) => each.trim() !== '').map((each) => each.toWellFormed())
        assert.deepEqual(
          body.messages[0]?.content.slice(1).map((block) => block['text']),
          kept,
        )
        assert.equal(body.system?.[0]?.['text'] ?? system, system.trim() === '' ? system : system.toWellFormed())
      }),
    )
  })

  void it('holds no half of a character in arguments either, whatever escapes stand there', () => {
    const escapes = fc.array(fc.constantFrom('\\ud83e', '\\uDDAC', '\\\\', '\\n', '\\u0041', 'ud83e', 'a', '🦬'))
    fc.assert(
      fc.property(escapes, (pieces) => {
        const json = `{"a":"${pieces.join('')}"}`
        const body = writer.write(requestOf('', { messages: [userMessage('x'), asks(call('a', json))] })).join('')
        const input = (JSON.parse(body) as { messages: Turn[] }).messages[1]?.content[0]?.['input'] as { a: string }
        assert.equal(input.a, (JSON.parse(json) as { a: string }).a.toWellFormed())
      }),
    )
  })

  void it('alternates and answers each call exactly once, whatever the conversation', () => {
    const id = fc.constantFrom('a', 'b', 'a_2', 'x:y')
    const words = fc.constantFrom('', ' ', 'hi')
    const anyMessage: fc.Arbitrary<Message> = fc.oneof(
      words.map(userMessage),
      fc
        .array(
          fc.oneof(
            id.map((each) => call(each)),
            words.map((each) => ({ type: 'text', text: each }) as const),
          ),
        )
        .map((parts) => asks(...parts)),
      fc.tuple(id, words, fc.boolean()).map(([each, said, ok]) => result(each, said, { ok })),
    )
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 12 }), (messages) => {
        const got = turns(messages)
        got.forEach(({ role, content }, place) => {
          assert.equal(role, place % 2 === 0 ? 'user' : 'assistant')
          assert.notEqual(content.length, 0)
          const asked = content.filter(({ type }) => type === 'tool_use').map((block) => block['id'])
          const answered = got[place + 1]?.content.filter(({ type }) => type === 'tool_result').map((block) => block['tool_use_id']) ?? []
          if (role === 'assistant') assert.deepEqual([answered.length, new Set(answered)], [asked.length, new Set(asked)])
        })
        const ids = got.flatMap(({ content }) => content.flatMap((block) => (block.type === 'tool_use' ? [block['id']] : [])))
        assert.equal(new Set(ids).size, ids.length)
      }),
      { numRuns: scaled(500) },
    )
  })
})
