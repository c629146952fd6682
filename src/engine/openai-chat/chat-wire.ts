/** OpenAI chat completions, the protocol that most services are compatible with. */
import type { Wire } from '../wire.ts'
import { createChatAnswerReader } from './chat-answer.ts'
import { createChatWriter } from './chat-request.ts'

export const chatWire: Wire = {
  name: 'openai-chat',
  path: () => '/chat/completions',
  headers: (key) => (key === '' ? {} : { authorization: `Bearer ${key}` }),
  createWriter: ({ official }) => createChatWriter(official ? 'max_completion_tokens' : 'max_tokens'),
  createReader: createChatAnswerReader,
}
