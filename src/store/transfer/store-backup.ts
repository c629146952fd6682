/**
 * A backup of a file is a copy that SQLite makes in one read transaction, so it is consistent while a guest writes; a backup of
 * Postgres is the user's rows in a new file. Both are the same kind of file, and either can be restored to either.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type BackupReport, type FileKeys, OxbowError } from '../../types/index.ts'
import { appliedSteps } from '../migrations/migration-runner.ts'
import { assertUsable, judgeSchema } from '../migrations/schema-version.ts'
import {
  connectSqlite,
  connectStore,
  headOf,
  rowCounts,
  type StorePlace,
  type UpkeepConnection,
  type UpkeepDeps,
  using,
} from '../upkeep/connection.ts'
import { copyInto, removeDatabase, removeLog, syncFile } from '../sqlite/database-file.ts'
import { fileFault } from '../store-fault.ts'
import { isEncrypted } from '../secrets/file-encryption.ts'
import { backupExtension, backupsIn, readManifest, sealBackup, stamp } from './backup-file.ts'
import { backupFiles } from './workspace-files.ts'

interface BackupQuestion {
  /** Empty: a file of its own in the folder of backups. */
  readonly path: string
  /** How many of that folder's backups are to stay; absent: all. */
  readonly keep?: number | undefined
  /** Absent: the database alone. */
  readonly files?: FileKeys | undefined
}

/** Marks a file that is not finished: what is found of it after a crash is nothing. */
const unfinished = '.unfinished'

/** @throws OxbowError `bad_input` for a path that is taken, `not_found` for one whose folder is not there */
export async function backupStore(deps: UpkeepDeps, { path: wanted, keep, files }: BackupQuestion): Promise<BackupReport> {
  const { place, now } = deps
  const path = wanted === '' ? join(place.backups, `${place.user}-${stamp(now())}${backupExtension}`) : wanted
  try {
    if (wanted === '') mkdirSync(place.backups, { recursive: true, mode: 0o700 })
    assertFree(path, dirname(path))
    return await makeBackup(deps, path, { keep, files })
  } catch (error) {
    throw fileFault(error, path)
  }
}

async function makeBackup(deps: UpkeepDeps, path: string, { keep, files }: Omit<BackupQuestion, 'path'>): Promise<BackupReport> {
  const { place, now } = deps
  const folder = dirname(path)
  const copy = `${path}${unfinished}`
  removeDatabase(copy)
  try {
    const facts = await using(connectStore(place, 'any version'), async (db) => {
      const schema = judgeSchema(await appliedSteps(db.migration))
      if (schema.version === 0) throw nothingYet(db.where)
      // A file is copied as it is, also before its steps have run.
      if (db.dialect === 'postgres' || schema.state !== 'behind') assertUsable(schema, 'read', db.where)
      deps.tell('copying', 0, 0)
      await copyStore(deps, db, copy)
      return { schema: schema.version }
    })
    // What was copied is counted, not what has been written since.
    const counted = await using(connectSqlite(copy, 'any version', place.cipher), async (db) => ({
      head: await headOf(db, place.user),
      rows: await rowCounts(db, place.user),
    }))
    removeLog(copy)
    deps.tell('sealing', 0, 0)
    const { size: bytes } = statSync(copy)
    const parts = files === undefined ? {} : await backupFiles(place, copy, files, isEncrypted(copy))
    const manifest = await sealBackup(copy, { user: place.user, ...facts, ...counted, madeAt: now(), bytes, ...parts })
    renameSync(copy, path)
    syncFile(folder)
    return { path, manifest, removed: keep === undefined ? [] : removeOld(folder, place, keep) }
  } catch (error) {
    removeDatabase(copy)
    throw error
  }
}

/** A new name in a folder that is there: a typing error makes no folders. */
function assertFree(path: string, folder: string): void {
  const isFolder = (there: string): boolean => statSync(there, { throwIfNoEntry: false })?.isDirectory() === true
  if (isFolder(path)) {
    throw new OxbowError('bad_input', `${path} is a folder.`, { hint: `Name a file in it: ${join(path, `oxbow${backupExtension}`)}` })
  }
  if (existsSync(path)) throw new OxbowError('bad_input', `There is a file at ${path}.`, { hint: 'Name another path, or none.' })
  if (!isFolder(folder)) {
    throw new OxbowError('not_found', `There is no folder ${folder}.`, { hint: 'Make it first, or name a file in another folder.' })
  }
}

/** What was begun by a start that did not come to its tables, or is a file of nobody. */
function nothingYet(where: string): OxbowError {
  return new OxbowError('not_found', `There is nothing to back up: ${where} has no tables yet.`, {
    hint: 'Start Oxbow once in this workspace to make them, or restore a backup.',
  })
}

async function copyStore(deps: UpkeepDeps, db: UpkeepConnection, path: string): Promise<void> {
  // The copy is as private as the store.
  closeSync(openSync(path, 'wx', 0o600))
  if (db.dialect === 'sqlite') {
    await db.exec(copyInto(path))
    return
  }
  const { copyRows } = await import('./store-move.ts')
  await copyRows(deps, db, path)
}

/** Only files that are backups of this user are removed. */
function removeOld(folder: string, { user }: StorePlace, keep: number): readonly string[] {
  const made = backupsIn(folder).flatMap((path) => {
    try {
      const manifest = readManifest(path)
      return manifest.user === user ? [{ path, madeAt: manifest.madeAt }] : []
    } catch {
      return []
    }
  })
  const old = made.toSorted((a, b) => b.madeAt - a.madeAt).slice(Math.max(1, keep))
  for (const { path } of old) rmSync(path, { force: true })
  return old.map(({ path }) => path)
}
