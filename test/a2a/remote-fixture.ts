/** Agents of others as calls, over documents in memory and a plain fetch, and a small agent by the SDK's own server. */
import { createHash, hash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemotes } from '../../src/connect/index.ts'
import type { CallSource } from '../../src/connect/index.ts'
import { type JsonObject, OxbowError } from '../../src/base/index.ts'
import type { Call, CallContext, Done } from '../../src/protocol/index.ts'
import { remoteAgent } from '../../src/config/index.ts'

export interface RemoteBench extends AsyncDisposable {
  readonly source: CallSource
  /** What is kept; survives `reopen`. */
  readonly kept: Map<string, unknown>
  readonly progress: string[]
  /** What the breaker's clock says. */
  clock: { ms: number }
  call(name: string, input: JsonObject, options?: { readonly id?: string; readonly signal?: AbortSignal }): Promise<Done<JsonObject>>
  add(remote: string, settings: JsonObject): Promise<unknown>
  /** Approves the card as it is. */
  approve(remote: string): Promise<void>
  /** Reads the settings anew, as a restart of the guest does. */
  reopen(): Promise<void>
}

export async function makeRemoteBench(
  openFetch: (host: string, allow: readonly string[]) => Promise<typeof fetch> = async () => fetch,
  secrets: ReadonlyMap<string, string> = new Map(),
  pause?: (ms: number) => Promise<void>,
): Promise<RemoteBench> {
  const kept = new Map<string, unknown>()
  const documents = {
    all: async (category: string) =>
      [...kept].filter(([key]) => key.startsWith(`${category} `)).map(([key, value]) => ({ name: key.slice(category.length + 1), value })),
    async change(_of: unknown, category: string, name: string, next: (current: unknown) => unknown) {
      const key = `${category} ${name}`
      const value = next(kept.has(key) ? { value: kept.get(key) } : null)
      if (value === null) kept.delete(key)
      else if (value !== undefined) kept.set(key, value)
      return value
    },
  }
  const clock = { ms: 0 }
  const open = (): Promise<CallSource> =>
    createRemotes({
      config: { remotes: {} },
      documents: documents as never,
      openFetch,
      secrets: { get: (name) => secrets.get(name) },
      hash: async () => (text) => hash('sha256', text),
      nowMs: () => performance.now() + clock.ms,
      ...(pause !== undefined && { pause }),
    })
  let source = await open()
  const progress: string[] = []
  const find = (name: string): Call | undefined => [...source.calls, ...source.tools()].find((call) => call.name === name)
  const self: RemoteBench = {
    get source() {
      return source
    },
    kept,
    progress,
    clock,
    async call(name, input, { id = crypto.randomUUID(), signal = new AbortController().signal } = {}) {
      const call = find(name)
      if (call === undefined) throw new OxbowError('unknown_call', name, { hint: '' })
      const blobs = { keep: async (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex'), read: async () => null }
      const context = { id, caller: { actor: 'user:test' }, signal, clock: Date, blobs, progress: (text: string) => progress.push(text) }
      return call.run(call.input.parse(input), context as unknown as CallContext)
    },
    add: (remote, settings) => self.call('remote.add', { remote, settings: remoteAgent.parse(settings) }),
    async approve(remote) {
      const { output } = await self.call('remote.diff', { remote })
      await self.call('remote.approve', { remote, digest: output['digest']! })
    },
    async reopen() {
      await source.close()
      source = await open()
    },
    [Symbol.asyncDispose]: () => source.close(),
  }
  return self
}

export interface HostileAgent extends AsyncDisposable {
  readonly url: string
  readonly requests: IncomingMessage[]
}

/** An HTTP server that answers whatever the test wants. */
export async function serveHttp(
  answer: (
    request: IncomingMessage,
    body: string,
    url: string,
  ) => Promise<{ status?: number; headers?: Record<string, string>; body: unknown } | null>,
): Promise<HostileAgent> {
  const requests: IncomingMessage[] = []
  const server: Server = createServer((request, response) => {
    requests.push(request)
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      void answer(request, Buffer.concat(chunks).toString(), url).then((made) => {
        if (made === null) return response.destroy()
        const { status = 200, headers = { 'content-type': 'application/json' }, body } = made
        response.writeHead(status, headers).end(typeof body === 'string' ? body : JSON.stringify(body))
        return undefined
      })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
