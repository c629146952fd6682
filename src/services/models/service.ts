import type { Service } from '../../kernel/index.ts'
import type { RequestDeps, Requests } from './model-calls.ts'

/** What other services get of it. */
export interface ModelRequests {
  /** @returns what would be sent, for turns that run again */
  requestsFor(runningTurns: RequestDeps['runningTurns']): Requests
}

/** Asks models; which can be used, and what they cost. */
export const models: Service<ModelRequests> = {
  name: 'models',
  async open(core) {
    const { createRequests } = await import('./model-calls.ts')
    return { port: { requestsFor: (runningTurns) => createRequests({ ...core, runningTurns }) } }
  },
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
