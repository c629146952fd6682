/**
 * A backup of a file is a copy that SQLite makes in one read transaction, so it is consistent while a guest writes; a backup of
 * Postgres is the user's rows in a new file. Both are the same kind of file, and either can be restored to either.
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isEncrypted, OxbowError } from '../../base/index.ts'
import type { BackupPreview, BackupReport, FileKeys } from '../../config/index.ts'
import { appliedSteps } from '../migrations/migration-runner.ts'
import { assertUsable, judgeSchema } from '../migrations/schema-version.ts'
import {
  connectSqlite,
  connectStore,
  countOf,
  headOf,
  rowCounts,
  type StorePlace,
  type UpkeepConnection,
  type UpkeepDeps,
  using,
} from '../upkeep/connection.ts'
import { copyInto, removeDatabase, removeLog, syncFile } from '../sqlite/database-file.ts'
import { assertFreeSpace, bytesOf } from '../upkeep/store-care.ts'
import { fileFault } from '../store-fault.ts'
import { backupExtension, backupsIn, packDatabase, readManifest, sealBackup, stamp } from './backup-file.ts'
import { backupFiles, bytesOfFiles } from './workspace-files.ts'

interface BackupQuestion {
  /** Empty: a new file in the folder of backups. */
  readonly path: string
  /** How many of that folder's backups to keep; absent: all. */
  readonly keep?: number | undefined
  /** Absent: the database only. */
  readonly files?: FileKeys | undefined
  /** Only say what would be written and removed. */
  readonly preview?: boolean | undefined
}

const unchecked = 'an older version has made these tables, so that they were not checked: start Oxbow once, and back up again'

/** Extension of an unfinished backup, which a crash may leave behind. */
const unfinished = '.unfinished'

/** @throws OxbowError `bad_input` if the path exists, `not_found` if its folder does not, `store_full` if the disk lacks space */
export async function backupStore(
  deps: UpkeepDeps,
  { path: wanted, keep, files, preview }: BackupQuestion,
): Promise<BackupReport | BackupPreview> {
  const { place, now } = deps
  const path = wanted === '' ? join(place.backups, `${place.user}-${stamp(now())}${backupExtension}`) : wanted
  try {
    if (preview === true) {
      if (wanted !== '') assertFree(path, dirname(path))
      // The new one is among those that are kept.
      return { path, removed: keep === undefined ? [] : oldBackups(dirname(path), place, Math.max(1, keep) - 1) }
    }
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
    const facts = await using(await connectStore(place, 'any version'), async (db) => {
      const schema = judgeSchema(await appliedSteps(db.migration))
      if (schema.version === 0) throw nothingYet(db.where)
      // A file is copied as it is, even with migrations pending.
      if (db.dialect === 'postgres' || schema.state !== 'behind') assertUsable(schema, 'read', db.where)
      await assertRoomFor(deps, db, folder, files)
      deps.tell('copying', 0, 0)
      await copyStore(deps, db, copy)
      return { schema: schema.version, isCurrent: schema.state === 'current' }
    })
    const { schema } = facts
    deps.tell('checking its journal', 0, 0)
    const problems = facts.isCurrent ? await deps.verifyChain({ file: copy }) : [unchecked]
    // Counts the copy: the store may have changed since.
    const counted = await using(connectSqlite(copy, 'any version', place.cipher), async (db) => ({
      head: await headOf(db, place.user),
      rows: await rowCounts(db, place.user),
    }))
    removeLog(copy)
    deps.tell('sealing', 0, 0)
    const isSecret = isEncrypted(copy)
    const length = isSecret ? { bytes: statSync(copy).size } : await packDatabase(copy)
    const parts = files === undefined ? {} : await backupFiles(place, copy, files, isSecret)
    const all = { user: place.user, schema, ...counted, madeAt: now(), ...length, ...parts }
    const manifest = await sealBackup(copy, all, files?.keys[0]?.key)
    renameSync(copy, path)
    syncFile(folder)
    // Older backups may be whole.
    return { path, manifest, problems, removed: keep === undefined || problems.length > 0 ? [] : removeOld(folder, place, keep) }
  } catch (error) {
    removeDatabase(copy)
    throw error
  }
}

/** The path must be new and its folder exist: a mistyped path creates no folders. */
function assertFree(path: string, folder: string): void {
  const isFolder = (at: string): boolean => statSync(at, { throwIfNoEntry: false })?.isDirectory() === true
  if (isFolder(path)) {
    throw new OxbowError('bad_input', `${path} is a folder.`, { hint: `Name a file in it: ${join(path, `oxbow${backupExtension}`)}` })
  }
  if (existsSync(path)) throw new OxbowError('bad_input', `${path} already exists.`, { hint: 'Name another path, or none.' })
  if (!isFolder(folder)) {
    throw new OxbowError('not_found', `There is no folder ${folder}.`, { hint: 'Create it first, or name a file in another folder.' })
  }
}

/** The database of a first start that was interrupted, or an empty file. */
function nothingYet(where: string): OxbowError {
  return new OxbowError('not_found', `There is nothing to back up: ${where} has no tables yet.`, {
    hint: 'Start Oxbow once in this workspace to create them, or restore a backup.',
  })
}

/** A copy of a file leaves out its unused pages. */
async function assertRoomFor({ place }: UpkeepDeps, db: UpkeepConnection, folder: string, files: FileKeys | undefined): Promise<void> {
  const usedPages = 'select (page_count - freelist_count) * page_size from pragma_page_count(), pragma_freelist_count(), pragma_page_size()'
  const database = db.dialect === 'sqlite' ? await countOf(db, usedPages) : await bytesOf(db, place)
  const rest = files === undefined ? 0 : await bytesOfFiles(place, files)
  const alternative = files === undefined ? '' : ', or leave out the files: --database-only'
  assertFreeSpace(folder, 'The backup', database + rest, `Free some space, name a path on another disk${alternative}.`)
}

async function copyStore(deps: UpkeepDeps, db: UpkeepConnection, path: string): Promise<void> {
  // Only the owner may read the copy, as with the store.
  closeSync(openSync(path, 'wx', 0o600))
  if (db.dialect === 'sqlite') {
    await db.exec(copyInto(path))
    return
  }
  const { copyRows } = await import('./store-move.ts')
  await copyRows(deps, db, path)
}

function removeOld(folder: string, place: StorePlace, keep: number): readonly string[] {
  const old = oldBackups(folder, place, Math.max(1, keep))
  for (const path of old) rmSync(path, { force: true })
  return old
}

/** @returns the backups of this user, but for the newest */
function oldBackups(folder: string, { user }: StorePlace, keep: number): readonly string[] {
  const made = backupsIn(folder).flatMap((path) => {
    try {
      const manifest = readManifest(path)
      return manifest.user === user ? [{ path, madeAt: manifest.madeAt }] : []
    } catch {
      return []
    }
  })
  const old = made.toSorted((a, b) => b.madeAt - a.madeAt).slice(keep)
  return old.map(({ path }) => path)
}
