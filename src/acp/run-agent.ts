/**
 * `oxbow acp`: Oxbow as an agent inside an editor. A session of the editor is a session of the guest, with the same id, so it also opens
 * in every other terminal, and what the editor loses is read again from the journal.
 */
import { resolve } from 'node:path'
import type {
  ListSessionsRequest,
  ListSessionsResponse,
  LoadSessionRequest,
  LoadSessionResponse,
  McpServer,
  SessionModeState,
} from '@agentclientprotocol/sdk'
import { plainLine } from '../terminal/index.ts'
import { isUuid, OxbowError, type SessionId, toError } from '../base/index.ts'
import { isMessage, type RecordView, type SessionInfo } from '../protocol/index.ts'
import { allCommands, availableCommands } from './commands.ts'
import type { EditorStreams } from './editor-stream.ts'
import type { Editor } from './editor.ts'
import { createGuestLink, type GuestLink } from './guest-link.ts'
import { listedSessions, maxAskedServers, maxOpenSessions, maxReplayedRecords, recordsPerPage, sessionsPerPage } from './limits.ts'
import { createModelChoice } from './model-option.ts'
import type { AcpPorts, Gateway } from './ports.ts'
import { type AgentHandlers, connectEditor } from './protocol.ts'
import { createEditorServers, type EditorServers } from './servers/editor-servers.ts'
import { createEditorSession, type EditorSession, type ModeId, modes, noSession } from './session.ts'

/** Serves one editor until it has gone. */
export async function runAgent(streams: Pick<EditorStreams, 'input' | 'output'>, ports: AcpPorts): Promise<void> {
  const link = createGuestLink(ports)
  const sessions = new Map<string, EditorSession>()
  const { closed } = connectEditor({ ...streams, log: ports.log }, ports.version, (editor) =>
    createHandlers({ ports, link, sessions, editor, servers: createEditorServers({ editor, link, ports }) }),
  )
  await closed
  for (const session of sessions.values()) session.detach()
  await removeUnused(sessions.values(), link)
  sessions.clear()
  await link.close()
}

/** Deletes the sessions in which nothing was said: editors begin one each time they show their panel. One that stays is no harm. */
async function removeUnused(sessions: Iterable<EditorSession>, link: GuestLink): Promise<void> {
  for (const session of sessions) {
    if (!session.isUnused()) continue
    const gateway = await link.gateway().catch(() => null)
    await gateway?.call('session.delete', { session: session.id }).catch(() => {})
  }
}

interface Parts {
  readonly ports: AcpPorts
  readonly link: GuestLink
  readonly sessions: Map<string, EditorSession>
  readonly editor: Editor
  readonly servers: EditorServers
}

function createHandlers(parts: Parts): AgentHandlers {
  const { ports, link, sessions, editor } = parts
  const openings = createOpenings(parts)
  const find = (id: string): EditorSession => {
    const session = sessions.get(id)
    if (session === undefined) throw noSession(id)
    return session
  }
  return {
    // Started while the editor makes ready; a failure is answered where it matters.
    begin: () => void link.gateway().catch(() => {}),
    ...openings,
    listSessions: async (request) => listSessions(request, await link.gateway(), ports),
    async closeSession(id) {
      const session = find(id)
      session.close()
      sessions.delete(id)
      await removeUnused([session], link)
    },
    async deleteSession(id) {
      if (!isUuid(id)) throw noSession(id)
      sessions.get(id)?.close()
      sessions.delete(id)
      const outcome = await (await link.gateway()).call('session.delete', { session: id })
      if (outcome.status !== 'ok') throw toError(outcome.failure)
    },
    async setMode(id, mode) {
      const known = modes.find((each) => each.id === mode)
      if (known === undefined)
        throw new OxbowError('bad_input', `There is no mode ${mode.slice(0, 50)}.`, { hint: modes.map((each) => each.id).join(', ') })
      await find(id).setMode(known.id)
      editor.update(id, { sessionUpdate: 'current_mode_update', currentModeId: known.id })
    },
    async setOption(id, option, value) {
      const { choice } = find(id)
      await choice.choose(option, value)
      return { configOptions: await choice.options() }
    },
    prompt: async (id, blocks, signal) => find(id).prompt(blocks, signal),
    cancel: (id) => sessions.get(id)?.cancel(),
  }
}

interface Opened {
  readonly cwd: string
  readonly mcpServers: readonly McpServer[]
  readonly isNew: boolean
}

