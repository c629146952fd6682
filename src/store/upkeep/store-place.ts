/** Where a user's store is, opened for upkeep. */
import { existsSync } from 'node:fs'
import { OxbowError, type UserId } from '../../types/index.ts'
import type { Cipher } from '../encrypt/cipher.ts'
import { lockWorkspace } from '../sqlite/workspace-lock.ts'
import type { UpkeepConnection, Wish } from './connection.ts'

export interface StorePlace {
  readonly user: UserId
  /** The file in the workspace, which may not be there. */
  readonly file: string
  /** The address of Postgres when the store is there; else empty. */
  readonly url: string
  /** Where backups go when no path is given, and where they are looked for. */
  readonly backups: string
  /** Where the file may be encrypted. */
  readonly cipher?: Cipher
}

export type Tell = (what: string, done: number, total: number) => void

export interface UpkeepDeps {
  readonly place: StorePlace
  /** Unix milliseconds. */
  readonly now: () => number
  readonly tell: Tell
  /**
   * Reads the whole journal of the store at a file or an address, and checks it.
   * @returns what is wrong with it, in words for a person; empty when it verifies
   */
  readonly verifyChain: (at: { readonly file: string } | { readonly url: string }) => Promise<readonly string[]>
}

/** @throws OxbowError `not_found` where there is no store yet */
export async function connectStore(place: StorePlace, wish: Wish): Promise<UpkeepConnection> {
  if (place.url !== '') {
    const { connectPostgres } = await import('./postgres-connection.ts')
    return connectPostgres(place.url, wish)
  }
  if (!existsSync(place.file)) throw noStore(place.file)
  const { connectSqlite } = await import('./sqlite-connection.ts')
  return connectSqlite(place.file, wish, place.cipher)
}

/** Runs `work` while no guest uses the workspace. @throws OxbowError `workspace_busy` */
export async function alone<Result>(place: StorePlace, work: () => Promise<Result>): Promise<Result> {
  const lock = lockWorkspace(place.file)
  try {
    return await work()
  } finally {
    lock.release()
  }
}

/** The same with its store open: also no guest of the user on another machine, where that is Postgres. */
export async function aloneWith<Result>(place: StorePlace, wish: Wish, work: (db: UpkeepConnection) => Promise<Result>): Promise<Result> {
  return alone(place, () =>
    using(connectStore(place, wish), async (db) => {
      await assertNobodyWrites(db, place.user)
      return work(db)
    }),
  )
}

/** In Postgres a guest holds a lock of the database, wherever it runs. @throws OxbowError `workspace_busy` */
export async function assertNobodyWrites(db: UpkeepConnection, user: UserId): Promise<void> {
  if (db.dialect === 'sqlite') return
  const { guestLockQuery } = await import('../postgres/batch-statements.ts')
  const { text, values } = guestLockQuery(user)
  const [row] = await db.rows(text.replace('$1', '?'), values as readonly string[])
  if (row?.[0] as unknown as boolean) return
  throw new OxbowError('workspace_busy', `A guest of ${user} uses ${db.where}.`, { hint: 'End it first.' })
}

type Opening = UpkeepConnection | Promise<UpkeepConnection>

/** Closes it, whatever becomes of the work. */
export async function using<Result>(opening: Opening, work: (db: UpkeepConnection) => Promise<Result>): Promise<Result> {
  const db = await opening
  try {
    return await work(db)
  } finally {
    await db.close()
  }
}

function noStore(file: string): OxbowError {
  return new OxbowError('not_found', `There is no store at ${file}.`, {
    hint: 'Start Oxbow once in this workspace to make one, or restore a backup.',
  })
}
