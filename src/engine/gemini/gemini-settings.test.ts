import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Effort, GenerateSettings, ModelFacts } from '../../protocol/index.ts'
import { requestOf } from '../model-contract.ts'
import { geminiSchema } from './gemini-settings.ts'
import { createGeminiWriter } from './gemini-wire.ts'

const tool = { name: 'x', description: 'X.', parameters: { type: 'object' } }

interface Body {
  toolConfig?: unknown
  tools?: unknown
  generationConfig: { thinkingConfig?: unknown; responseJsonSchema?: unknown; temperature?: number }
}

function body(
  settings: GenerateSettings,
  more: { model?: string; known?: Partial<ModelFacts>; tools?: boolean; limit?: number } = {},
): Body {
  const { model = 'gemini-2.5-flash', known = {}, tools = false, limit = 65_536 } = more
  const facts: ModelFacts = {
    name: model,
    provider: 'google',
    contextTokens: 1_000_000,
    maxOutputTokens: 65_536,
    price: null,
    input: ['text'],
    tools: true,
    reasoning: true,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
    ...known,
  }
  const writer = createGeminiWriter({ facts: () => facts })
  const request = requestOf('hi', { model, settings, system: '', tools: tools ? [tool] : [], maxOutputTokens: limit })
  return JSON.parse(writer.write(request).join('')) as Body
}

const thinking = (model: string, effort: Effort, limit?: number): unknown =>
  body({ effort }, { model, ...(limit === undefined ? {} : { limit }) }).generationConfig.thinkingConfig
const budget = (thinkingBudget: number): object => ({ includeThoughts: true, thinkingBudget })
const level = (thinkingLevel: string): object => ({ includeThoughts: true, thinkingLevel })

void describe('the settings of a Gemini request', () => {
  void it('are sent unchanged where the model supports them', () => {
    const got = body({ temperature: 0.5, topP: 0.9, stop: ['END'] }, { known: { reasoning: false } })
    assert.deepEqual(got.generationConfig, { maxOutputTokens: 65_536, temperature: 0.5, topP: 0.9, stopSequences: ['END'] })
  })

  void it('are left out where the model does not', () => {
    const output = { name: 'o', schema: { type: 'object' } }
    const known = { sampling: false, reasoning: false, structuredOutput: false, tools: false }
    const got = body({ temperature: 0.5, topP: 0.9, stop: [], effort: 'high', output, toolChoice: 'required' }, { known, tools: true })
    assert.deepEqual(got.generationConfig, { maxOutputTokens: 65_536 })
    assert.deepEqual([got.tools, got.toolConfig], [undefined, undefined])
  })

  void it('ask for thoughts, and leave their length to the model, unless configured', () => {
    assert.deepEqual(body({}).generationConfig.thinkingConfig, { includeThoughts: true })
  })

  void it('give 2.5 models a budget that they take, and never more than half of the answer', () => {
    const flash = (effort: Effort, limit?: number): unknown => thinking('gemini-2.5-flash', effort, limit)
    assert.deepEqual(
      [flash('none'), flash('minimal'), flash('low'), flash('medium'), flash('high')],
      [{ thinkingBudget: 0 }, budget(512), budget(2_048), budget(8_192), budget(24_576)],
    )
    assert.deepEqual(thinking('models/gemini-2.5-pro', 'none'), { thinkingBudget: 128 })
    assert.deepEqual(flash('high', 1_000), budget(500))
    assert.deepEqual(thinking('gemini-2.5-pro', 'high', 100), budget(128))
    assert.deepEqual(thinking('gemini-2.5-flash-lite', 'low', 100), budget(512))
  })

  void it('give later models a level; the lowest where thinking cannot be switched off', () => {
    assert.deepEqual(thinking('gemini-3-flash-preview', 'none'), level('MINIMAL'))
    assert.deepEqual(thinking('gemini-3.5-flash-lite', 'minimal'), level('MINIMAL'))
    assert.deepEqual(thinking('gemini-3.1-pro-preview', 'minimal'), level('LOW'))
    assert.deepEqual(thinking('gemini-3.8-flash', 'none'), level('LOW'))
    assert.deepEqual(thinking('gemini-pro-latest', 'none'), level('LOW'))
    assert.deepEqual(thinking('gemini-4-argon', 'medium'), level('MEDIUM'))
    assert.deepEqual(thinking('gemini-flash-latest', 'high'), level('HIGH'))
  })

  void it('name the tool that must be called', () => {
    const config = (toolChoice: NonNullable<GenerateSettings['toolChoice']>): unknown => body({ toolChoice }, { tools: true }).toolConfig
    assert.deepEqual([config('auto'), body({}, { tools: true }).toolConfig], [undefined, undefined])
    assert.deepEqual(config('none'), { functionCallingConfig: { mode: 'NONE' } })
    assert.deepEqual(config('required'), { functionCallingConfig: { mode: 'ANY' } })
    assert.deepEqual(config({ tool: 'x' }), { functionCallingConfig: { mode: 'ANY', allowedFunctionNames: ['x'] } })
    assert.equal(body({ toolChoice: 'required' }).toolConfig, undefined)
  })

  void it('ask for JSON of a schema, but together with tools only models that take both', () => {
    const output = { name: 'o', schema: { type: 'object', $schema: 's' } }
    const sent = (model: string, tools: boolean): unknown => body({ output }, { model, tools }).generationConfig.responseJsonSchema
    assert.deepEqual(sent('gemini-2.5-flash', false), { type: 'object' })
    assert.equal(sent('gemini-2.5-flash', true), undefined)
    assert.deepEqual(sent('gemini-3.5-flash', true), { type: 'object' })
  })
})

void describe('a schema for Gemini', () => {
  void it('has lists of one value in place of constants, everywhere a schema stands and nowhere else', () => {
    const schema = {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      properties: { const: { const: 'a' }, $schema: { const: 1 }, items: { type: 'array', items: { const: true } } },
      anyOf: [{ const: 'b' }],
      $defs: { d: { const: null, description: 'D' } },
      default: { const: 'kept' },
      additionalProperties: false,
      required: ['const'],
    }
    assert.deepEqual(geminiSchema(schema), {
      type: 'object',
      properties: { const: { enum: ['a'] }, $schema: { enum: [1] }, items: { type: 'array', items: {} } },
      anyOf: [{ enum: ['b'] }],
      $defs: { d: { description: 'D' } },
      default: { const: 'kept' },
      additionalProperties: false,
      required: ['const'],
    })
  })
})
