/** Guests that run take over each change of the installed plugins. */
import { type Client, connect } from '../../client/index.ts'
import { findGuest, type Home, openWorkspace, usersOf } from '../../runner/index.ts'
import { toError, toFailure } from '../../base/index.ts'
import { restartGuest } from '../kernel/call.ts'
import type { Terminal } from '../terminal.ts'

export interface SyncProblem {
  /** Empty: a whole guest. */
  readonly plugin: string
  readonly why: string
}

/**
 * Has every guest that runs take over the change; the others read it when they start.
 * @param restart for changed rights, which a guest reads when it starts @param removed plugins that are gone for good
 * @returns what did not work
 */
export async function syncGuests(
  home: Home,
  terminal: Terminal,
  { restart = false, removed = [] }: { readonly restart?: boolean; readonly removed?: readonly string[] } = {},
): Promise<SyncProblem[]> {
  return eachGuest(home, terminal, async (gateway) => {
    const synced = await gateway.call('plugin.sync', { removed: [...removed] })
    if (synced.status !== 'ok') throw toError(synced.failure)
    if (restart) await restartGuest(gateway)
    return (synced.output as { readonly problems: Readonly<Record<string, string>> }).problems
  })
}

/** @param work resolves with problems by plugin */
async function eachGuest(
  home: Home,
  terminal: Terminal,
  work: (gateway: Client) => Promise<Readonly<Record<string, string>> | void>,
): Promise<SyncProblem[]> {
  const problems: SyncProblem[] = []
  for (const user of usersOf(home)) {
    const guest = await findGuest(openWorkspace(home, user))
    if (guest === null) continue
    try {
      const gateway = await connect({ url: guest.url, token: guest.token, client: `oxbow-cli ${terminal.version}` })
      try {
        problems.push(...Object.entries((await work(gateway)) ?? {}).map(([plugin, why]) => ({ plugin, why })))
      } finally {
        await gateway.close()
      }
    } catch (error) {
      const { message } = toFailure(error, 'internal_failure', '')
      problems.push({ plugin: '', why: `the guest of ${user}: ${message}; oxbow restart makes it take over the change` })
    }
  }
  return problems
}
