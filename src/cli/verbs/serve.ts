/** `oxbow serve`: a guest without a terminal, until Ctrl+C. */
import { ensureGuest } from '../../runner/index.ts'
import { OxbowError } from '../../types/index.ts'
import { printFailure, printLine, type Terminal } from '../terminal.ts'
import { type GuestChoice, guestSetup } from '../guest-connection.ts'
import { onInterrupt } from '../input.ts'

export async function serve(choice: GuestChoice, terminal: Terminal): Promise<number> {
  const options = guestSetup(choice, terminal)
  const stopped = new Promise<null>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(null))
    onInterrupt(() => resolve(null))
  })
  const guest = await ensureGuest(options)
  if (!guest.owned) {
    throw new OxbowError('workspace_busy', `process ${guest.pid} already serves this workspace at ${guest.url}`, {
      hint: `Use it, or stop it first: kill ${guest.pid}`,
    })
  }
  printLine(terminal, `gateway  ${guest.url}\ntoken    ${options.workspace.ipc}/token\npid      ${guest.pid}\nCtrl+C stops it.`)
  const failure = await Promise.race([guest.gone, stopped])
  await guest.stop()
  return failure === null ? 0 : printFailure(terminal, failure)
}
