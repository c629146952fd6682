/**
 * A chain of models as one model that does not give up early: what may pass is tried again, what does not answer is left,
 * an endpoint that is down is not asked, and nothing that was shown is shown twice. docs/reliability.md tells the rules.
 *
 * Batches are passed through as they come; nothing is done for a single event. A tool call cannot come twice, because wires
 * give tool calls only together with the finish.
 */
import type { GenerateRequest, Model, ModelEvent } from '../../types/index.ts'
import { createGeneration } from './generation.ts'
import type { ReliableOptions } from './route.ts'

export function createReliableModel(options: ReliableOptions): Model {
  return {
    generate: (request: GenerateRequest, signal: AbortSignal): AsyncIterable<readonly ModelEvent[]> => ({
      [Symbol.asyncIterator]: () => createGeneration(options, request, signal),
    }),
  }
}
