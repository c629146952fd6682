/** A guest with published agents: a real kernel in memory, a real gateway, and clients of the SDK with keys of their own. */
import { type Client, ClientFactory, ClientFactoryOptions, JsonRpcTransportFactory, RestTransportFactory } from '@a2a-js/sdk/client'
import { type Message, Role, type SendMessageRequest } from '@a2a-js/sdk'
import { startGateway } from '../../src/gateway/index.ts'
import { type Fixture, type FixtureOptions, openFixture } from '../../src/kernel/kernel-fixture.ts'
import { type JsonObject, systemRandom } from '../../src/base/index.ts'
import type { SignedCard } from '../../src/config/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { createToken } from '../../src/gateway/index.ts'

export interface A2aBench extends AsyncDisposable {
  readonly fixture: Fixture
  /** Of the gateway. */
  readonly http: string
  readonly card: string
  readonly bugs: readonly unknown[]
  /** @returns the bearer token of a new key */
  key(name: string, rights?: readonly string[]): Promise<string>
  /** A client of the SDK. */
  client(key: string, transport?: 'JSONRPC' | 'HTTP+JSON', legacy?: boolean): Promise<Client>
  /** Sends a request as it is. */
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Response>
}

export interface A2aOptions extends FixtureOptions {
  readonly agents?: JsonObject
  readonly sign?: (card: string, keyAddress: string) => Promise<SignedCard>
  readonly openFetch?: (host: string, allow: readonly string[]) => Promise<typeof fetch>
  readonly requestsPerMinute?: number
}

const helper = { helper: { description: 'Answers what it is asked.' } }

export async function makeA2aBench({
  agents = helper,
  sign,
  openFetch,
  requestsPerMinute,
  ...options
}: A2aOptions = {}): Promise<A2aBench> {
  const given = { ...(options.config as JsonObject | undefined), a2a: { agents } }
  const fixture = await openFixture({ ...options, config: given })
  const token = createToken(systemRandom)
  const bugs: unknown[] = []
  const a2a = {
    agents: configSchema.parse(given).a2a.agents,
    version: '0.0.0',
    sign,
    openFetch: openFetch ?? (() => Promise.reject(new Error('no network in this test'))),
  }
  const gateway = await startGateway({
    kernel: fixture.kernel,
    host: '127.0.0.1',
    port: 0,
    token,
    a2a,
    onBug: (error) => bugs.push(error),
    ...(requestsPerMinute !== undefined && { requests_per_minute: requestsPerMinute }),
  })
  const http = gateway.url.replace('ws:', 'http:').replace('/ws', '')
  const withKey =
    (key: string): typeof fetch =>
    (input, init = {}) => {
      const headers = new Headers(init.headers)
      headers.set('authorization', `Bearer ${key}`)
      return fetch(input, { ...init, headers })
    }
  return {
    fixture,
    http,
    card: `${http}/.well-known/agent-card.json`,
    bugs,
    async key(name, rights = ['task.send']) {
      const outcome = await fixture.kernel.call('key.create', { name, rights: [...rights] })
      if (outcome.status !== 'ok') throw new Error(outcome.text)
      return (outcome.output as { key: string }).key
    },
    async client(key, transport = 'JSONRPC', legacy = false) {
      const fetchImpl = withKey(key)
      const legacyCompat = { enabled: legacy }
      const transports = [new JsonRpcTransportFactory({ fetchImpl, legacyCompat }), new RestTransportFactory({ fetchImpl, legacyCompat })]
      const factory = new ClientFactory(
        ClientFactoryOptions.createFrom(ClientFactoryOptions.default, { transports, preferredTransports: [transport] }),
      )
      if (!legacy) return factory.createFromUrl(http)
      const { parseLegacyAgentCard } = await import('@a2a-js/sdk/compat/v0_3/client')
      return factory.createFromAgentCard(parseLegacyAgentCard(await (await fetch(`${http}/.well-known/agent.json`)).json()))
    },
    post: (path, body, headers = {}) =>
      fetch(`${http}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    async [Symbol.asyncDispose]() {
      await gateway.close()
      await fixture[Symbol.asyncDispose]()
    },
  }
}

export function says(text: string, more: Partial<Message> = {}): Message {
  return {
    messageId: crypto.randomUUID(),
    contextId: '',
    taskId: '',
    role: Role.ROLE_USER,
    parts: [{ content: { $case: 'text', value: text }, metadata: undefined, filename: '', mediaType: 'text/plain' }],
    metadata: undefined,
    extensions: [],
    referenceTaskIds: [],
    ...more,
  }
}

export function request(message: Message, returnImmediately = false): SendMessageRequest {
  const configuration = { acceptedOutputModes: [], taskPushNotificationConfig: undefined, returnImmediately }
  return { tenant: '', message, configuration, metadata: undefined }
}
