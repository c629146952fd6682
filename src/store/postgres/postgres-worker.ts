/**
 * The thread of a Postgres store. One thread is enough, because it waits for a server and not for a disk; its computing (rows, hashes,
 * the driver's parsing) stays off the event loop, and the driver is never loaded in the main thread.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { storeFault } from '../store-fault.ts'
import { mendedNotice, type PostgresRole, type WorkerRequest, serveWorker, type WorkerAnswer } from '../worker-link.ts'
import { openPgDriver } from './postgres-session.ts'
import { createPostgresEngine, type PostgresEngine } from './postgres-engine.ts'
import { postgresFault } from './postgres-fault.ts'

function serve(): void {
  const port = parentPort
  if (port === null) return
  const { url, shown, pool, ...role } = workerData as PostgresRole
  const rows = { user: role.user, role: role.rowRole }
  const driver = openPgDriver({ url, connections: pool, name: `oxbow ${role.user}`, rows, isWatched: role.lease !== undefined })
  const mended = (): void => port.postMessage([mendedNotice, null, null] satisfies WorkerAnswer)
  const starting: Promise<PostgresEngine> = createPostgresEngine({ ...role, driver, shown, mended })

  const answer = async (request: WorkerRequest): Promise<unknown> => {
    const engine = await starting
    if (request.ask === 'open') return engine.open().then(engine.warning)
    if (request.ask === 'write') return engine.write(request.batch)
    if (request.ask === 'read') return engine.read(request.read)
    if (request.ask === 'close') return engine.close()
    throw storeFault('store_failed', `A Postgres store has no ${request.ask}.`)
  }
  serveWorker(port, answer, (error) => postgresFault(error, shown).error)
}

serve()
