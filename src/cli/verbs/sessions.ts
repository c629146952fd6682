/** `oxbow sessions`: newest activity first. */
import { withGuest } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { sessionTable } from '../view/session-table.ts'

export interface SessionsOptions extends GuestChoice {
  readonly json?: boolean | undefined
  readonly limit: number
}

/** @returns the exit code. */
export async function sessions(options: SessionsOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const listed = await gateway.listSessions(options.limit)
    if (options.json === true) for (const session of listed) printLine(terminal, JSON.stringify(session))
    else printLine(terminal, listed.length === 0 ? 'No sessions yet. `oxbow` starts one.' : sessionTable(listed))
    return 0
  })
}
