/**
 * Several servers in one address, `postgres://user@one:5432,two:5432/database`, as libpq has it with `target_session_attrs=read-write`: the one
 * that accepts writes is used, for reading too, so that nobody reads what a standby does not have yet. After a failover the next connection
 * finds the new primary. The driver knows one server only.
 */
import pg from 'pg'

const separator = ' '

/** @returns the address once for each of its servers; as it is where it names one */
export function splitServers(address: string): readonly string[] {
  const [, before = '', hosts = '', behind = ''] = /^([a-z]+:\/\/(?:[^/?#]*@)?)([^/?#]*)(.*)$/is.exec(address) ?? []
  if (!hosts.includes(',')) return [address]
  return hosts.split(',').map((host) => `${before}${host}${behind}`)
}

/** As one text, which no address contains. */
export const joinServers = (addresses: readonly string[]): string => addresses.join(separator)

export interface Servers {
  connect(): Promise<pg.Client>
  /** From a pool of the server that accepts writes. */
  lend(): Promise<pg.PoolClient>
  close(): Promise<void>
}

/** @param joined of `joinServers` */
export function openServers(joined: string, config: pg.ClientConfig, poolSize: Pick<pg.PoolConfig, 'max' | 'idleTimeoutMillis'>): Servers {
  const addresses = joined.split(separator)
  const isChoice = addresses.length > 1
  const pools = addresses.map((connectionString) => {
    const verify = (client: pg.ClientBase, done: (error?: Error) => void): void =>
      void assertPrimary(client).then(
        () => done(),
        (error: Error) => done(error),
      )
    const pool = new pg.Pool({ ...config, ...poolSize, connectionString, ...(isChoice && { verify }) })
    // An idle connection that is lost leaves the pool; the next request gets another.
    pool.on('error', () => {})
    return pool
  })
  /** Worked last. */
  let current = 0
  /** The failure of a server that is not there says less than the one of a standby. */
  const first = async <Found>(ask: (at: number) => Promise<Found>): Promise<Found> => {
    const order = addresses.map((_, tries) => (current + tries) % addresses.length)
    let failure: unknown = null
    for (const at of order) {
      try {
        const found = await ask(at)
        current = at
        return found
      } catch (error) {
        failure = failure === null || isStandby(error) ? error : failure
      }
    }
    throw failure
  }
  return {
    connect: () =>
      first(async (at) => {
        const client = new pg.Client({ ...config, connectionString: addresses[at]! })
        client.on('error', () => {})
        try {
          await client.connect()
          if (isChoice) await assertPrimary(client)
          return client
        } catch (error) {
          void client.end().catch(() => {})
          throw error
        }
      }),
    lend: () => first((at) => pools[at]!.connect()),
    close: async () => void (await Promise.all(pools.map((pool) => pool.end().catch(() => {})))),
  }
}

/** SQLSTATE of what a standby refuses. */
const readOnly = '25006'

const isStandby = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === readOnly

async function assertPrimary(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<[boolean]>({ text: 'select pg_is_in_recovery()', rowMode: 'array' })
  if (rows[0]?.[0] !== true) return
  throw Object.assign(new pg.DatabaseError('this server is a standby', 0, 'error'), { code: readOnly, severity: 'FATAL' })
}