/** New sessions, and those that go on. */
function createOpenings(parts: Parts): Pick<AgentHandlers, 'newSession' | 'loadSession' | 'resumeSession'> {
  const { ports, link, sessions, editor, servers } = parts
  let contextTokens = 0
  const gatewayWithFacts = async (): Promise<Gateway> => {
    const gateway = await link.gateway()
    contextTokens ||= (await gateway.status()).context_tokens ?? 0
    return gateway
  }
  const attach = async (
    id: SessionId,
    { cwd, mcpServers, isNew }: Opened,
    past: readonly RecordView[],
    replays: boolean,
  ): Promise<EditorSession> => {
    if (sessions.size >= maxOpenSessions && !sessions.has(id)) throw tooManySessions()
    sessions.get(id)?.detach()
    const mode = await modeOf(id, await link.gateway())
    // Loaded again by the same editor, it keeps what was chosen there.
    const choice = sessions.get(id)?.choice ?? createModelChoice(link)
    const place = { folder: isNew ? cwd : '', named: { servers: mcpServers, folder: resolve(cwd) } }
    const shared = { editor, link, ports, servers, contextTokens: () => contextTokens }
    const session = createEditorSession({ id, isNew, ...shared, ...place, mode, choice })
    if (replays) session.replay(past)
    await session.follow(past)
    sessions.set(id, session)
    return session
  }
  const greet = ({ id }: EditorSession, named: readonly McpServer[]): void => {
    editor.update(id, { sessionUpdate: 'available_commands_update', availableCommands })
    void showCommands(id, parts)
    const addresses = named.filter((server) => !('command' in server))
    if (addresses.length === 0) return
    const notice = noticeOf(addresses)
    ports.log(notice)
    editor.update(id, { sessionUpdate: 'agent_message_chunk', content: { type: 'text', text: `*${notice}*\n\n` } })
  }
  const open = async ({ sessionId, cwd, mcpServers }: LoadSessionRequest, replays: boolean): Promise<LoadSessionResponse> => {
    if (!isUuid(sessionId)) throw noSession(sessionId)
    const past = await readPast(await gatewayWithFacts(), sessionId as SessionId, replays ? maxReplayedRecords : 1)
    const session = await attach(sessionId as SessionId, { cwd, mcpServers, isNew: false }, past, replays)
    greet(session, mcpServers)
    await editor.written()
    return { modes: modesOf(session), configOptions: await session.choice.options() }
  }
  return {
    async newSession({ cwd, mcpServers }) {
      const made = await (await gatewayWithFacts()).call('session.create', { folder: resolve(cwd) })
      if (made.status !== 'ok') throw toError(made.failure)
      const { id } = made.output
      const session = await attach(id, { cwd, mcpServers, isNew: true }, [], false)
      const configOptions = await session.choice.options()
      // An editor learns the id by the answer, and takes no update before it.
      setImmediate(() => greet(session, mcpServers))
      return { sessionId: id, modes: modesOf(session), configOptions }
    },
    loadSession: (request) => open(request, true),
    resumeSession: (request) => open(request, false),
  }
}

/** Shows the commands of the person as well: they may take hands, which have to start. Never throws. */
async function showCommands(id: SessionId, { ports, link, sessions, editor }: Parts): Promise<void> {
  try {
    const all = await allCommands(await link.gateway())
    if (all.length > availableCommands.length) editor.update(id, { sessionUpdate: 'available_commands_update', availableCommands: all })
  } catch (error) {
    // An editor that has gone needs none.
    if (sessions.has(id)) ports.log(`The commands are not known: ${String(error)}`)
  }
}

/** @returns how strict the session is for everybody @throws OxbowError: one that cannot tell must not look like the usual mode */
async function modeOf(session: SessionId, gateway: Gateway): Promise<ModeId> {
  const outcome = await gateway.call('session.mode', { session })
  if (outcome.status !== 'ok') throw toError(outcome.failure)
  const { mode } = outcome.output
  return modes.some(({ id }) => id === mode) ? mode : 'read_only'
}

function modesOf(session: EditorSession): SessionModeState {
  return { currentModeId: session.mode() satisfies ModeId, availableModes: modes.map((mode) => ({ ...mode })) }
}

async function listSessions({ cursor, cwd }: ListSessionsRequest, gateway: Gateway, ports: AcpPorts): Promise<ListSessionsResponse> {
  const from = cursor === null || cursor === undefined ? 0 : Number(cursor)
  if (!Number.isSafeInteger(from) || from < 0)
    throw new OxbowError('bad_input', 'This cursor is unknown.', { hint: 'Leave it out, or send `nextCursor` of the last answer.' })
  const outcome = await gateway.call('session.list', { limit: listedSessions })
  if (outcome.status !== 'ok') throw toError(outcome.failure)
  // Sessions of other terminals are in the workspace.
  const own = ports.ownPath('/shared') ?? '/'
  const wanted = cwd === null || cwd === undefined ? null : resolve(cwd)
  const all = outcome.output
    .filter(({ turns, busy }) => turns > 0 || busy)
    .map((info) => listed(info, own))
    .filter((session) => wanted === null || session.cwd === wanted)
  const page = all.slice(from, from + sessionsPerPage)
  return { sessions: page, ...(from + sessionsPerPage < all.length && { nextCursor: String(from + sessionsPerPage) }) }
}

function listed({ id, title, active_at: at, folder }: SessionInfo, own: string) {
  return { sessionId: id, cwd: folder ?? own, title, updatedAt: new Date(at).toISOString() }
}

/** Tells editors that Oxbow does not take these: what is sent to an address leaves this machine. */
function noticeOf(servers: readonly McpServer[]): string {
  const shown = servers.slice(0, maxAskedServers).map(({ name }) => plainLine(name, 50))
  const names = [...shown, ...(servers.length > shown.length ? [`${servers.length - shown.length} more`] : [])].join(', ')
  return `Not connected: the MCP servers of the editor that have an address (${names}): \`oxbow servers add NAME --url URL\`, then \`oxbow servers approve NAME\`.`
}

/** @returns the newest records of a session, oldest first, from the beginning of a turn */
async function readPast(gateway: Gateway, session: SessionId, most: number): Promise<readonly RecordView[]> {
  let records: readonly RecordView[] = []
  let before: number | undefined
  do {
    const limit = Math.min(recordsPerPage, most)
    const outcome = await gateway.call('session.records', { session, limit, ...(before !== undefined && { before }) })
    if (outcome.status !== 'ok') throw toError(outcome.failure)
    const page = outcome.output
    records = [...page.records, ...records]
    if (page.next === null) return records
    before = page.next
  } while (records.length < most)
  const begins = records.findIndex(isMessage)
  return begins > 0 && most > 1 ? records.slice(begins) : records
}

function tooManySessions(): OxbowError {
  return new OxbowError('limit_reached', `The editor has ${maxOpenSessions} sessions open.`, { hint: 'Close some: session/close.' })
}
