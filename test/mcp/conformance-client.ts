/** The client of `src/connect/mcp/` as the conformance suite starts it: with the address of a server, all of whose tools it calls. */
import { createHash } from 'node:crypto'
import { type CallSource, createServers } from '../../src/connect/index.ts'
import { createSchemaChecker } from '../../src/tools/index.ts'
import { openEgressFetch } from '../../src/sandbox/index.ts'
import { isOxbowError, type JsonObject } from '../../src/base/index.ts'
import type { Call, CallContext } from '../../src/protocol/index.ts'
import { mcpServer } from '../../src/config/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import { untold } from '../../src/protocol/told-fixture.ts'

const kept = new Map<string, unknown>()
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const isAuth = scenario.startsWith('auth/')
const secrets = new Map<string, string>()
const documents = {
  all: () => Promise.resolve([...kept].map(([name, value]) => ({ name, value }))),
  change: (_of: unknown, _category: string, name: string, next: (current: { value: unknown } | null) => unknown) => {
    const value = next(kept.has(name) ? { value: kept.get(name) } : null)
    kept.set(name, value)
    return Promise.resolve(value)
  },
}

async function run(url: string): Promise<void> {
  const config = parseConfig({}, 'this test')
  const servers = await createServers({
    ...untold,
    config: config.mcp,
    documents: documents as Parameters<typeof createServers>[0]['documents'],
    sandbox: { status: { tier: 'none' } } as Parameters<typeof createServers>[0]['sandbox'],
    hash: async () => (text) => createHash('sha256').update(text).digest('hex'),
    secrets: {
      get: (name) => secrets.get(name),
      set: (name, value) => Promise.resolve(void (value === null ? secrets.delete(name) : secrets.set(name, value))),
      hide: () => {},
      conceal: (text) => text,
    },
    // The suite starts authorization servers on ports that it does not tell.
    openFetch: (host, allow) => (isAuth ? Promise.resolve(fetch) : openEgressFetch(config.egress, host, allow)),
    schemas: createSchemaChecker(),
    limit: () => Promise.resolve(),
    version: '0.0.0',
    nowMs: () => performance.now(),
  })
  const { client_id: id, client_secret: secret } = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as Record<string, string>
  const document = scenario === 'auth/basic-cimd' ? { client_id: 'https://conformance-test.local/client-metadata.json' } : {}
  const own = id === undefined ? document : { client_id: id, client_secret: secret }
  const settings = mcpServer.parse({ url, allow: [new URL(url).host], ...own }) as unknown as JsonObject
  await call(servers, 'server.add', { server: 'suite', settings })
  const { digest } = await signedIn(servers, 'server.diff', { server: 'suite' })
  await call(servers, 'server.approve', { server: 'suite', digest: digest as string })
  for (const { name } of servers.tools()) await signedIn(servers, name, { a: 5, b: 3 })
  await servers.close()
}

/** Signs in where the server asks for it, as a person with a browser does: once more for a call that needs more, or at another authority. */
async function signedIn(servers: CallSource, name: string, input: JsonObject): Promise<Record<string, unknown>> {
  for (let logins = 0; logins < 2; logins++) {
    try {
      return await call(servers, name, input)
    } catch (error) {
      if (!isOxbowError(error, 'unauthenticated')) throw error
    }
    const redirect = 'http://127.0.0.1:40000/callback'
    const { url } = await call(servers, 'server.login', { server: 'suite', redirect_url: redirect })
    const answer = await fetch(url as string, { redirect: 'manual' })
    const back = new URL(answer.headers.get('location') ?? '')
    await call(servers, 'server.login_end', { server: 'suite', answer: back.search })
  }
  return call(servers, name, input)
}

async function call(servers: CallSource, name: string, input: JsonObject): Promise<Record<string, unknown>> {
  const found = [...servers.calls, ...servers.tools()].find((each: Call) => each.name === name)
  // A person who allows what a server asks, as it is shown.
  const within = async (_actor: string, asked: string, question: JsonObject): Promise<unknown> => ({
    status: 'ok',
    output: await call(servers, asked, question),
  })
  const caller = { actor: 'user:test', session: '' }
  const whileProgram = (_: unknown, work: () => Promise<unknown>): Promise<unknown> => work()
  const context = { id: 'call', caller, signal: new AbortController().signal, progress: () => {}, call: within, blobs: {}, whileProgram }
  return (await found!.run(input, context as unknown as CallContext)).output as Record<string, unknown>
}

await run(process.argv.at(-1)!)
