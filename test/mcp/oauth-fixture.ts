/** An MCP server that lets in who has signed in at its OAuth server: both of the official SDK, on this machine. */
import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { DemoInMemoryAuthProvider } from '@modelcontextprotocol/sdk/examples/server/demoInMemoryOAuthProvider.js'
import { requireBearerAuth } from '@modelcontextprotocol/sdk/server/auth/middleware/bearerAuth.js'
import { mcpAuthRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

export interface GuardedServer extends AsyncDisposable {
  readonly url: string
  readonly host: string
}

export async function openGuardedServer(): Promise<GuardedServer> {
  const app = createMcpExpressApp()
  const http: Server = app.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const host = `127.0.0.1:${(http.address() as AddressInfo).port}`
  const provider = new DemoInMemoryAuthProvider()
  const resource = new URL(`http://${host}/mcp`)
  const options = { provider, issuerUrl: new URL(`http://${host}/`), resourceServerUrl: resource, scopesSupported: ['mcp:tools'] }
  app.use(mcpAuthRouter(options))
  const guard = requireBearerAuth({
    verifier: provider,
    resourceMetadataUrl: `http://${host}/.well-known/oauth-protected-resource/mcp`,
  })
  app.use('/mcp', guard)
  app.post('/mcp', async (request: never, response: never) => {
    const server = new McpServer({ name: 'guarded', version: '1' })
    server.registerTool('secret_list', { description: 'Lists what only those who have signed in see.' }, async () => ({
      content: [{ type: 'text', text: 'seen' }],
    }))
    const transport = new StreamableHTTPServerTransport({})
    await server.connect(transport)
    await transport.handleRequest(request, response, (request as { body: unknown }).body)
  })
  return {
    url: resource.href,
    host,
    async [Symbol.asyncDispose]() {
      http.closeAllConnections()
      http.close()
    },
  }
}
