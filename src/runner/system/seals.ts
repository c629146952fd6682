/** Root's seals on the journals of users: a key for each, and the heads it has signed. What they sign is what users' guests report. */
import { join } from 'node:path'
import { systemClock, type UserId } from '../../base/index.ts'
import type { NewestHead } from '../../protocol/index.ts'
import { operation, type Operations, usersMeant } from '../daemon/operations.ts'
import { type HeadSigner, openHeadSigner, readSeal, signExport, signRestore } from '../heads/head-signing.ts'
import { type Home, makeFolder } from '../home.ts'

/** The one Oxbow user of a home in system mode. */
export const systemUser = 'default' as UserId

/** A page of heads fits a message. */
const pageLines = 150

export interface Seals {
  open(user: string): HeadSigner
  newest(user: string): NewestHead | null
  readonly operations: Operations
}

/** @param runner folder of the daemon */
export function openSeals(runner: string, users: () => readonly string[]): Seals {
  const homeOf = (user: string): Home => {
    const folder = join(runner, 'seals', user)
    makeFolder(folder)
    return { root: folder, runner: folder, compileCache: folder, catalog: folder, machineConfig: '', system: null, variables: {} }
  }
  const open = (user: string): HeadSigner => openHeadSigner(homeOf(user), systemUser, systemClock)
  return {
    open,
    newest: (user) => open(user).newest(),
    operations: {
      ...operation('seal', async ({ user, from }, caller) => {
        const { lines, count, publicKey } = readSeal(homeOf(usersMeant({ user }, caller, users)[0]!), systemUser)
        const page = lines.slice(from, from + pageLines)
        return { lines: [...page], count, public_key: publicKey, more: from + page.length < lines.length }
      }),
      ...operation('sign_export', async ({ user, lines, ...end }, caller) => {
        const home = homeOf(usersMeant({ user }, caller, users)[0]!)
        const seal = readSeal(home, systemUser)
        const signed = signExport(home, systemUser, { ...seal, lines: seal.lines.slice(0, lines) }, end)
        return { signature: signed.end.signature }
      }),
      ...operation('sign_restore', async ({ user, restore }, caller) => {
        signRestore(homeOf(usersMeant({ user }, caller, users)[0]!), systemUser, systemClock, restore)
        return {}
      }),
    },
  }
}
