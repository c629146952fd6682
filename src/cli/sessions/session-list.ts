/** `oxbow sessions`: newest activity first. */
import { withGuest } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { listSessions } from '../guest/session-choice.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { sessionTable } from '../view/session-table.ts'

export interface SessionsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly limit: number
  readonly archived?: boolean | undefined
  readonly search?: string | undefined
}

/** @returns the exit code. */
export async function sessions(options: SessionsOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const listed = await listSessions(gateway, options.limit, options)
    if (options.json === true) for (const session of listed) printLine(terminal, JSON.stringify(session))
    else printText(terminal, listed.length === 0 ? noneFound(options) : sessionTable(listed))
    return 0
  })
}

function noneFound({ search }: SessionsOptions): string {
  return search === undefined ? 'No sessions yet. `oxbow` starts one.' : 'No session has these words in its title.'
}
