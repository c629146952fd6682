/** `oxbow chat`, also the verb of `oxbow` alone. */
import { configFiles, usersFolder } from '../../runner/index.ts'
import type { Failure } from '../../types/index.ts'
import { runChat } from '../chat/chat-loop.ts'
import { banner } from '../chat/chat-text.ts'
import { createConnectionNews } from '../chat/connection-news.ts'
import { printFailure } from '../failure-report.ts'
import { orphaned, withConnection } from '../guest/guest-connection.ts'
import type { Connection, GuestChoice } from '../guest/guest-connection.ts'
import { readRecent } from '../guest/recent-records.ts'
import { setupLookMs } from '../limits.ts'
import { createPlainScreen } from '../screen/plain-screen.ts'
import { createTtyScreen } from '../screen/tty-screen.ts'
import { columnsOf, isInteractive, printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { lookForServices, needsSetup } from '../chat/first-setup.ts'
import { askCatalog } from './models.ts'

export interface ChatOptions extends GuestChoice {
  readonly session?: string | undefined
}

/** @returns the exit code. */
export async function chat(options: ChatOptions, terminal: Terminal): Promise<number> {
  let { session } = options
  const onSession = (id: string): void => void (session = id)
  for (let isFirst = true; ; isFirst = false) {
    const failure = await chatOnce({ ...options, session }, terminal, { isFirst, onSession })
    if (failure === null) return 0
    // A pipe has read on in its input, and what is lost of it cannot be told.
    if (failure !== orphaned || !isInteractive(terminal)) return printFailure(terminal, failure)
    printText(terminal, '  — the guest has ended with the terminal that had started it; this one starts another —')
  }
}

interface Round {
  /** The person has not been greeted yet. */
  readonly isFirst: boolean
  readonly onSession: (id: string) => void
}

function chatOnce(options: ChatOptions, terminal: Terminal, { isFirst, onSession }: Round): Promise<Failure | null> {
  return withConnection(options, terminal, async (connection) => {
    const { gateway, setup } = connection
    const status = await gateway.status()
    if (isFirst) printLine(terminal, banner(status, terminal.version, columnsOf(terminal.output)))
    const person = isInteractive(terminal)
    const makeScreen = person ? createTtyScreen : createPlainScreen
    return runChat({
      gateway,
      makeScreen: (events) => makeScreen(terminal.input, terminal.output, events),
      recent: (session) => readRecent(setup, session.id),
      model: options.model,
      user: options.user,
      session: options.session,
      onSession,
      workspaces: usersFolder(setup.home),
      oneByOne: !person,
      now: () => performance.now(),
      gone: connection.gone,
      news(tell) {
        // Output that goes into a pipe is the conversation alone.
        const connectionNews = createConnectionNews(person ? tell : () => {})
        connection.onConnection(connectionNews)
        const { config } = setup
        if (person && needsSetup({ status, config, env: terminal.env })) void tellOfServices(connection, options, terminal, tell)
      },
    })
  })
}

async function tellOfServices({ setup }: Connection, choice: GuestChoice, terminal: Terminal, tell: (text: string) => void) {
  const [shared] = configFiles(setup.home, setup.workspace)
  const asked = askCatalog({ ask: 'models', provider: '', discover: true }, choice, terminal)
  const text = await lookForServices(asked, shared?.path ?? 'config.toml', setupLookMs)
  if (text !== null) tell(text)
}
