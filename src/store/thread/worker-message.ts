/** What passes between the store's main side and its workers: numbered questions, numbered answers. */
import type { Failure, UserId } from '../../types/index.ts'
import type { Read, WriteBatch } from '../store-message.ts'
import type { CipherChoice } from '../encrypt/cipher.ts'
import type { Durability } from '../sqlite/sqlite-database.ts'

/** What a worker of a SQLite store is started with. */
export interface SqliteRole {
  readonly role: 'writer' | 'reader' | 'searcher'
  readonly path: string
  readonly user: UserId
  readonly durability: Durability
  /** The writer takes the workspace lock before it opens the file. */
  readonly exclusive: boolean
  /** Stays in the process. */
  readonly cipher?: CipherChoice
}

/** What the worker of a Postgres store is started with. */
export interface PostgresRole {
  readonly role: 'postgres'
  /** May hold a password; stays in the process. */
  readonly url: string
  readonly user: UserId
  readonly durability: Durability
  readonly exclusive: boolean
  readonly readOnly: boolean
  /** Most connections. */
  readonly pool: number
  readonly patienceMs: number
}

/**
 * `open`: takes the lock and opens the file. `serve`: brings the tables up to date; from then on `write` and `read` are
 * answered. `close`: closes the file; the worker ends after its answer.
 */
export type Question =
  | { readonly ask: 'open' }
  | { readonly ask: 'serve' }
  | { readonly ask: 'write'; readonly batch: WriteBatch }
  | { readonly ask: 'read'; readonly read: Read }
  | { readonly ask: 'close' }

export type WorkerRequest = readonly [id: number, question: Question]
export type WorkerAnswer = readonly [id: number, failure: Failure | null, result: unknown]

/** In place of the number of a question: what a worker has to say without having been asked, that writing works again. */
export const mendedNotice = 0
