/** The index of pgvector, as upkeep makes it and speaks of it. In a file there is none: vectors are compared by Oxbow itself. */
import { tableNames, type UpkeepConnection } from './connection.ts'
import type { PostgresConnection } from './postgres-connection.ts'
import type { StorePlace, Tell } from './store-place.ts'

/** Whether so many are to have an index; the default is where they are no longer held in eight bits. */
export type IsMany = (vectors: number, dims: number) => boolean

/** @returns a sentence for a person; empty where there is nothing to say */
export async function sayVectors(db: UpkeepConnection, place: StorePlace, isMany?: IsMany): Promise<string> {
  if (!isPostgres(db) || !(await tableNames(db)).has('memory_near')) return ''
  const [{ isNearWanted }, { noPgvector, pgvectorVersion }] = await Promise.all([
    import('../postgres/near-index.ts'),
    import('../postgres/postgres-schema.ts'),
  ])
  const version = await pgvectorVersion(db.session)
  if (version === null) return noPgvector
  const user = place.user
  const [row] = await db.rows('select 1 from memory_near where "user" = ?', [user])
  if (row !== undefined) return `pgvector ${version}: vectors are found by an index`
  const wanted = await isNearWanted({ session: db.session, user, ...(isMany !== undefined && { isMany }) })
  return wanted
    ? `pgvector ${version}: there are so many vectors that an index finds them faster: \`oxbow store vacuum\` makes it`
    : `pgvector ${version}: vectors are few enough to be compared one by one`
}

/** Makes the index where it is wanted, or brings it up to date. @returns a sentence for a person */
export async function indexVectors(db: UpkeepConnection, place: StorePlace, tell: Tell, isMany?: IsMany): Promise<string> {
  if (!isPostgres(db)) return ''
  const { buildNear } = await import('../postgres/near-index.ts')
  const state = await db.transaction(() =>
    buildNear({
      session: db.session,
      user: place.user,
      tell: (done, total) => tell('vectors', done, total),
      ...(isMany !== undefined && { isMany }),
    }),
  )
  if (state === 'no pgvector') return (await import('../postgres/postgres-schema.ts')).noPgvector
  return state === 'not needed' ? '' : `the index of vectors is ${state}`
}

function isPostgres(db: UpkeepConnection): db is PostgresConnection {
  return db.dialect === 'postgres'
}
