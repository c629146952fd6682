/**
 * The Agent Client Protocol, version 1. The only file that loads its SDK: requests of the editor become calls of handlers, failures its
 * errors, and updates leave in order, joined where the editor reads more slowly than the agent writes.
 */
import {
  agent,
  type AgentContext,
  type ClientCapabilities,
  type ContentBlock,
  type InitializeResponse,
  type ListSessionsRequest,
  type ListSessionsResponse,
  type LoadSessionRequest,
  type LoadSessionResponse,
  methods,
  type NewSessionRequest,
  type NewSessionResponse,
  type PromptResponse,
  PROTOCOL_VERSION,
  RequestError,
  type SessionUpdate,
  type SetSessionConfigOptionResponse,
} from '@agentclientprotocol/sdk'
import { failureSentences, isOxbowError } from '../base/index.ts'
import { createEditorStream, type EditorStreams } from './editor-stream.ts'
import type { CommandEnd, EditorMachine } from './editor-tools.ts'
import type { Editor } from './editor.ts'
import { editorTimeoutMs, maxToolChars, maxUnsentBytes } from './limits.ts'

/** What the editor asks for. Each throws OxbowError, or what the SDK throws. */
export interface AgentHandlers {
  begin(): void
  newSession(request: NewSessionRequest): Promise<NewSessionResponse>
  loadSession(request: LoadSessionRequest): Promise<LoadSessionResponse>
  /** As `loadSession`, without the past. */
  resumeSession(request: LoadSessionRequest): Promise<LoadSessionResponse>
  listSessions(request: ListSessionsRequest): Promise<ListSessionsResponse>
  closeSession(session: string): Promise<void>
  deleteSession(session: string): Promise<void>
  setMode(session: string, mode: string): Promise<void>
  setOption(session: string, option: string, value: unknown): Promise<SetSessionConfigOptionResponse>
  prompt(session: string, blocks: readonly ContentBlock[], signal: AbortSignal): Promise<PromptResponse>
  cancel(session: string): void
}

export interface EditorConnection {
  readonly editor: Editor
  /** Resolves when the editor has gone. */
  readonly closed: Promise<void>
  close(): void
}

export function connectEditor(streams: EditorStreams, version: string, handlersFor: (editor: Editor) => AgentHandlers): EditorConnection {
  let capabilities: ClientCapabilities = {}
  const context = (): AgentContext => connection.client
  const outgoing = createOutgoing(
    (session, update) => context().notify(methods.client.session.update, { sessionId: session, update }),
    () => connection.close(new Error('the editor does not read')),
    streams.log,
  )
  const editor: Editor = {
    capabilities: () => capabilities,
    update: outgoing.add,
    written: outgoing.written,
    async ask(request, signal) {
      await outgoing.written()
      return context().request(methods.client.session.requestPermission, request, { cancellationSignal: signal, stopWaitingOnCancel: true })
    },
    async elicit(request, signal) {
      await outgoing.written()
      return context().request(methods.client.elicitation.create, request, { cancellationSignal: signal, stopWaitingOnCancel: true })
    },
    machine: (session) => createMachine(context, session),
  }
  const connection = appOf(version, handlersFor(editor), (found) => (capabilities = found)).connect(createEditorStream(streams))
  return { editor, closed: connection.closed, close: () => connection.close() }
}

function appOf(version: string, handlers: AgentHandlers, onCapabilities: (capabilities: ClientCapabilities) => void) {
  const { session } = methods.agent
  return agent({ name: 'oxbow' })
    .onRequest(methods.agent.initialize, ({ params }) => {
      onCapabilities(params.clientCapabilities ?? {})
      handlers.begin()
      return describeAgent(version)
    })
    .onRequest(methods.agent.authenticate, () => ({}))
    .onRequest(session.new, ({ params }) => typed(handlers.newSession(params)))
    .onRequest(session.load, ({ params }) => typed(handlers.loadSession(params)))
    .onRequest(session.resume, ({ params }) => typed(handlers.resumeSession({ ...params, mcpServers: params.mcpServers ?? [] })))
    .onRequest(session.list, ({ params }) => typed(handlers.listSessions(params)))
    .onRequest(session.close, async ({ params }) => {
      await typed(handlers.closeSession(params.sessionId))
      return {}
    })
    .onRequest(session.delete, async ({ params }) => {
      await typed(handlers.deleteSession(params.sessionId))
      return {}
    })
    .onRequest(session.setMode, async ({ params }) => {
      await typed(handlers.setMode(params.sessionId, params.modeId))
      return {}
    })
    .onRequest(session.setConfigOption, ({ params }) => typed(handlers.setOption(params.sessionId, params.configId, params.value)))
    .onRequest(session.prompt, ({ params, signal }) => typed(handlers.prompt(params.sessionId, params.prompt, signal)))
    .onNotification(session.cancel, ({ params }) => handlers.cancel(params.sessionId))
}

