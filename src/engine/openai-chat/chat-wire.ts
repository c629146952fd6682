/** OpenAI chat completions, the protocol that most services are compatible with. */
import type { Wire } from '../wire.ts'
import { createChatAnswerReader } from './chat-answer.ts'
import { createChatWriter } from './chat-request.ts'
import { chatWireName } from './chat-thought.ts'

export const chatWire: Wire = {
  name: chatWireName,
  path: () => '/chat/completions',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  createWriter: createChatWriter,
  createReader: createChatAnswerReader,
}
