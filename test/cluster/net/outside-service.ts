/**
 * What agents act upon outside of Oxbow: a server of tools over HTTP whose one tool pays, and which writes down every payment that reached it,
 * and in what a guest hears of it: nothing that was retried or lost on the way is hidden from it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import { z } from 'zod'

export interface OutsideService extends AsyncDisposable {
  readonly host: string
  readonly url: string
  /** How often each payment has arrived. */
  readonly payments: ReadonlyMap<string, number>
}

/** @param answerMs how long it takes: a guest that dies meanwhile does not know whether it has paid */
export async function startOutside(ip: string, answerMs: number): Promise<OutsideService> {
  const payments = new Map<string, number>()
  const makeServer = (): McpServer => {
    const server = new McpServer({ name: 'outside', version: '1' })
    server.registerTool('pay', { description: 'Pays.', inputSchema: { what: z.string() } }, async ({ what }) => {
      payments.set(what, (payments.get(what) ?? 0) + 1)
      await new Promise((resolve) => void setTimeout(resolve, answerMs))
      return { content: [{ type: 'text', text: 'done' }] }
    })
    return server
  }
  // Each request stands for itself, so that a guest that takes over needs no session of the one before.
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
    response.once('close', () => void transport.close())
    await makeServer().connect(transport)
    await transport.handleRequest(request, response)
  }
  const http = process
    .getBuiltinModule('node:http')
    .createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  await new Promise<void>((resolve) => http.listen(0, ip, resolve))
  const host = `${ip}:${(http.address() as AddressInfo).port}`
  return {
    host,
    url: `http://${host}/mcp`,
    payments,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      await new Promise((resolve) => http.close(resolve))
    },
  }
}
