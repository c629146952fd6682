/** The thread that reads and changes data of plugins; see `zoey-thread.ts`. */
import { parentPort, workerData } from 'node:worker_threads'
import { type Json, systemClock, type ThreadAnswer, type ThreadQuestion, toFailure } from '../../base/index.ts'
import { connectPostgres, connectSqlite, type UpkeepConnection } from '../upkeep/connection.ts'
import { openZoeyAdapter, type ZoeyAdapter } from './zoey-adapter.ts'
import { answerZoey, clearRows, forgetRows, type ZoeyClear, type ZoeyForget, type ZoeyRequest } from './zoey-requests.ts'
import type { ZoeyPlace } from './zoey-thread.ts'

function serve(): void {
  const port = parentPort
  if (port === null) return
  const { user, file, url, cipher, guest } = workerData as ZoeyPlace
  let connection: Promise<UpkeepConnection> | undefined
  const connect = async (): Promise<UpkeepConnection> =>
    url === '' ? connectSqlite(file, 'write', cipher) : connectPostgres(url, 'write', guest)
  const adapters = new Map<string, ZoeyAdapter>()
  const answer = async (request: ZoeyRequest | ZoeyForget | ZoeyClear): Promise<Json> => {
    connection ??= connect()
    connection.catch(() => (connection = undefined))
    const db = await connection
    if (request.method === 'forget') return forgetRows(db, user, request)
    if (request.method === 'clear') return clearRows(db, user, request)
    const { scope } = request
    const adapter = adapters.get(scope) ?? openZoeyAdapter({ db, user, clock: systemClock, scope })
    adapters.set(scope, adapter)
    return answerZoey(adapter, request)
  }
  const reply = (message: ThreadAnswer<Json>): void => port.postMessage(message, [])
  // One after the other: all adapters share one connection, and a transaction of one must not hold statements of another.
  let last: Promise<void> = Promise.resolve()
  port.on('message', ([id, request]: ThreadQuestion<ZoeyRequest | ZoeyForget | ZoeyClear>) => {
    last = last
      .then(() => answer(request))
      .then(
        (result) => reply([id, null, result]),
        (error: unknown) => reply([id, toFailure(error, 'internal_failure', 'Please report it with the name of the plugin.'), null]),
      )
  })
}

serve()
