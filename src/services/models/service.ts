import type { Service } from '../../kernel/index.ts'

/** Asks models; which can be used, and what they cost. */
export const models: Service = {
  name: 'models',
  async calls(core) {
    const [{ modelCalls }, side, { modelBookCalls }] = await Promise.all([
      import('./model-calls.ts'),
      import('./side-calls.ts'),
      import('./model-book-calls.ts'),
    ])
    const { completeCall, embedCall, embedTextsCall, decodeTokensCall } = side
    return [...modelCalls(core), completeCall(core), embedCall(core), embedTextsCall(core), decodeTokensCall(core), ...modelBookCalls(core)]
  },
}
