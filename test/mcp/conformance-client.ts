/** The client of `src/connect/` as the conformance suite starts it: with the address of a server, all of whose tools it calls. */
import { createHash } from 'node:crypto'
import { createServers, type Servers } from '../../src/connect/index.ts'
import { openEgressFetch } from '../../src/sandbox/index.ts'
import { type Call, type CallContext, type JsonObject, mcpServer, parseConfig } from '../../src/types/index.ts'

const kept = new Map<string, unknown>()
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
    config: config.mcp,
    documents: documents as Parameters<typeof createServers>[0]['documents'],
    sandbox: { status: { tier: 'none' } } as Parameters<typeof createServers>[0]['sandbox'],
    hash: (text) => createHash('sha256').update(text).digest('hex'),
    secret: () => undefined,
    openFetch: (host, allow) => openEgressFetch(config.egress, host, allow),
    version: '0.0.0',
    nowMs: () => performance.now(),
  })
  const settings = mcpServer.parse({ url, allow: [new URL(url).host] }) as unknown as JsonObject
  await call(servers, 'server.add', { server: 'suite', settings })
  const { digest } = await call(servers, 'server.diff', { server: 'suite' })
  await call(servers, 'server.approve', { server: 'suite', digest: digest as string })
  for (const { name } of servers.tools()) await call(servers, name, { a: 5, b: 3 })
  await servers.close()
}

async function call(servers: Servers, name: string, input: JsonObject): Promise<Record<string, unknown>> {
  const found = [...servers.calls, ...servers.tools()].find((each: Call) => each.name === name)
  const context = { id: 'call', caller: { actor: 'user:test' }, signal: new AbortController().signal, progress: () => {}, blobs: {} }
  return (await found!.run(input, context as unknown as CallContext)).output as Record<string, unknown>
}

await run(process.argv.at(-1)!)
