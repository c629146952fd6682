/** Servers that lead a login elsewhere: to addresses inside this network, or to another authorization server. */
import assert from 'node:assert/strict'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, describe, it } from 'node:test'
import { openEgressFetch } from '../../sandbox/index.ts'
import type { JsonObject } from '../../base/index.ts'
import { parseConfig } from '../../config/index.ts'
import { type ConnectBench, makeConnectBench } from './connect-fixture.ts'

async function listen(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<{ server: Server; host: string }> {
  const server = process.getBuiltinModule('node:http').createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, host: `127.0.0.1:${(server.address() as AddressInfo).port}` }
}

describe('a login that a server leads elsewhere', () => {
  let bench: ConnectBench
  let site: Awaited<ReturnType<typeof listen>>
  let inside: Awaited<ReturnType<typeof listen>>
  const reached: string[] = []
  let metadata: Readonly<Record<string, JsonObject>> = {}
  let challenge = ''
  let isStrict = false
  const egress = parseConfig({}, 'this test').egress
  before(async () => {
    inside = await listen((request, response) => {
      reached.push(request.url ?? '')
      response.end('{}')
    })
    site = await listen((request, response) => {
      const found = metadata[new URL(request.url ?? '/', 'http://x').pathname]
      if (found !== undefined) return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(found))
      if (request.url !== '/mcp') return response.writeHead(404).end()
      if (isStrict && request.headers['mcp-protocol-version'] === undefined) return response.writeHead(400).end()
      return response.writeHead(401, { 'www-authenticate': `Bearer ${challenge}` }).end()
    })
    bench = await makeConnectBench({ openFetch: async (host, allow) => openEgressFetch(egress, host, allow) })
    await bench.add('site', { url: `http://${site.host}/mcp`, allow: [site.host] })
  })
  after(async () => {
    await bench[Symbol.asyncDispose]()
    for (const { server } of [site, inside]) {
      server.closeAllConnections()
      server.close()
    }
  })

  const login = (): Promise<unknown> => bench.call('server.login', { server: 'site', redirect_url: 'http://127.0.0.1:40000/callback' })
  const own = (more: JsonObject): JsonObject => ({
    issuer: `http://${site.host}`,
    authorization_endpoint: `http://${site.host}/authorize`,
    token_endpoint: `http://${site.host}/token`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    ...more,
  })
  const refused = async (why: string): Promise<void> => {
    await assert.rejects(login(), ({ code, hint }) => typeof code === 'string' && hint !== '', why)
    assert.deepEqual(reached, [], why)
  }

  it('begins at a server that takes no greeting of older versions', async () => {
    isStrict = true
    const named = { resource: `http://${site.host}/mcp`, authorization_servers: [`http://${site.host}`] }
    metadata = {
      '/.well-known/oauth-protected-resource/mcp': named,
      '/.well-known/oauth-authorization-server': own({ registration_endpoint: `http://${site.host}/register` }),
      '/register': { client_id: 'ours', redirect_uris: ['http://127.0.0.1:40000/callback'] },
    }
    const { output } = (await login()) as { readonly output: { readonly url: string } }
    assert.equal(new URL(output.url).pathname, '/authorize')
    isStrict = false
    metadata = {}
  })

  it('reaches no address that is not allowed, wherever the metadata point', async () => {
    challenge = `resource_metadata="http://${inside.host}/.well-known/oauth-protected-resource"`
    await refused('metadata of the resource')
    challenge = ''
    const resource = { resource: `http://${site.host}/mcp`, authorization_servers: [`http://${inside.host}`] }
    metadata = { '/.well-known/oauth-protected-resource/mcp': resource }
    await refused('the authorization server')
    const named = { ...resource, authorization_servers: [`http://${site.host}`] }
    const registration = own({ registration_endpoint: `http://${inside.host}/register` })
    metadata = { '/.well-known/oauth-protected-resource/mcp': named, '/.well-known/oauth-authorization-server': registration }
    await refused('the endpoint of registration')
    metadata = {
      '/.well-known/oauth-protected-resource/mcp': { ...resource, authorization_servers: ['http://169.254.169.254'] },
    }
    await refused('the metadata service of a cloud')
  })

  it('refuses an authorization server that calls itself another one', async () => {
    const named = { resource: `http://${site.host}/mcp`, authorization_servers: [`http://${site.host}`] }
    metadata = {
      '/.well-known/oauth-protected-resource/mcp': named,
      '/.well-known/oauth-authorization-server': own({ issuer: 'https://login.bank.example' }),
    }
    await assert.rejects(login(), { code: 'denied', message: /calls itself by another name/ })
    metadata = {
      '/.well-known/oauth-protected-resource/mcp': { ...named, resource: 'https://other.example/mcp' },
      '/.well-known/oauth-authorization-server': own({}),
    }
    await refused('tokens for another resource')
  })
})
