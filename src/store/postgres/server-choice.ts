/**
 * Several servers in one address, `postgres://user@one:5432,two:5432/database`, as libpq has it with `target_session_attrs=read-write`: the one
 * that accepts writes is used, for reading too, so that nobody reads what a standby does not have yet. After a failover the next connection
 * finds the new primary. The driver knows one server only.
 */
import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { closeMs, connectMs } from '../limits.ts'
import { type ServerWatch, watchServer } from './cluster/server-watch.ts'

export interface Servers {
  connect(): Promise<pg.Client>
  /** From a pool of the server that accepts writes. */
  lend(): Promise<pg.PoolClient>
  /** @returns the watch over the server of a connection; null: it is not watched */
  watchOf(client: pg.ClientBase): ServerWatch | null
  close(): Promise<void>
}

interface ServersChoice extends Pick<pg.PoolConfig, 'max' | 'idleTimeoutMillis'> {
  /** A server that does not answer any more is noticed within seconds; always where there are several. */
  readonly isWatched: boolean
}

/** @param addresses of `parseAddress` */
export function openServers(addresses: readonly string[], config: pg.ClientConfig, { isWatched, ...poolSize }: ServersChoice): Servers {
  const isChoice = addresses.length > 1
  const servers = addresses.map((connectionString) => {
    const own = { ...config, connectionString }
    const watch = isChoice || isWatched ? watchServer(own) : null
    return { watch, config: { ...own, ...(watch !== null && { stream: watch.socket }) } }
  })
  const pools = servers.map((server) => openPool({ ...server.config, ...poolSize }, isChoice))
  const watches = new WeakMap<pg.ClientBase, ServerWatch | null>()
  const first = askInTurn(addresses.length)
  return {
    connect: () =>
      first(
        async (at) => {
          const client = new pg.Client(servers[at]!.config)
          client.on('error', () => {})
          watches.set(client, servers[at]!.watch)
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
        async (at) => {
          const client = await pools[at]!.connect()
          watches.set(client, servers[at]!.watch)
          return client
        },
        (late) => late.release(),
      ),
    watchOf: (client) => watches.get(client) ?? null,
    async close() {
      const ended = Promise.all(pools.map((pool) => pool.end().catch(() => {})))
      await Promise.race([ended, pause(closeMs, null, { ref: false })])
      for (const { watch } of servers) watch?.cut()
    },
  }
}

type FirstOf = <Found>(ask: (at: number) => Promise<Found>, undo: (found: Found) => void) => Promise<Found>

/** @returns a function that asks the servers, the one that worked last first; one that is gone answers nothing, and the next is asked meanwhile */
function askInTurn(count: number): FirstOf {
  let current = 0
  return async (ask, undo) => {
    if (count === 1) return ask(0)
    let isFound = false
    const pending: ReturnType<typeof ask>[] = []
    for (const at of Array.from({ length: count }, (_, place) => (current + place) % count)) {
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
  // A part of making the connection.
  const asked = { text: 'select pg_is_in_recovery()', rowMode: 'array', query_timeout: connectMs } as const
  const { rows } = await client.query<[boolean]>(asked)
  if (rows[0]?.[0] !== true) return
  throw Object.assign(new pg.DatabaseError('this server is a standby', 0, 'error'), { code: readOnly, severity: 'FATAL' })
}
