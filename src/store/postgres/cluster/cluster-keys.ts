/**
 * The key files of a cluster's users, sealed: what opens them is on the nodes alone (`src/cluster/user-keys.ts`), so the database has both a secret and
 * its key, and can read neither.
 */
import { openPgDriver } from '../postgres-session.ts'
import { postgresFault } from '../postgres-fault.ts'
import { parseAddress } from '../postgres-address.ts'

export interface SealedKeys {
  /** @returns null: the user has none yet */
  read(user: string): Promise<Buffer | null>
  /** Where the user has none yet. @returns what is there then, which another node may have put there first */
  first(user: string, sealed: Uint8Array): Promise<Buffer>
  replace(user: string, sealed: Uint8Array): Promise<void>
  close(): Promise<void>
}

const tableText = `begin; select pg_advisory_xact_lock(hashtextextended('oxbow.cluster', 0));
  create table if not exists "cluster_key" ("user" text primary key, "sealed" bytea not null); commit`
const readText = 'select "sealed" from "cluster_key" where "user" = $1'
const firstText = `insert into "cluster_key" ("user", "sealed") values ($1, $2) on conflict do nothing`
const replaceText = `insert into "cluster_key" ("user", "sealed") values ($1, $2) on conflict ("user") do update set "sealed" = excluded."sealed"`

const noTable = '42P01'

/** Connects with the first question; each fails with an OxbowError. @throws OxbowError `bad_config` for text that is no address */
export function openSealedKeys(address: string): SealedKeys {
  const { shown } = parseAddress(address)
  const driver = openPgDriver({ url: address, connections: 1, name: 'oxbow-keys' })
  const run = async (text: string, values: readonly unknown[]): Promise<unknown[][]> => {
    try {
      return await driver.read((session) => session.rows({ text, values }))
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === noTable)) throw postgresFault(error, shown).error
      if (text === readText) return []
      await driver.read((session) => session.exec(tableText))
      return driver.read((session) => session.rows({ text, values }))
    }
  }
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
