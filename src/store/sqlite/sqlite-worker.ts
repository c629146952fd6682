/**
 * The thread that owns one connection: the writer, or the reader beside it. It opens the file before it loads the query
 * builder, so that a busy or damaged workspace is known early.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { systemClock } from '../../types/index.ts'
import { failureOf, storeFault, toStoreError } from '../store-fault.ts'
import { type Database, openDatabase } from './sqlite-database.ts'
import type { ReadEngine } from './read-engine.ts'
import type { Question, WorkerAnswer, WorkerRequest, WorkerRole } from './worker-message.ts'
import { lockWorkspace, type WorkspaceLock } from './workspace-lock.ts'
import type { WriteEngine } from './write-engine.ts'

interface Serving {
  database: Database | null
  lock: WorkspaceLock | null
  write: WriteEngine | null
  read: ReadEngine | null
}

/** Answers one question; `serving` keeps what was opened. */
async function answer(role: WorkerRole, serving: Serving, question: Question): Promise<unknown> {
  const notServing = () => storeFault('store_failed', 'The store is not open.')
  switch (question.ask) {
    case 'open':
      if (role.exclusive) serving.lock = lockWorkspace(role.path)
      serving.database = openDatabase({ path: role.path, readOnly: role.role === 'reader' })
      return null
    case 'serve': {
      if (serving.database === null) throw notServing()
      const { createReader, createWriter } = await import('./sqlite-engine.ts')
      if (role.role === 'reader') serving.read = createReader(serving.database, role.user)
      else serving.write = await createWriter(serving.database, { user: role.user, durability: role.durability, now: systemClock.now })
      return null
    }
    case 'write':
      if (serving.write === null) throw notServing()
      return serving.write(question.batch)
    case 'read':
      if (serving.read === null) throw notServing()
      return serving.read(question.read)
    case 'close':
      serving.database?.close()
      serving.lock?.release()
      return null
  }
}

function serve(): void {
  const port = parentPort
  if (port === null) return
  const role = workerData as WorkerRole
  const serving: Serving = { database: null, lock: null, write: null, read: null }
  port.on('message', ([id, question]: WorkerRequest) => {
    const reply = (message: WorkerAnswer): void => {
      port.postMessage(message)
      if (question.ask === 'close') port.close()
    }
    answer(role, serving, question).then(
      (result) => reply([id, null, result]),
      (error: unknown) => reply([id, failureOf(toStoreError(error)), null]),
    )
  })
}

serve()
