/**
 * The thread that owns one connection: the writer or the reader. It opens the file before it loads the
 * engine, so that a busy or damaged workspace is known early.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../base/index.ts'
import { storeFault, toStoreError } from '../store-fault.ts'
import { type Database, openDatabase } from './sqlite-database.ts'
import { assertOwnObjects } from './sqlite-structure.ts'
import type { ReadEngine } from './read-engine.ts'
import { type WorkerRequest, serveWorker, type SqliteRole } from '../worker-link.ts'
import { lockWorkspace, type WorkspaceLock } from './workspace-lock.ts'
import type { WriteEngine } from './write-engine.ts'

type Answers = { readonly [Ask in WorkerRequest['ask']]: (request: WorkerRequest & { ask: Ask }) => unknown }

function createAnswers(role: SqliteRole): Answers {
  let database: Database | null = null
  let lock: WorkspaceLock | null = null
  let writer: WriteEngine | null = null
  let reader: ReadEngine | null = null
  const serving = <Engine>(engine: Engine | null): Engine => {
    if (engine === null) throw storeFault('store_failed', 'The store is not open.')
    return engine
  }
  return {
    open() {
      if (role.exclusive) lock = lockWorkspace(role.path)
      const cipher = role.cipher === undefined ? {} : { cipher: role.cipher }
      // Left by an attempt that failed after this point.
      database?.close()
      database = openDatabase({ path: role.path, readOnly: role.role !== 'writer', ...cipher })
      if (role.role === 'writer') assertOwnObjects(database)
    },
    async serve() {
      const [{ createReadEngine }, { createWriteEngine }] = await Promise.all([import('./read-engine.ts'), import('./write-engine.ts')])
      const { user, durability } = role
      if (role.role === 'writer') writer = await createWriteEngine(serving(database), { user, durability, now: systemClock.now })
      reader = createReadEngine(serving(database), user)
    },
    write: ({ batch }) => serving(writer)(batch),
    read: ({ read }) => serving(reader)(read),
    close() {
      database?.close()
      lock?.release()
    },
  }
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const role = workerData as SqliteRole
  const answers = createAnswers(role)
  serveWorker(port, async (request) => answers[request.ask](request as never), toStoreError)
}

serve()
