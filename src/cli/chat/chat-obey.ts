/** Does what a slash command says. */
import type { GatewayPort } from '../guest/gateway-port.ts'
import { maxListedSessions } from '../limits.ts'
import { sessionTable } from '../view/session-table.ts'
import { plainLine } from '../view/terminal-text.ts'
import { chatHelp } from './chat-commands.ts'
import type { ChatCommand } from './chat-commands.ts'
import type { Screen } from '../screen/screen.ts'
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
    case 'attach':
      return screen.line(`  ${plainLine(await conversation.attach(command.path), maxNoteChars)}`)
    case 'cancel':
      if (session === null || !(await gateway.cancelTurn(session.id))) screen.line('  nothing runs')
      return
    case 'cost': {
      const shown = await gateway.call('budget.show', {}, session?.id)
      return screen.line(shown.status === 'ok' ? costLines(shown.output) : failureLines(shown.failure))
    }
    case 'help':
      return screen.line(chatHelp)
    case 'quit':
      return leave()
    case 'unknown':
      return screen.line(`  no command /${plainLine(command.name, maxNameChars)}; /help lists them`)
  }
}
