/**
 * Both ends of a store worker: the messages (numbered requests, numbered answers), the main thread's link, which rejects all open
 * requests when the worker dies, and the worker's loop.
 */
import { type MessagePort, Worker } from 'node:worker_threads'
import { type Failure, errorMessage, type OxbowError, toError, type UserId } from '../base/index.ts'
import type { GuestLease } from '../config/index.ts'
import type { CipherChoice } from './secrets/file-encryption.ts'
import type { SnapshotChoice } from './memory.ts'
import type { Durability } from './sqlite/sqlite-database.ts'
import { failureOf, storeFault } from './store-fault.ts'
import type { Read, WriteBatch } from './store-message.ts'

/** Options of a worker of a SQLite store. */
export interface SqliteRole {
  readonly role: 'writer' | 'reader'
  readonly path: string
  readonly user: UserId
  readonly durability: Durability
  /** The writer takes the workspace lock before it opens the file. */
  readonly exclusive: boolean
  /** Never leaves the process. */
  readonly cipher?: CipherChoice
}

/** Options of the worker of a Postgres store. */
export interface PostgresRole {
  readonly role: 'postgres'
  /** As parsed; may hold a password and never leaves the process. */
  readonly url: string
  /** The same for people, without the password. */
  readonly shown: string
  readonly user: UserId
  /** The role of the database that it works as. */
  readonly rowRole: string
  readonly durability: Durability
  readonly exclusive: boolean
  readonly readOnly: boolean
  /** Maximum number of connections. */
  readonly pool: number
  readonly patienceMs: number
  readonly lease?: GuestLease
  readonly snapshot?: SnapshotChoice
}

/**
 * `open`: takes the lock and opens the file. `serve`: brings the tables up to date; from then on `write` and `read` are
 * answered. `close`: closes the file; the worker ends after its answer.
 */
export type WorkerRequest =
  | { readonly ask: 'open' }
  | { readonly ask: 'serve' }
  | { readonly ask: 'write'; readonly batch: WriteBatch }
  | { readonly ask: 'read'; readonly read: Read }
  | { readonly ask: 'close' }

type NumberedRequest = readonly [id: number, request: WorkerRequest]
export type WorkerAnswer = readonly [id: number, failure: Failure | null, result: unknown]

/** In place of a request's number: the worker reports, unasked, that writing works again. */
export const mendedNotice = 0

export interface WorkerLink {
  /** @throws OxbowError as the worker reports it; `store_failed` when it died. */
  ask(request: WorkerRequest): Promise<unknown>
  alive(): boolean
  /** Closes the file and ends the thread. Never throws. */
  close(): Promise<void>
  /** Ends the thread at once, as a crash would. */
  kill(): Promise<void>
}

interface Open {
  resolve(result: unknown): void
  reject(error: OxbowError): void
}

/** @param file the worker's program @param onMended is called when the worker reports that writing works again */
export function startStoreWorker(role: SqliteRole | PostgresRole, file: URL, onMended: () => void = () => {}): WorkerLink {
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
      onMended()
      return
    }
    const entry = open.get(id)
    open.delete(id)
    if (failure === null) entry?.resolve(result)
    else entry?.reject(toError(failure))
  })
  worker.once('error', (error) => die(errorMessage(error), error))
  worker.once('exit', (code) => die(`exit code ${code}`))

  const ask = (request: WorkerRequest): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (death !== null) {
        reject(death)
        return
      }
      const id = nextId++
      open.set(id, { resolve, reject })
      worker.postMessage([id, request], [])
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

/**
 * The worker's side: each request gets one answer or one failure, and the thread ends after `close`.
 * @param typed converts an engine's failure to the error that is sent
 */
export function serveWorker(
  port: MessagePort,
  answer: (request: WorkerRequest) => Promise<unknown>,
  typed: (error: unknown) => OxbowError,
): void {
  port.on('message', ([id, request]: NumberedRequest) => {
    const reply = (message: WorkerAnswer): void => {
      port.postMessage(message)
      if (request.ask === 'close') port.close()
    }
    answer(request).then(
      (result) => reply([id, null, result]),
      (error: unknown) => reply([id, failureOf(typed(error)), null]),
    )
  })
}
