/**
 * Anthropic Messages, for a base URL like `https://api.anthropic.com/v1`, and the services that are compatible with it.
 *
 * Structured output goes through `output_config.format`, whose schema is brought into the subset that the service takes; a
 * model without it gets the request without a schema. Parts of the service's own making (server tools, citations,
 * containers) are neither asked for nor read.
 */
import type { Wire } from '../wire.ts'
import { createMessageReader } from './message-answer.ts'
import { createMessageWriter } from './message-request.ts'

export const anthropicWire: Wire = {
  name: 'anthropic',
  path: () => '/messages',
  headers: (key) => ({ 'anthropic-version': '2023-06-01', ...(key === '' ? {} : { 'x-api-key': key }) }),
  createWriter: createMessageWriter,
  createReader: createMessageReader,
}
