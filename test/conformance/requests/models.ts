/** Models that requests are written for: the vendor's newest and older ones, a compatible service, and one that can do nothing. */
import type { ModelFacts } from '../../../src/protocol/index.ts'
import { everything, type ModelChoice } from '../subjects.ts'

export interface LabelledModel extends ModelChoice {
  readonly label: string
}

const model = (name: string, official = true, more: Partial<ModelFacts> = {}): LabelledModel => ({
  label: official ? name : `${name}, of a compatible service`,
  facts: everything({ name, ...more }),
  official,
})

const nothing: Partial<ModelFacts> = { input: ['text'], tools: false, reasoning: false, sampling: false, structuredOutput: false }
const noReasoning: Partial<ModelFacts> = { reasoning: false, input: ['text', 'image'] }

const models: Readonly<Record<string, readonly LabelledModel[]>> = {
  'openai-chat': [
    model('gpt-5-mini', true, { sampling: false }),
    model('gpt-4.1', true, noReasoning),
    model('qwen3', false),
    model('kimi-k2', false, { provider: 'moonshotai' }),
    model('tiny', false, nothing),
  ],
  'openai-responses': [model('gpt-5.1', true, { sampling: false }), model('gpt-4.1', true, noReasoning), model('tiny', false, nothing)],
  anthropic: [
    model('claude-sonnet-4-5'),
    model('claude-opus-4-6'),
    model('claude-opus-6'),
    model('minimax-m2', false),
    model('tiny', false, nothing),
  ],
  gemini: [model('gemini-2.5-flash'), model('gemini-2.5-pro'), model('gemini-3-pro-preview'), model('gemma-3-27b-it', true, nothing)],
}

export function modelsOf(wire: string): readonly LabelledModel[] {
  return models[wire] ?? []
}
