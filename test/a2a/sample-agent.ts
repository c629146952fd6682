/**
 * The sample agent of the A2A SDK (`src/samples/agents/sample-agent`) as a program of its own, by the SDK's server and express: a task that
 * is submitted, works, gives an artifact and completes. Prints its port; a second argument is the port to take.
 */
import { type AgentCard, type Message, Role, TaskState } from '@a2a-js/sdk'
import {
  AgentEvent,
  type AgentExecutor,
  DefaultRequestHandler,
  type ExecutionEventBus,
  InMemoryTaskStore,
  type RequestContext,
} from '@a2a-js/sdk/server'
import { agentCardHandler, jsonRpcHandler, restHandler, UserBuilder } from '@a2a-js/sdk/server/express'
import { createRequire } from 'node:module'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

const part = (text: string) => ({
  content: { $case: 'text', value: text } as const,
  metadata: undefined,
  filename: '',
  mediaType: 'text/plain',
})
const stepMs = Number(process.argv[3] ?? 5)
/** Messages that have been run, by their text: a repeated effect would show. */
const runs = new Map<string, number>()

const executor: AgentExecutor = {
  async execute({ taskId, contextId, userMessage, task }: RequestContext, bus: ExecutionEventBus) {
    const text = textOf(userMessage)
    runs.set(text, (runs.get(text) ?? 0) + 1)
    const status = (state: TaskState) => ({ state, message: undefined, timestamp: new Date().toISOString() })
    const update = (state: TaskState): void =>
      bus.publish(AgentEvent.statusUpdate({ taskId, contextId, status: status(state), metadata: undefined }))
    bus.publish(
      AgentEvent.task({
        id: taskId,
        contextId,
        status: status(TaskState.TASK_STATE_SUBMITTED),
        history: [...(task?.history ?? []), userMessage],
        artifacts: [],
        metadata: undefined,
      }),
    )
    update(TaskState.TASK_STATE_WORKING)
    for (const word of ['you ', 'said ', text]) {
      await new Promise((resolve) => setTimeout(resolve, stepMs))
      const artifact = { artifactId: 'reply', name: 'reply', description: '', parts: [part(word)], metadata: undefined, extensions: [] }
      bus.publish(
        AgentEvent.artifactUpdate({ taskId, contextId, artifact, append: word !== 'you ', lastChunk: word === text, metadata: undefined }),
      )
    }
    update(TaskState.TASK_STATE_COMPLETED)
    bus.finished()
  },
  cancelTask: async () => {},
}

function textOf({ parts, role }: Message): string {
  return role === Role.ROLE_USER ? parts.map(({ content }) => String(content?.value)).join(' ') : ''
}

interface App {
  use(path: string, handler: unknown): void
  get(path: string, handler: (request: unknown, response: ServerResponse) => void): void
  listen(port: number, host: string, then: () => void): Server
}

// It comes with the SDK, without types.
const express = createRequire(import.meta.url)('express') as () => App
const app = express()
const server = app.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const card = {
    name: 'sample',
    description: 'Repeats what it is told.',
    version: '1.0.0',
    supportedInterfaces: [
      { url: `${url}/rpc`, protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' },
      { url: `${url}/rest`, protocolBinding: 'HTTP+JSON', protocolVersion: '1.0', tenant: '' },
    ],
    provider: { organization: 'A2A', url: 'https://a2a-protocol.org' },
    capabilities: { streaming: true, pushNotifications: false, extensions: [] },
    securitySchemes: {},
    securityRequirements: [],
    defaultInputModes: ['text/plain'],
    defaultOutputModes: ['text/plain'],
    skills: [
      {
        id: 'echo',
        name: 'Echo',
        description: 'Repeats.',
        tags: [],
        examples: [],
        inputModes: [],
        outputModes: [],
        securityRequirements: [],
      },
    ],
    signatures: [],
  } satisfies AgentCard
  const requestHandler = new DefaultRequestHandler(card, new InMemoryTaskStore(), executor)
  const userBuilder = UserBuilder.noAuthentication
  app.use('/.well-known/agent-card.json', agentCardHandler({ agentCardProvider: requestHandler }))
  app.use('/rpc', jsonRpcHandler({ requestHandler, userBuilder }))
  app.use('/rest', restHandler({ requestHandler, userBuilder }))
  app.get('/runs', (_, response) => response.end(JSON.stringify(Object.fromEntries(runs))))
  process.stdout.write(`${url}\n`)
})
