/**
 * `node bench/subjects/model-main.ts SCENARIO` is the scripted model as a process of its own, which remembers when it read the first request
 * of each turn and what that shows from memory. Prints its base URL and the address that tells this, as one line of JSON.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadScenario } from '../../src/engine/scripted/scenario.ts'
import { startScriptedServer } from '../../src/engine/scripted/scripted-server.ts'
import { recalledBeginning } from '../../src/protocol/message.ts'
import { monotonicMs, type SeenRequest } from './model-server.ts'

interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: unknown }[]
}

let seen: SeenRequest[] = []

function remember({ messages }: ChatRequest): void {
  const last = messages.at(-1)
  if (last?.role !== 'user') return
  const at = monotonicMs()
  const isRecalled = (text: string): boolean => text.startsWith(recalledBeginning)
  const recalled = messages.map(({ content }) => textIn(content)).filter(isRecalled)
  seen.push({ text: textIn(last.content), at, memory: recalled.join('\n'), isFresh: isRecalled(textIn(messages.at(-2)?.content)) })
}

function textIn(content: unknown): string {
  if (typeof content === 'string') return content
  return Array.isArray(content) ? content.map((part: { text?: string }) => part.text ?? '').join('') : ''
}

const server = await startScriptedServer(await loadScenario(process.argv[2] ?? ''), { onRequest: (body) => remember(body as ChatRequest) })
const control = createServer((_, response) => {
  response.end(JSON.stringify(seen))
  seen = []
})
control.listen(0, '127.0.0.1', () => {
  const { port } = control.address() as AddressInfo
  process.stdout.write(`${JSON.stringify({ url: server.url, control: `http://127.0.0.1:${port}/` })}\n`)
})
process.once('SIGTERM', () => process.exit(0))
// It ends with the bench that started it, also when that one was killed.
process.stdin.resume().once('end', () => process.exit(0))
