/**
 * The key files of a cluster's users, sealed: what opens them is on the nodes alone (`src/cluster/user-keys.ts`), so the database has both a secret and
 * its key, and can read neither.
 */
import { openPgDriver } from '../postgres-session.ts'
import { makeClusterTables } from '../lease-fence.ts'
import { isNoTable, postgresFault } from '../postgres-fault.ts'
import { parseAddress } from '../postgres-address.ts'

export interface SealedKeys {
  /** @returns null: the user has none yet */
  read(user: string): Promise<Buffer | null>
  /** Where the user has none yet. @returns what is there then, which another node may have put there first */
  first(user: string, sealed: Uint8Array): Promise<Buffer>
  replace(user: string, sealed: Uint8Array): Promise<void>
  close(): Promise<void>
}

const readText = 'select "sealed" from "cluster_key" where "user" = $1'
const firstText = `insert into "cluster_key" ("user", "sealed") values ($1, $2) on conflict do nothing`
const replaceText = `insert into "cluster_key" ("user", "sealed") values ($1, $2) on conflict ("user") do update set "sealed" = excluded."sealed"`

/** Connects with the first question; each fails with an OxbowError. @throws OxbowError `bad_config` for text that is no address */
export function openSealedKeys(address: string): SealedKeys {
  const { shown } = parseAddress(address)
  const driver = openPgDriver({ url: address, connections: 1, name: 'oxbow-keys' })
  const ask = (text: string, values: readonly unknown[]): Promise<unknown[][]> =>
    driver.read(async (session) => {
      try {
        return await session.rows({ text, values })
      } catch (error) {
        if (!isNoTable(error)) throw error
        if (text === readText) return []
        await makeClusterTables(session)
        return session.rows({ text, values })
      }
    })
  const run = (text: string, values: readonly unknown[]): Promise<unknown[][]> =>
    ask(text, values).catch((error: unknown) => {
      throw postgresFault(error, shown).error
    })
  const read = async (user: string): Promise<Buffer | null> => {
    const [row] = await run(readText, [user])
    return row === undefined ? null : Buffer.from(row[0] as Uint8Array)
  }
  return {
    read,
    async first(user, sealed) {
      await run(firstText, [user, sealed])
      return (await read(user))!
    },
    async replace(user, sealed) {
      await run(replaceText, [user, sealed])
    },
    close: () => driver.close(),
  }
}
