/**
 * Measures what the fixed part of an agent's requests costs: an endpoint (Chat Completions) that answers every request with one word
 * and prints the tools and the system prompt of each, in bytes and in tokens of o200k. No part of `npm run bench`, because the other
 * agents are no dependencies of this one.
 *
 *   node bench/tool-tokens.ts 9191
 *
 * Then start each agent with an empty home, in an empty folder, with http://127.0.0.1:9191/v1 as the base URL of its service, and give
 * it the message "Say hi.". It needs no other network. docs/benchmarks.md has the commands and the results.
 */
import { createServer } from 'node:http'
import { text } from 'node:stream/consumers'
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base'

interface ChatRequest {
  readonly tools?: readonly { readonly function: object }[]
  readonly messages?: readonly { readonly role: string; readonly content: unknown }[]
}

const plain = { disallowedSpecial: new Set<string>() }

function describe(what: string, content: string): string {
  return `${what} ${Buffer.byteLength(content)} bytes, ${countTokens(content, plain)} tokens`
}

function report({ tools = [], messages = [] }: ChatRequest): string {
  // As the service shows them to a model, without the words of the wire around each.
  const described = tools.map((tool) => tool.function)
  const system = messages.filter(({ role }) => role === 'system' || role === 'developer').map(({ content }) => textOf(content))
  return `${tools.length} tools: ${describe('tools', JSON.stringify(described))}; ${describe('system prompt', system.join('\n'))}`
}

function textOf(content: unknown): string {
  return typeof content === 'string' ? content : JSON.stringify(content)
}

function chunk(delta: object, finish: string | null): string {
  const choices = [{ index: 0, delta, finish_reason: finish }]
  return `data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm', choices })}\n\n`
}

const port = Number(process.argv[2] ?? 9191)

createServer((request, response) => {
  void text(request).then((body) => {
    if (body !== '') console.log(report(JSON.parse(body) as ChatRequest))
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(`${chunk({ role: 'assistant', content: 'Hi.' }, null)}${chunk({}, 'stop')}data: [DONE]\n\n`)
  })
}).listen(port, '127.0.0.1', () => console.log(`Listening on http://127.0.0.1:${port}/v1`))
