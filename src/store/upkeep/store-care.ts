/** Status, migration and vacuum of a store, with its index of vectors where it is in Postgres. */
import { existsSync, readdirSync, statfsSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import type { MigrateReport, StoreStatus, VacuumReport } from '../../config/index.ts'
import { appliedSteps, migrate, type MigrateOptions, plannedSteps } from '../migrations/migration-runner.ts'
import { judgeSchema, newestStep } from '../migrations/schema-version.ts'
import { backupsIn } from '../transfer/backup-file.ts'
import {
  aloneWith,
  connectStore,
  countOf,
  headOf,
  ownTables,
  quoted,
  rowCounts,
  type StorePlace,
  tableNames,
  type Tell,
  type UpkeepConnection,
  type UpkeepDeps,
  using,
} from './connection.ts'
import type { PostgresConnection } from './connection.ts'

export async function storeStatus({ place }: UpkeepDeps): Promise<StoreStatus> {
  return using(await connectStore(place, 'any version'), async (db) => {
    const schema = judgeSchema(await appliedSteps(db.migration))
    const empty = schema.version === 0
    const isReadable = schema.state === 'current' || schema.state === 'behind'
    return {
      where: db.where,
      dialect: db.dialect,
      version: schema.version,
      newest: newestStep,
      state: schema.state,
      pending: isReadable ? await plannedSteps(db.migration) : [],
      bytes: await bytesOf(db, place),
      head: empty ? { seq: 0, hash: '' } : await headOf(db, place.user),
      rows: await rowCounts(db, place.user),
      vectors: await describeVectors(db, place),
      copies: copiesOf(place),
    }
  })
}

export async function migrateStore(
  { place, now }: UpkeepDeps,
  options: Pick<MigrateOptions, 'to' | 'withoutCopy'> & { readonly dryRun: boolean },
): Promise<MigrateReport> {
  const to = options.to ?? newestStep
  if (options.dryRun) {
    return using(await connectStore(place, 'any version'), async (db) => {
      const steps = await plannedSteps(db.migration, to)
      const from = judgeSchema(await appliedSteps(db.migration)).version
      return { from, to, steps, copy: null, dryRun: true }
    })
  }
  return aloneWith(place, 'write', async (db) => {
    const report = await migrate(db.migration, { now, to, ...(options.withoutCopy === true && { withoutCopy: true }) })
    return { ...report, dryRun: false }
  })
}

/** @throws OxbowError `store_full` when the disk lacks the space that the work needs */
export async function vacuumStore({ place, tell }: UpkeepDeps): Promise<VacuumReport> {
  return aloneWith(place, 'write', async (db) => {
    const began = performance.now()
    const bytesBefore = await bytesOf(db, place)
    // SQLite writes the new file to its log first and copies it from there.
    if (db.dialect === 'sqlite') assertFreeSpace(dirname(place.file), 'A vacuum', 2 * bytesBefore, 'Free some space.')
    tell('vacuuming', 0, 0)
    if (db.dialect === 'sqlite') {
      await db.exec('vacuum')
      await db.exec('pragma wal_checkpoint(TRUNCATE)')
    } else {
      for (const table of await tableNames(db)) await db.exec(`vacuum (analyze) ${quoted(table)}`)
    }
    const vectors = await indexVectors(db, place, tell)
    const bytesAfter = await bytesOf(db, place)
    return { where: db.where, bytesBefore, bytesAfter, vectors, ms: Math.round(performance.now() - began) }
  })
}

/** @throws OxbowError `store_full` when the disk of the folder has fewer bytes free than `what` needs */
export function assertFreeSpace(folder: string, what: string, needed: number, advice: string): void {
  const { blocks, bavail, bsize } = statfsSync(folder)
  const free = bavail * bsize
  // Some network file systems report no sizes at all.
  if (blocks === 0 || free >= needed) return
  const mib = (count: number): string => `${(count / 1024 / 1024).toFixed(1)} MiB`
  throw new OxbowError('store_full', `${what} needs up to ${mib(needed)}, and the disk of ${folder} has ${mib(free)} free.`, {
    hint: `${advice} \`oxbow store status\` lists copies and old backups that can be moved to another disk.`,
  })
}

/** Bytes on disk, with unused pages and indexes. */
export async function bytesOf(db: UpkeepConnection, place: StorePlace): Promise<number> {
  if (db.dialect === 'sqlite') return sizeOf(place.file) + sizeOf(`${place.file}-wal`)
  const tables = [...(await tableNames(db))].filter((name) => !ownTables.has(name))
  const sizes = await Promise.all(
    tables.map((name) => countOf(db, 'select pg_total_relation_size(quote_ident(?)::regclass)::float8', [name])),
  )
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}

function sizeOf(path: string): number {
  return existsSync(path) ? statSync(path).size : 0
}

function copiesOf({ file, backups }: StorePlace): StoreStatus['copies'] {
  const folder = dirname(file)
  const made = [`${basename(file)}.before-`, `${basename(file)}.replaced-`]
  const beside = existsSync(folder) ? readdirSync(folder) : []
  const copies = beside.filter((name) => made.some((start) => name.startsWith(start)) && !/-(wal|shm)$|unfinished$/.test(name))
  return [...copies.map((name) => join(folder, name)), ...backupsIn(backups)].map((path) => ({ path, bytes: sizeOf(path) }))
}

/** Whether this many vectors get an index; by default those too many to be held in eight bits a number. */
export type IsMany = (vectors: number, dims: number) => boolean

/** @returns a sentence for a person; empty where there is nothing to say */
export async function describeVectors(db: UpkeepConnection, place: StorePlace, isMany?: IsMany): Promise<string> {
  if (!isPostgres(db) || !(await tableNames(db)).has('memory_near')) return ''
  const [{ isNearWanted }, { noPgvector, pgvectorVersion }] = await Promise.all([
    import('../postgres/near-index.ts'),
    import('../postgres/postgres-schema.ts'),
  ])
  const version = await pgvectorVersion(db.session)
  if (version === null) return noPgvector
  const user = place.user
  const [row] = await db.rows('select 1 from memory_near where "user" = ?', [user])
  if (row !== undefined) return `pgvector ${version}: vectors have an index`
  const wanted = await isNearWanted({ session: db.session, user, ...(isMany !== undefined && { isMany }) })
  return wanted
    ? `pgvector ${version}: an index would find vectors faster; \`oxbow store vacuum\` builds it`
    : `pgvector ${version}: few vectors, compared one by one`
}

/** Builds the index if it is worth having, or brings it up to date. @returns a sentence for a person */
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
