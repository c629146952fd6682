/** What tests say of a model: everything is known of it but what they change. */
import type { ModelFacts } from '../../protocol/index.ts'

export function testFacts(more: Partial<ModelFacts> = {}): ModelFacts {
  return {
    name: 'test',
    provider: 'test',
    contextTokens: 100_000,
    maxOutputTokens: 10_000,
    price: null,
    input: ['text', 'image', 'pdf'],
    tools: true,
    reasoning: true,
    sampling: true,
    structuredOutput: true,
    deprecated: false,
    ...more,
  }
}
