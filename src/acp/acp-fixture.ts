/** An editor of the SDK before Oxbow's agent, over a real gateway and kernel with a model that plays a script. */
import { PassThrough } from 'node:stream'
import {
  client,
  type ClientCapabilities,
  type ClientConnection,
  methods,
  ndJsonStream,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate,
} from '@agentclientprotocol/sdk'
import { connect } from '../client/index.ts'
import { createToken, startGateway } from '../gateway/index.ts'
import { type Fixture, type FixtureOptions, openFixture } from '../kernel/kernel-fixture.ts'
import { type Failure, systemRandom } from '../base/index.ts'
import { runAgent } from './index.ts'
import type { AcpPorts, ServerPorts } from './ports.ts'
import { serverCalls } from '../cli/acp/editor-servers.ts'

export interface TestEditor extends AsyncDisposable {
  readonly agent: ClientConnection['agent']
  readonly connection: ClientConnection
  readonly kernel: Fixture['kernel']
  readonly store: Fixture['store']
  readonly updates: readonly SessionUpdate[]
  /** What the editor was asked to permit. */
  readonly asked: readonly RequestPermissionRequest[]
  /** What the agent logged. */
  readonly logged: readonly string[]
  /** Text of the agent, joined. */
  text(): string
  of<Kind extends SessionUpdate['sessionUpdate']>(kind: Kind): readonly Extract<SessionUpdate, { sessionUpdate: Kind }>[]
  until(fits: () => boolean): Promise<void>
  begin(cwd?: string): Promise<string>
  say(session: string, text: string): Promise<string>
  /** The connection to the guest is lost; the next one leads to the same kernel. */
  loseGuest(): void
  /** Ends the editor, as its process would. Resolves when the agent has ended. */
  leave(): Promise<void>
}

export interface EditorOptions extends FixtureOptions {
  readonly capabilities?: ClientCapabilities
  readonly permit?: (request: RequestPermissionRequest) => Promise<RequestPermissionResponse> | RequestPermissionResponse
  readonly app?: (app: ReturnType<typeof client>) => void
  readonly ports?: Partial<AcpPorts>
  /** Goes on with the kernel of another editor. */
  readonly over?: Pick<Fixture, 'kernel' | 'store'>
}

export const choose = (optionId: string): RequestPermissionResponse => ({ outcome: { outcome: 'selected', optionId } })

export async function openEditor(options: EditorOptions = {}): Promise<TestEditor> {
  const own = options.over === undefined ? await openFixture(options) : null
  const { kernel, store } = options.over ?? own!
  const token = createToken(systemRandom)
  const gateway = await startGateway({ kernel, host: '127.0.0.1', port: 0, token })
  let lose = (): void => {}
  const [toAgent, toEditor] = [new PassThrough(), new PassThrough()]
  const logged: string[] = []
  const ports: AcpPorts = {
    version: '1.2.3',
    async open() {
      const made = await connect({
        url: `${gateway.url.replace(/^http/, 'ws').replace(/\/(ws)?$/, '')}/ws`,
        token,
        client: 'test',
        reconnect: false,
      })
      const gone = Promise.withResolvers<Failure>()
      lose = () => gone.resolve({ code: 'guest_unreachable', message: 'The guest is gone.', hint: '' })
      return { gateway: made, gone: gone.promise, close: made.close }
    },
    guestPath: (path) => (path.startsWith('/home/ada/project') ? path.replace('/home/ada/project', '/shared/project') : undefined),
    ownPath: (path) => (path.startsWith('/shared/project') ? path.replace('/shared/project', '/home/ada/project') : undefined),
    addFolder: () => '/shared/added',
    servers: testServers(),
    showFolder: async () => {},
    attach: async (path) => ({ name: path.split('/').at(-1)!, media_type: 'text/plain', data: Buffer.from(path).toString('base64') }),
    log: (text) => void logged.push(text),
    ...options.ports,
  }
  const running = runAgent({ input: toAgent, output: toEditor }, ports)
  const seen = createSeen(options)
  const connection = seen.app.connect(ndJsonStream(webWritable(toAgent), webReadable(toEditor)))
  const { agent } = connection
  const leave = async (): Promise<void> => {
    connection.close()
    toAgent.end()
    await running
  }
  await agent.request(methods.agent.initialize, { protocolVersion: 1, clientCapabilities: options.capabilities ?? {} })
  return {
    agent,
    connection,
    kernel,
    store,
    logged,
    ...seen,
    loseGuest: () => lose(),
    leave,
    async begin(cwd = '/home/ada/project') {
      return (await agent.request(methods.agent.session.new, { cwd, mcpServers: [] })).sessionId
    },
    async say(sessionId, text) {
      return (await agent.request(methods.agent.session.prompt, { sessionId, prompt: [{ type: 'text', text }] })).stopReason
    },
    async [Symbol.asyncDispose]() {
      await leave()
      await gateway.close()
      await own?.[Symbol.asyncDispose]()
    },
  }
}

function createSeen({ permit = () => choose('allow'), app: extend = () => {} }: EditorOptions) {
  const updates: SessionUpdate[] = []
  const asked: RequestPermissionRequest[] = []
  const waiting = new Set<() => void>()
  const look = (): void => waiting.forEach((each) => each())
  const app = client({ name: 'test' })
    .onNotification(methods.client.session.update, ({ params }) => {
      updates.push(params.update)
      look()
    })
    .onRequest(methods.client.session.requestPermission, ({ params }) => {
      asked.push(params)
      look()
      return permit(params)
    })
  extend(app)
  const of: TestEditor['of'] = (kind) => updates.filter((update) => update.sessionUpdate === kind) as never
  return {
    app,
    updates,
    asked,
    of,
    text: (): string =>
      of('agent_message_chunk')
        .map(({ content }) => (content.type === 'text' ? content.text : `[${content.type}]`))
        .join(''),
    until: (fits: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!fits()) return
          waiting.delete(check)
          resolve()
        }
        waiting.add(check)
        check()
      }),
  }
}

function webWritable(stream: PassThrough): WritableStream<Uint8Array> {
  return new WritableStream({ write: (bytes) => void stream.write(bytes), close: () => void stream.end() })
}

function webReadable(stream: PassThrough): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      stream.on('data', (bytes: Buffer) => controller.enqueue(bytes))
      stream.once('end', () => controller.close())
    },
  })
}

/** Calls of the kernel, without a host: no program of this machine can be shown, and rights and secrets are kept in memory. */
export function testServers(): ServerPorts & {
  readonly rights: Set<string>
  readonly secrets: Map<string, string>
  readonly restarts: () => number
} {
  const rights = new Set<string>()
  const secrets = new Map<string, string>()
  let restarts = 0
  return {
    ...serverCalls,
    rights,
    secrets,
    restarts: () => restarts,
    placeProgram: () => null,
    async storeSecret(name, value) {
      const isChanged = secrets.get(name) !== value
      secrets.set(name, value)
      return isChanged
    },
    removeSecret: async (name) => void secrets.delete(name),
    hasRight: (right) => rights.has(right),
    grant: (right) => void rights.add(right),
    restart: async () => void (restarts += 1),
  }
}
