/** The Agent Client Protocol as a client, version 1. The only file here that loads its SDK, with the first agent that is started. */
import {
  client,
  type CreateTerminalRequest,
  type InitializeResponse,
  methods,
  type PromptResponse,
  PROTOCOL_VERSION,
  RequestError,
  type RequestPermissionRequest,
  type RequestPermissionResponse,
  type SessionUpdate,
  type TerminalOutputResponse,
  type WaitForTerminalExitResponse,
} from '@agentclientprotocol/sdk'
import { failureSentences, isOxbowError, OxbowError } from '../../base/index.ts'
import type { ServerProcess } from '../../protocol/index.ts'
import { createAgentStream } from './agent-stream.ts'
import { cancelWaitMs, connectTimeoutMs } from './limits.ts'

/** What an agent asks for while a task runs. A rejection reaches it as an error. */
export interface AgentRequests {
  permit(request: RequestPermissionRequest): Promise<RequestPermissionResponse>
  readFile(path: string, line: number | null, limit: number | null): Promise<string>
  writeFile(path: string, content: string): Promise<void>
  createTerminal(request: CreateTerminalRequest): string
  terminalOutput(id: string): TerminalOutputResponse
  waitForExit(id: string): Promise<WaitForTerminalExitResponse>
  kill(id: string): void
  release(id: string): void
}

interface AgentTask {
  readonly text: string
  readonly requests: AgentRequests
  readonly onUpdate: (update: SessionUpdate) => void
  readonly signal: AbortSignal
}

export interface AcpAgentClient {
  /** As the agent describes itself; hostile text. */
  readonly facts: InitializeResponse
  /** Sends one message of the conversation and waits for its end. @throws OxbowError, or the error of the agent */
  prompt(task: AgentTask): Promise<PromptResponse>
  isOpen(): boolean
  close(): Promise<void>
}

/** @param cwd where the agent works, inside its sandbox; empty: no conversation is begun. @throws OxbowError */
export async function connectAgent(name: string, program: ServerProcess, version: string, cwd: string): Promise<AcpAgentClient> {
  const stream = createAgentStream(name, program)
  let task: AgentTask | null = null
  let session = ''
  const requests = (of: string): AgentRequests => {
    if (task !== null && of === session) return task.requests
    throw new OxbowError('not_found', 'There is no such session, or it has no task.', { hint: 'Ask only while a prompt is answered.' })
  }
  const onUpdate = (of: string, update: SessionUpdate): void => {
    if (of === session) task?.onUpdate(update)
  }
  const connection = appFor(requests, onUpdate).connect(stream)
  const lost = connection.closed.then((): never => {
    throw stream.failure() ?? ended(name)
  })
  lost.catch(() => {})
  const close = async (): Promise<void> => {
    connection.close()
    await program.kill()
  }
  const handshake = async (): Promise<InitializeResponse> => {
    const facts = await connection.agent.request(methods.agent.initialize, {
      protocolVersion: PROTOCOL_VERSION,
      clientInfo: { name: 'oxbow', title: 'Oxbow', version },
      clientCapabilities: { fs: { readTextFile: true, writeTextFile: true }, terminal: true },
    })
    if (facts.protocolVersion !== PROTOCOL_VERSION) throw otherVersion(name, facts.protocolVersion)
    if (cwd !== '') session = (await connection.agent.request(methods.agent.session.new, { cwd, mcpServers: [] })).sessionId
    return facts
  }
  try {
    const facts = await Promise.race([handshake(), lost, late(name)])
    return {
      facts,
      isOpen: () => !connection.signal.aborted,
      close,
      async prompt(next) {
        task = next
        stream.renew()
        try {
          const answer = connection.agent.request(methods.agent.session.prompt, {
            sessionId: session,
            prompt: [{ type: 'text', text: next.text }],
          })
          answer.catch(() => {})
          const stopped = untilStopped(next.signal, () => connection.agent.notify(methods.agent.session.cancel, { sessionId: session }))
          const response = await Promise.race([answer, lost, stopped])
          // The SDK passes on an answer before the updates that came just before it.
          await new Promise((resolve) => setImmediate(resolve))
          return response
        } catch (error) {
          // The SDK's own error of a connection that ends says nothing about why.
          if (connection.signal.aborted) await lost
          throw error
        } finally {
          task = null
        }
      },
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** @param requests of the session that runs; throws for any other */
function appFor(requests: (session: string) => AgentRequests, onUpdate: (session: string, update: SessionUpdate) => void) {
  const { session: sessions, fs, terminal } = methods.client
  return client({ name: 'oxbow' })
    .onRequest(sessions.requestPermission, ({ params }) => typed(() => requests(params.sessionId).permit(params)))
    .onRequest(fs.readTextFile, ({ params: { sessionId, path, line = null, limit = null } }) =>
      typed(async () => ({ content: await requests(sessionId).readFile(path, line, limit) })),
    )
    .onRequest(fs.writeTextFile, ({ params }) => typed(() => requests(params.sessionId).writeFile(params.path, params.content)))
    .onRequest(terminal.create, ({ params }) => typed(async () => ({ terminalId: requests(params.sessionId).createTerminal(params) })))
    .onRequest(terminal.output, ({ params }) => typed(async () => requests(params.sessionId).terminalOutput(params.terminalId)))
    .onRequest(terminal.waitForExit, ({ params }) => typed(() => requests(params.sessionId).waitForExit(params.terminalId)))
    .onRequest(terminal.kill, ({ params }) => typed(async () => requests(params.sessionId).kill(params.terminalId)))
    .onRequest(terminal.release, ({ params }) => typed(async () => requests(params.sessionId).release(params.terminalId)))
    .onNotification(sessions.update, ({ params }) => onUpdate(params.sessionId, params.update))
}

/** What is refused, in words that the agent can use. */
async function typed<Value>(answer: () => Promise<Value>): Promise<Value> {
  try {
    return await answer()
  } catch (error) {
    const [code, message] = isOxbowError(error) ? [-32_602, failureSentences(error)] : [-32_603, 'It could not be done.']
    throw new RequestError(code, message)
  }
}

/** Tells the agent that its task is cancelled, and gives it some time to say so. Never resolves where that does not happen. */
async function untilStopped(signal: AbortSignal, cancel: () => Promise<void>): Promise<PromptResponse> {
  const aborted = Promise.withResolvers<void>()
  if (signal.aborted) aborted.resolve()
  signal.addEventListener('abort', () => aborted.resolve(), { once: true })
  await aborted.promise
  await cancel().catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, cancelWaitMs).unref())
  return { stopReason: 'cancelled' }
}

function late(name: string): Promise<never> {
  return new Promise((_, reject) => {
    setTimeout(() => reject(tooSlow(name)), connectTimeoutMs).unref()
  })
}

function tooSlow(name: string): OxbowError {
  return new OxbowError('timeout', `The agent ${name} has not answered within ${connectTimeoutMs / 1_000} s of its start.`, {
    hint: `Check its command; oxbow coders show ${name} shows what it writes to its standard error.`,
  })
}

function ended(name: string): OxbowError {
  return new OxbowError('tool_failed', `The agent ${name} has ended.`, {
    hint: `oxbow coders show ${name} starts it again and shows what it writes to its standard error.`,
    data: { lost: true },
  })
}

function otherVersion(name: string, version: number): OxbowError {
  return new OxbowError('tool_failed', `The agent ${name} speaks version ${version} of the protocol; Oxbow speaks ${PROTOCOL_VERSION}.`, {
    hint: 'Install a version of it that speaks the same.',
  })
}
