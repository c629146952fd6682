/** Puts a backup in the place of a store. */
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { copyFile, truncate } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { OxbowError, type RestoreReport } from '../../types/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { removeDatabase, removeLog, syncFile } from '../sqlite/database-file.ts'
import { fileFault } from '../store-fault.ts'
import {
  alone,
  assertNobodyWrites,
  connectSqlite,
  headOf,
  rowCounts,
  type StorePlace,
  type UpkeepDeps,
  using,
} from '../upkeep/connection.ts'
import { readBackup, stamp } from './backup-file.ts'
import { copyAll, dropCursors, forget, hasCursors, isFilled, notEmpty, openTarget } from './store-move.ts'
import { backupStore } from './store-backup.ts'

/**
 * Nothing of the store that is there is touched before the backup has been checked whole: its hash, its pages, its chain.
 * @throws OxbowError `bad_input` for a file that is no good, or a store that is not empty
 */
export async function restoreStore(deps: UpkeepDeps, path: string, replace: boolean): Promise<RestoreReport> {
  const { place } = deps
  deps.tell('checking the backup', 0, 0)
  const manifest = await readBackup(path)
  if (manifest.user !== place.user) {
    throw new OxbowError('bad_input', `The backup is of user ${JSON.stringify(manifest.user)}, not of ${place.user}.`, {
      hint: `Use \`oxbow store restore --user ${manifest.user}\`.`,
    })
  }
  return alone(place, async () => {
    const copy = `${place.file}.restoring`
    removeDatabase(copy)
    try {
      await copyFile(path, copy)
      await truncate(copy, manifest.bytes)
      await makeReady(deps, copy, manifest.head)
      if (place.url !== '') {
        const replaced = await restoreRows(deps, copy, replace)
        return { from: path, where: replaced.where, manifest, replaced: replaced.kept }
      }
      const replaced = await putInPlace(deps, copy, replace)
      return { from: path, where: place.file, manifest, replaced }
    } catch (error) {
      throw fileFault(error, place.file)
    } finally {
      removeDatabase(copy)
    }
  })
}

/** Brings the copy up to date, and sees that it is whole and is what its manifest says. */
async function makeReady(deps: UpkeepDeps, copy: string, head: { readonly seq: number; readonly hash: string }): Promise<void> {
  await using(connectSqlite(copy, 'write', deps.place.cipher), async (db) => {
    const [found] = await db.rows('pragma quick_check(1)')
    if (found?.[0] !== 'ok') throw notWhole(String(found?.[0]))
    // Ours has none: what ran with each write of the guest, or stood for one of its tables, would outlive every look at the rows.
    const [code] = await db.rows("select type from sqlite_master where type in ('trigger', 'view') limit 1")
    if (code !== undefined) throw notWhole(`it holds a ${String(code[0])}, which no store of Oxbow has`)
    await migrate(db.migration, { now: deps.now, withoutCopy: true })
    const own = await headOf(db, deps.place.user)
    if (own.seq !== head.seq || own.hash !== head.hash) throw notWhole('its journal does not end where its manifest says')
  })
  deps.tell('checking its journal', 0, 0)
  const [problem] = await deps.verifyChain({ file: copy })
  if (problem !== undefined) throw notWhole(problem)
  removeLog(copy)
}

function notWhole(why: string): OxbowError {
  return new OxbowError('bad_input', `The backup does not verify: ${why}.`, { hint: 'Use another backup. Nothing was changed.' })
}

/** @returns where the old store is kept now; null when there was none, or an empty one */
async function putInPlace({ place, now }: UpkeepDeps, copy: string, replace: boolean): Promise<string | null> {
  const { file } = place
  const rows = existsSync(file) ? await contentOf(place) : 'none'
  if (rows === 'some' && !replace) {
    throw new OxbowError('bad_input', `The store ${file} is not empty.`, {
      hint: 'Give --replace to put the backup in its place; a copy of the old one is kept beside it.',
    })
  }
  const kept = rows === 'some' ? `${file}.replaced-${stamp(now())}` : null
  if (kept !== null) linkSync(file, kept)
  // A log that could not be folded in goes with its file: over another file it would destroy it.
  for (const suffix of ['-wal', '-shm']) {
    if (!existsSync(file + suffix)) continue
    if (kept !== null) linkSync(file + suffix, kept + suffix)
    rmSync(file + suffix)
  }
  renameSync(copy, file)
  syncFile(dirname(file))
  return kept
}

/** Folds the log of the old file into it on the way. What cannot be read is not empty. */
async function contentOf({ file, user, cipher }: StorePlace): Promise<'none' | 'some'> {
  try {
    return await using(connectSqlite(file, 'write', cipher), async (db) => {
      const counts = Object.values(await rowCounts(db, user))
      return counts.some((count) => count > 0) ? 'some' : 'none'
    })
  } catch {
    return 'some'
  }
}

/**
 * In one transaction: whoever reads meanwhile sees the old store, and a restore that ends anywhere before its end leaves it as it was.
 * What arrived is compared with the copy, whose journal was checked.
 * @returns where the rows are kept that stood there before
 */
async function restoreRows(
  deps: UpkeepDeps,
  from: string,
  replace: boolean,
): Promise<{ readonly where: string; readonly kept: string | null }> {
  const { place, now } = deps
  return using(connectSqlite(from, 'read', deps.place.cipher), (source) =>
    using(openTarget(place), async (db) => {
      await assertNobodyWrites(db, place.user)
      await migrate(db.migration, { now })
      let kept: string | null = null
      // An unfinished move is no store.
      if (!(await hasCursors(db, place.user)) && (await isFilled(db, place.user))) {
        if (!replace) throw notEmpty(db, 'Give --replace to put the backup in its place; a backup of what is there is made first.')
        mkdirSync(place.backups, { recursive: true, mode: 0o700 })
        kept = (await backupStore(deps, join(place.backups, `${place.user}-replaced-${now()}.oxbow-backup`), undefined)).path
      }
      await db.transaction(async () => {
        const open = { ...db, transaction: <Result>(work: () => Promise<Result>) => work() }
        await forget(open, place.user)
        await dropCursors(open, place.user)
        await copyAll(deps, source, open)
        await dropCursors(open, place.user)
      })
      return { where: db.where, kept }
    }),
  )
}
