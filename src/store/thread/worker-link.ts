/** Starts a store worker and asks it: each question has one answer, and a worker that dies answers all that are open. */
import { Worker } from 'node:worker_threads'
import { type OxbowError, toError } from '../../types/index.ts'
import { storeFault } from '../store-fault.ts'
import { mendedNotice, type PostgresRole, type Question, type SqliteRole, type WorkerAnswer } from './worker-message.ts'

export interface WorkerLink {
  /** @throws OxbowError as the worker reports it; `store_failed` when it died. */
  ask(question: Question): Promise<unknown>
  alive(): boolean
  /** Closes the file and ends the thread. Never throws. */
  close(): Promise<void>
  /** Ends the thread where it stands, as a crash would. */
  kill(): Promise<void>
}

interface Open {
  resolve(result: unknown): void
  reject(error: OxbowError): void
}

/** @param file the worker's program @param noticed is told of a notice that nobody asked for */
export function startStoreWorker(role: SqliteRole | PostgresRole, file: URL, noticed: () => void = () => {}): WorkerLink {
  const worker = new Worker(file, { workerData: role, name: `oxbow-store-${role.role}`, execArgv: [] })
  const open = new Map<number, Open>()
  const exited = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  let nextId = 1
  let death: OxbowError | null = null

  const die = (why: string, cause?: unknown): void => {
    death ??= storeFault('store_failed', `The store's ${role.role} thread ended: ${why}.`, cause)
    for (const entry of open.values()) entry.reject(death)
    open.clear()
  }
  worker.on('message', ([id, failure, result]: WorkerAnswer) => {
    if (id === mendedNotice) {
      noticed()
      return
    }
    const entry = open.get(id)
    open.delete(id)
    if (failure === null) entry?.resolve(result)
    else entry?.reject(toError(failure))
  })
  worker.once('error', (error) => die(error instanceof Error ? error.message : String(error), error))
  worker.once('exit', (code) => die(`exit code ${code}`))

  const ask = (question: Question): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (death !== null) {
        reject(death)
        return
      }
      const id = nextId++
      open.set(id, { resolve, reject })
      worker.postMessage([id, question], [])
    })
  return {
    ask,
    alive: () => death === null,
    async close() {
      // The answer does not matter: the thread ends after it, or has ended before.
      await ask({ ask: 'close' }).catch(() => null)
      await exited
    },
    async kill() {
      await worker.terminate()
    },
  }
}
