/**
 * Several servers in one address, `postgres://user@one:5432,two:5432/database`, as libpq has it with `target_session_attrs=read-write`: the one
 * that accepts writes is used, for reading too, so that nobody reads what a standby does not have yet. After a failover the next connection
 * finds the new primary. The driver knows one server only.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'

export interface Servers {
  connect(): Promise<pg.Client>
  /** From a pool of the server that accepts writes. */
  lend(): Promise<pg.PoolClient>
  close(): Promise<void>
}

/** @param addresses of `parseAddress` */
export function openServers(
  addresses: readonly string[],
  config: pg.ClientConfig,
  poolSize: Pick<pg.PoolConfig, 'max' | 'idleTimeoutMillis'>,
): Servers {
  const isChoice = addresses.length > 1
  const pools = addresses.map((connectionString) => openPool({ ...config, ...poolSize, connectionString }, isChoice))
  /** Worked last. */
  let current = 0
  /** A server that is gone answers nothing, and its name may not even be found: the next one is asked meanwhile. */
  const first = async <Found>(ask: (at: number) => Promise<Found>, undo: (found: Found) => void): Promise<Found> => {
    if (!isChoice) return ask(0)
    let isFound = false
    const pending: Promise<Found>[] = []
    for (const at of addresses.map((_, place) => (current + place) % addresses.length)) {
      const attempt = ask(at).then((found) => {
        if (isFound) {
          undo(found)
          throw new Error('another server was found first')
        }
        isFound = true
        current = at
        return found
      })
      pending.push(attempt)
      const found = await Promise.race([
        attempt.then(
          (value) => ({ value }),
          () => null,
        ),
        pause(nextServerMs, null, { ref: false }),
      ])
      if (found !== null) return found.value
    }
    return Promise.any(pending).catch((error: AggregateError) => {
      // The failure of a server that is not there says less than the one of a standby.
      throw error.errors.find(isStandby) ?? error.errors[0]
    })
  }
  return {
    connect: () =>
      first(
        async (at) => {
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
        },
        (late) => void late.end().catch(() => {}),
      ),
    lend: () =>
      first(
        (at) => pools[at]!.connect(),
        (late) => late.release(),
      ),
    close: async () => void (await Promise.all(pools.map((pool) => pool.end().catch(() => {})))),
  }
}

function openPool(config: pg.PoolConfig, isChoice: boolean): pg.Pool {
  const verify = (client: pg.ClientBase, done: (error?: Error) => void): void =>
    void assertPrimary(client).then(
      () => done(),
      (error: Error) => done(error),
    )
  const pool = new pg.Pool({ ...config, ...(isChoice && { verify }) })
  // An idle connection that is lost leaves the pool; the next request gets another.
  pool.on('error', () => {})
  return pool
}

/** A server that is there has answered by then. */
const nextServerMs = 300

/** SQLSTATE of what a standby refuses. */
const readOnly = '25006'

const isStandby = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === readOnly

async function assertPrimary(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<[boolean]>({ text: 'select pg_is_in_recovery()', rowMode: 'array' })
  if (rows[0]?.[0] !== true) return
  throw Object.assign(new pg.DatabaseError('this server is a standby', 0, 'error'), { code: readOnly, severity: 'FATAL' })
}
