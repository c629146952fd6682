/** `oxbow chat`, also the verb of `oxbow` alone. */
import { chat as runChat } from '../chat/chat-loop.ts'
import { banner } from '../chat/chat-text.ts'
import { createPlainScreen } from '../screen/plain-screen.ts'
import { createTtyScreen } from '../screen/tty-screen.ts'
import { printFailure } from '../failure-report.ts'
import { withGuest } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { readRecent } from '../guest/recent-records.ts'
import { isInteractive, printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'

export interface ChatOptions extends GuestChoice {
  readonly session?: string | undefined
}

/** @returns the exit code. */
export async function chat(options: ChatOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway, guest, options: guestOptions }) => {
    printLine(terminal, banner(await gateway.status(), terminal.version))
    const person = isInteractive(terminal)
    const makeScreen = person ? createTtyScreen : createPlainScreen
    const failure = await runChat({
      gateway,
      makeScreen: (events) => makeScreen(terminal.input, terminal.output, events),
      recent: (session) => readRecent(guestOptions, session.id),
      model: options.model,
      session: options.session,
      oneByOne: !person,
      now: () => performance.now(),
      gone: guest.gone,
    })
    return failure === null ? 0 : printFailure(terminal, failure)
  })
}
