/** Does what a slash command says. */
import type { GatewayPort } from '../guest/gateway-port.ts'
import type { SessionId } from '../../types/index.ts'
import { changeSession } from '../sessions/session-changes.ts'
import { maxListedSessions } from '../limits.ts'
import { sessionTable } from '../view/session-table.ts'
import { statusRows } from '../view/status-text.ts'
import { plainLine, plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'
import { chatHelp } from './chat-commands.ts'
import type { ChatCommand } from './chat-commands.ts'
import type { Screen } from '../screen/screen.ts'
import { askMemory } from './chat-memory.ts'
import { costLines, failureLines } from './chat-text.ts'
import type { Conversation } from './conversation.ts'

interface Obeying {
  readonly gateway: GatewayPort
  readonly conversation: Conversation
  readonly screen: Screen
  readonly leave: () => void
}

const maxNameChars = 40
const maxNoteChars = 200

/** What keeps the session of the chat in order. @returns what was done, in words */
async function keepSession(
  command: Extract<ChatCommand, { kind: 'rename' | 'archive' | 'fork' }>,
  session: SessionId | null,
  gateway: GatewayPort,
  conversation: Conversation,
): Promise<string> {
  if (session === null) return 'no session yet: send a message first'
  if (command.kind === 'rename') {
    if (command.title === '') return 'give a title: /rename Taxes 2026'
    await changeSession(gateway, 'session.rename', { session, title: command.title })
    return `this session is ${JSON.stringify(command.title)} now`
  }
  if (command.kind === 'archive') {
    await changeSession(gateway, 'session.archive', { session, archived: true })
    await conversation.begin('')
    return 'put away; this is a new session'
  }
  const made = await changeSession(gateway, 'session.fork', { session, ...(command.at !== null && { at: command.at }) })
  await conversation.reopen(made.session)
  return 'this session goes on from there; the other one stays as it was'
}

/** @throws OxbowError of the gateway. */
export async function obey(command: ChatCommand, { gateway, conversation, screen, leave }: Obeying): Promise<void> {
  const session = conversation.current()
  switch (command.kind) {
    case 'new':
      return conversation.begin(command.title)
    case 'switch':
      return conversation.reopen(command.prefix)
    case 'sessions': {
      const listed = await gateway.listSessions(maxListedSessions)
      return screen.line(listed.length === 0 ? 'No sessions yet.' : sessionTable(listed))
    }
    case 'rename':
    case 'archive':
    case 'fork':
      return screen.line(`  ${plainLine(await keepSession(command, session?.id ?? null, gateway, conversation), maxNoteChars)}`)
    case 'memory':
      return screen.line(await askMemory(gateway, command.argument))
    case 'attach':
      return screen.line(`  ${plainLine(await conversation.attach(command.path), maxNoteChars)}`)
    case 'cancel':
      if (session === null || !(await gateway.cancelTurn(session.id))) screen.line('  nothing runs')
      return
    case 'cost': {
      const shown = await gateway.call('budget.show', {}, session?.id)
      return screen.line(shown.status === 'ok' ? costLines(shown.output) : failureLines(shown.failure))
    }
    case 'status':
      return screen.line(plainText(table(statusRows(await gateway.status(), 'a file'))))
    case 'help':
      return screen.line(chatHelp)
    case 'quit':
      return leave()
    case 'unknown':
      return screen.line(`  no command /${plainLine(command.name, maxNameChars)}; /help lists them`)
  }
}
