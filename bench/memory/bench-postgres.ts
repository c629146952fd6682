/** A private PostgreSQL server, if one is installed. */
import { openPostgresStore, type Store } from '../../src/store/index.ts'
import { postgresSkip, startPostgres } from '../../src/store/postgres/postgres-fixture.ts'
import type { UserId } from '../../src/base/index.ts'

export interface BenchPostgres extends AsyncDisposable {
  /** Null if none is installed. */
  readonly url: string | null
  readonly why: string
  open(user: UserId): Promise<Store>
}

export async function openBenchPostgres(): Promise<BenchPostgres> {
  const skip = postgresSkip()
  if (skip !== false) return { url: null, why: skip, open: () => Promise.reject(new Error(skip)), [Symbol.asyncDispose]: async () => {} }
  const server = await startPostgres()
  await server.sql('create database bench owner oxbow')
  const url = server.url('bench')
  return {
    url,
    why: '',
    async open(user) {
      const store = await openPostgresStore({ url, user, pool: 4, durability: 'normal' })
      await store.opened()
      return store
    },
    [Symbol.asyncDispose]: async () => server[Symbol.asyncDispose](),
  }
}
