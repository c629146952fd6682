/** Which lease of each user has written last, for a look at a whole cluster. Loaded by `oxbow cluster verify` alone. */
import { openPgDriver } from '../postgres-session.ts'
import { postgresFault } from '../postgres-fault.ts'
import { parseAddress } from '../postgres-address.ts'

/** A guest has written under this lease, and none under a newer one. */
export interface StoredLease {
  readonly user: string
  readonly term: number
  readonly epoch: number
  readonly node: string
}

/** @returns all users that ever ran in a cluster on this server @throws OxbowError */
export async function storedLeases(address: string): Promise<readonly StoredLease[]> {
  const { shown } = parseAddress(address)
  const driver = openPgDriver({ url: address, connections: 2, name: 'oxbow cluster verify' })
  try {
    return await driver.read(async (session) => {
      const [made] = await session.rows({ text: `select to_regclass('cluster_lease') is not null`, values: [] })
      if (made?.[0] !== true) return []
      return session.objects<StoredLease>({
        text: `select "user", "term", "epoch", "node" from "cluster_lease" order by "user"`,
        values: [],
      })
    })
  } catch (error) {
    throw postgresFault(error, shown).error
  } finally {
    await driver.close()
  }
}
