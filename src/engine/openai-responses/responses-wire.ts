/**
 * OpenAI Responses, without state at the vendor: each request carries the whole conversation, encrypted reasoning included,
 * so that nothing of one session can reach another and any answer can be made again from the journal.
 */
import type { Wire } from '../wire.ts'
import { createResponseReader } from './responses-answer.ts'
import { responsesWireName } from './responses-input.ts'
import { createResponsesWriter } from './responses-request.ts'

export const responsesWire: Wire = {
  name: responsesWireName,
  path: () => '/responses',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  createWriter: createResponsesWriter,
  createReader: createResponseReader,
}