/** The version is answered as it is, whatever the editor asked for: one that does not know it leaves. */
function describeAgent(version: string): InitializeResponse {
  return {
    protocolVersion: PROTOCOL_VERSION,
    agentInfo: { name: 'oxbow', title: 'Oxbow', version },
    agentCapabilities: {
      loadSession: true,
      promptCapabilities: { image: true, audio: true, embeddedContext: true },
      mcpCapabilities: { http: false, sse: false },
      sessionCapabilities: { list: {}, resume: {}, close: {}, delete: {} },
    },
    authMethods: [],
  }
}

/** Failures of Oxbow as errors of the protocol: what happened and what to do, and the code in `data`. */
async function typed<Value>(answer: Promise<Value>): Promise<Value> {
  try {
    return await answer
  } catch (error) {
    if (!isOxbowError(error)) throw error
    const numbers: Readonly<Record<string, number>> = {
      not_found: -32_002,
      bad_input: -32_602,
      limit_reached: -32_602,
      unauthenticated: -32_000,
    }
    throw new RequestError(numbers[error.code] ?? -32_603, failureSentences(error), { code: error.code })
  }
}

interface Outgoing {
  add(session: string, update: SessionUpdate): void
  written(): Promise<void>
}

function createOutgoing(
  send: (session: string, update: SessionUpdate) => Promise<void>,
  onStuck: () => void,
  log: (text: string) => void,
): Outgoing {
  let waiting: { session: string; update: SessionUpdate; bytes: number }[] = []
  let bytes = 0
  let isPumping = false
  let hasEnded = false
  let idle: (() => void)[] = []
  const end = (): void => {
    hasEnded = true
    waiting = []
  }
  const pump = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await send(next.session, next.update)
      bytes -= next.bytes
    }
  }
  const start = (): void => {
    if (isPumping) return
    isPumping = true
    // What comes in the same turn of the event loop is joined.
    queueMicrotask(() => {
      // A connection that has ended takes nothing more.
      void pump()
        .catch(end)
        .finally(() => {
          isPumping = false
          if (waiting.length > 0) return start()
          for (const resolve of idle.splice(0)) resolve()
        })
    })
  }
  return {
    add(session, update) {
      if (hasEnded) return
      const last = waiting.at(-1)
      const joined = last?.session === session ? joinChunks(last.update, update) : null
      const added = sizeOf(update)
      bytes += added
      if (joined !== null && last !== undefined) Object.assign(last, { update: joined, bytes: last.bytes + added })
      else waiting.push({ session, update, bytes: added })
      if (bytes <= maxUnsentBytes) return start()
      log('The editor does not read what it is sent; its connection is closed. The sessions are kept.')
      end()
      onStuck()
    },
    written: () => new Promise((resolve) => (isPumping ? void idle.push(resolve) : resolve())),
  }
}

/** @returns both as one piece of text, or null where they are not parts of the same */
function joinChunks(a: SessionUpdate, b: SessionUpdate): SessionUpdate | null {
  if (a.sessionUpdate !== 'agent_message_chunk' || b.sessionUpdate !== 'agent_message_chunk' || a.messageId !== b.messageId) return null
  if (a.content.type !== 'text' || b.content.type !== 'text') return null
  return { ...a, content: { type: 'text', text: a.content.text + b.content.text } }
}

/** Roughly, in memory; without writing it as JSON twice. */
function sizeOf(update: SessionUpdate): number {
  if ('content' in update && update.content !== null && typeof update.content === 'object' && 'text' in update.content)
    return 200 + 2 * update.content.text.length
  return 2 * JSON.stringify(update).length
}

function createMachine(context: () => AgentContext, sessionId: string): EditorMachine {
  const { fs } = methods.client
  const limited = (signal: AbortSignal) => ({
    cancellationSignal: AbortSignal.any([signal, AbortSignal.timeout(editorTimeoutMs)]),
    stopWaitingOnCancel: true,
  })
  return {
    async readFile(path, line, limit, signal) {
      const { content } = await context().request(fs.readTextFile, { sessionId, path, line, limit }, limited(signal))
      return content
    },
    async writeFile(path, content, signal) {
      await context().request(fs.writeTextFile, { sessionId, path, content }, limited(signal))
    },
    async run({ command, args, cwd }, call, signal): Promise<CommandEnd> {
      const outputByteLimit = maxToolChars
      await using terminal = await context().createTerminal({ sessionId, command, args: [...args], cwd, outputByteLimit }, limited(signal))
      const content = [{ type: 'terminal' as const, terminalId: terminal.id }]
      const update = { sessionUpdate: 'tool_call_update' as const, toolCallId: call, status: 'in_progress' as const, content }
      await context().notify(methods.client.session.update, { sessionId, update })
      // Releasing it kills what still runs.
      const { exitCode, signal: killed } = await untilAborted(terminal.waitForExit(), signal)
      const { output, truncated } = await terminal.currentOutput()
      return {
        output,
        truncated,
        exit: killed === null || killed === undefined ? `exit code ${exitCode ?? 'unknown'}` : `ended by ${killed}`,
      }
    },
  }
}

async function untilAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  const aborted = Promise.withResolvers<never>()
  const stop = (): void => aborted.reject(new Error('The command was stopped.'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
