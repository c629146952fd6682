/**
 * Moves all rows of a user from one database to another; the source is only read. Rows are copied in batches, each with a cursor in
 * one transaction of the target, so that a copy that was killed resumes; at the end every table is compared by checksum, and the
 * chain of the journal is verified in the target. A target that still has cursors is incomplete. Backups and
 * restores copy rows the same way.
 */
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { ownValue, OxbowError, setOwn, type UserId, writeWhole } from '../../base/index.ts'
import type { MoveReport } from '../../config/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import {
  aloneWith,
  connectSqlite,
  connectStore,
  headOf,
  quoted,
  rowCounts,
  type StorePlace,
  storeTables,
  type TableFacts,
  type UpkeepConnection,
  type UpkeepDeps,
  using,
  type Value,
} from '../upkeep/connection.ts'
import type { PostgresConnection } from '../upkeep/connection.ts'
import { parseAddress } from '../postgres/postgres-address.ts'
import { stamp } from './backup-file.ts'
import { type Column, columnsOf, insertRows, pagesOf, sumOf } from './row-copy.ts'

interface MoveQuestion {
  /** An address, or `file`. */
  readonly to: string
  /** Whether to replace a file that has rows; it is renamed and kept. */
  readonly replace?: boolean
}

/** A database that may not have tables yet. */
export async function openTarget(target: StorePlace): Promise<UpkeepConnection> {
  if (target.url !== '') return connectStore(target, 'write')
  return connectSqlite(target.file, 'write', target.cipher)
}

/** A backup of Postgres: all rows of the user in a new file. */
export async function copyRows(deps: UpkeepDeps, source: UpkeepConnection, path: string): Promise<void> {
  await using(connectSqlite(path, 'write', deps.place.cipher), async (db) => {
    // All tables are read in one snapshot; later writes are left out.
    await source.exec('begin isolation level repeatable read read only')
    try {
      await copyAll(deps, source, db)
    } finally {
      await source.exec('rollback')
    }
    await dropCursors(db, deps.place.user)
    await db.exec('drop table move_cursor')
  })
}

export interface Copied {
  readonly resumed: boolean
  readonly rows: Readonly<Record<string, number>>
}

export async function copyAll(deps: UpkeepDeps, source: UpkeepConnection, target: UpkeepConnection): Promise<Copied> {
  const { place, now, tell } = deps
  const { user } = place
  await migrate(target.migration, { now })
  const resumed = await prepareTarget(source, target, user)
  const counts = await rowCounts(source, user)
  const rows: Record<string, number> = {}
  for (const table of storeTables) {
    const total = ownValue(counts, table.name)
    if (total === undefined) continue
    await copyTable({ source, target, user, tell: (done) => tell(table.name, done, total) }, table)
  }
  for (const table of storeTables) {
    if (ownValue(counts, table.name) === undefined) continue
    tell(`comparing ${table.name}`, 0, 0)
    setOwn(rows, table.name, await compare(source, target, table, user))
  }
  return { resumed, rows }
}

async function compare(source: UpkeepConnection, target: UpkeepConnection, table: TableFacts, user: string): Promise<number> {
  const columns = await columnsOf(source, table.name)
  const [ours, theirs] = [await sumOf(source, table, columns, user), await sumOf(target, table, columns, user)]
  if (ours.hash !== theirs.hash) {
    // To go on with it would only compare the same again.
    await target.rows(`update move_cursor set source = '' where "user" = ? and "table" = ''`, [user])
    throw notTheSame(`table ${table.name} (${ours.rows} rows here, ${theirs.rows} in ${target.where})`)
  }
  return ours.rows
}

interface Copying {
  readonly source: UpkeepConnection
  readonly target: UpkeepConnection
  readonly user: string
  readonly tell: (done: number) => void
}

async function copyTable({ source, target, user, tell }: Copying, table: TableFacts): Promise<void> {
  const columns = await sameColumns(source, target, table.name)
  const [cursor] = await target.rows('select place, done from move_cursor where "user" = ? and "table" = ?', [user, table.name])
  let done = Number(cursor?.[1] ?? 0)
  const after = cursor === undefined ? null : (JSON.parse(String(cursor[0])) as readonly Value[])
  for await (const page of pagesOf(source, table, columns, user, after)) {
    const last = table.key.slice(1).map((key) => page.at(-1)?.[columns.findIndex(({ name }) => name === key)] ?? null)
    done += page.length
    await target.transaction(async () => {
      await insertRows(target, table.name, columns, page)
      await target.rows(
        'insert into move_cursor ("user", "table", source, place, done) values (?, ?, ?, ?, ?) on conflict ("user", "table") do update set place = excluded.place, done = excluded.done',
        [user, table.name, '', JSON.stringify(last), done],
      )
    })
    tell(done)
  }
}

async function sameColumns(source: UpkeepConnection, target: UpkeepConnection, table: string): Promise<readonly Column[]> {
  const [ours, theirs] = [await columnsOf(source, table), await columnsOf(target, table)]
  const names = new Set(theirs.map(({ name }) => name))
  const missing = ours.filter(({ name }) => !names.has(name))
  if (missing.length > 0) throw notTheSame(`table ${table} has no column ${missing.map(({ name }) => name).join(', ')} in ${target.where}`)
  return ours
}

/** @returns whether this resumes an unfinished move of the same rows. An unfinished move of other rows starts over. */
async function prepareTarget(source: UpkeepConnection, target: UpkeepConnection, user: string): Promise<boolean> {
  await makeCursors(target)
  // If the source was written since, its head differs and the copied rows may be out of date.
  const head = await headOf(source, user)
  const identity = JSON.stringify([source.where, head, await rowCounts(source, user)])
  const [begun] = await target.rows(`select source from move_cursor where "user" = ? and "table" = ''`, [user])
  if (begun?.[0] === identity) return true
  if (begun === undefined && (await isFilled(target, user)))
    throw notEmpty(
      target,
      target.dialect === 'sqlite'
        ? 'Run `oxbow store move file --replace`: the old file is kept next to the new one, as oxbow.db.replaced-<time>.'
        : 'Move to a database without rows of this user.',
    )
  await target.transaction(async () => {
    await forget(target, user)
    await target.rows('delete from move_cursor where "user" = ?', [user])
    await target.rows('insert into move_cursor ("user", "table", source, place, done) values (?, ?, ?, ?, ?)', [user, '', identity, '', 0])
  })
  return false
}

async function makeCursors(db: UpkeepConnection): Promise<void> {
  const text = db.dialect === 'sqlite' ? 'text' : 'text collate "C"'
  await db.exec(
    `create table if not exists move_cursor ("user" ${text} not null, "table" ${text} not null, source text not null, place text not null, done bigint not null, primary key ("user", "table"))`,
  )
}

export async function hasCursors(db: UpkeepConnection, user: string): Promise<boolean> {
  await makeCursors(db)
  return (await db.rows('select 1 from move_cursor where "user" = ?', [user])).length > 0
}

export async function dropCursors(db: UpkeepConnection, user: string): Promise<void> {
  await db.rows('delete from move_cursor where "user" = ?', [user])
}

export async function isFilled(db: UpkeepConnection, user: string): Promise<boolean> {
  return Object.values(await rowCounts(db, user)).some((count) => count > 0)
}

/** Deletes all rows of a user from a database. */
export async function forget(db: UpkeepConnection, user: string): Promise<void> {
  if (db.dialect === 'postgres') {
    const { dropNear } = await import('../postgres/near-index.ts')
    await dropNear((db as PostgresConnection).session, user as UserId)
  }
  for (const { name } of storeTables) await db.rows(`delete from ${quoted(name)} where "user" = ?`, [user])
}

export function notEmpty(db: UpkeepConnection, hint: string): OxbowError {
  return new OxbowError('bad_input', `${db.where} already has rows of this user.`, { hint })
}

export function notTheSame(what: string): OxbowError {
  return new OxbowError('store_failed', `The copy differs from the source: ${what}.`, {
    hint: 'The source is unchanged. Run the command again; if it fails again, check both with `oxbow store verify`.',
  })
}

/** All rows were compared and are the same: what does not verify in the copy does not in the source either. */
function damaged(source: UpkeepConnection, problem: string): OxbowError {
  return new OxbowError('store_failed', `The store was not moved: ${problem}. It is the same in ${source.where}, which is unchanged.`, {
    hint: 'Run `oxbow audit verify`, which lists everything that is wrong; `oxbow store restore` brings back an earlier backup.',
  })
}

/** @throws OxbowError `bad_input` for a target that is not empty or is the current store */
export async function moveStore(deps: UpkeepDeps, { to, replace = false }: MoveQuestion): Promise<MoveReport> {
  const { now } = deps
  const began = now()
  // Whoever has set store.url first has left the file behind.
  const isThere = deps.place.url !== '' && isSameAddress(to, deps.place.url)
  const place = isThere && (await isLeft(deps.place)) ? { ...deps.place, url: '' } : deps.place
  const target: StorePlace = { ...place, url: isThere ? deps.place.url : to === 'file' ? '' : to }
  if (target.url === place.url)
    throw new OxbowError('bad_input', 'The store is already there.', {
      hint: to === 'file' ? 'Name the address of a database to move it to.' : 'Name another address, or `file` for the workspace.',
    })
  return aloneWith(place, 'read', async (source) => {
    const kept = to === 'file' && replace ? await setAside(place, stamp(now())) : null
    return using(await openTarget(target), async (db) => {
      const { resumed, rows } = await copyAll(deps, source, db)
      const [problem] = await deps.verifyChain(to === 'file' ? { file: place.file } : { url: target.url })
      if (problem !== undefined) throw damaged(source, problem)
      await dropCursors(db, place.user)
      if (to === 'file') rmSync(movedNote(place), { force: true })
      else if (place.url === '') writeNote(place, { to: db.where, at: now(), isUsed: false })
      const configure = to === 'file' ? 'store.url = ""' : `store.url = "${db.where}"`
      return { from: source.where, to: db.where, rows, resumed, configure, kept, ms: now() - began }
    })
  })
}

/** But for a password: whoever names the database again need not say it. */
function isSameAddress(one: string, other: string): boolean {
  return one !== 'file' && parseAddress(one).shown === parseAddress(other).shown
}

/** @returns whether the file has rows that were never moved, while the store is in a database */
async function isLeft(place: StorePlace): Promise<boolean> {
  const { file, user, cipher } = place
  if (place.url === '' || !existsSync(file) || existsSync(movedNote(place))) return false
  try {
    return await using(connectSqlite(file, 'any version', cipher), (db) => isFilled(db, user))
  } catch {
    // One that cannot be read could not be moved either.
    return false
  }
}

/**
 * Refuses a database without a row of a user whose rows are in the file: the guest would begin anew in it, and the file could not follow.
 * @throws OxbowError `bad_config`
 */
export async function checkLeft(place: StorePlace): Promise<void> {
  if (!(await isLeft(place))) return
  const { isUsed, where } = await using(await connectStore(place, 'any version'), async (db) => ({
    isUsed: await isFilled(db, place.user),
    where: db.where,
  }))
  if (isUsed) return
  throw new OxbowError('bad_config', `The store of ${place.user} is in ${place.file} still, and ${where} has nothing of it.`, {
    hint: `Move it: oxbow store move ${where} --user ${place.user}. To begin anew there, move the file away.`,
  })
}

/** Renames an old file with rows, so that the store can move back; the rest of an interrupted move is not kept. @returns its new path */
async function setAside({ file, user, cipher }: StorePlace, time: string): Promise<string | null> {
  if (!existsSync(file)) return null
  const isOld = await using(connectSqlite(file, 'write', cipher), async (db) => !(await hasCursors(db, user)) && (await isFilled(db, user)))
  if (!isOld) return null
  const kept = `${file}.replaced-${time}`
  for (const suffix of ['-wal', '-shm', '']) if (existsSync(file + suffix)) renameSync(file + suffix, kept + suffix)
  return kept
}

/** Note next to a file whose rows were moved to a database. */
interface MovedNote {
  readonly to: string
  readonly at: number
  /** True when a guest has written to that database, so the file is out of date. */
  readonly isUsed: boolean
}

/**
 * Notes that a moved store is in use, and refuses the file that it was moved from, which lacks everything since.
 * @throws OxbowError `bad_config`
 */
export function checkMoved(place: StorePlace): void {
  const note = JSON.parse(readFileSync(movedNote(place), 'utf8')) as MovedNote
  if (place.url !== '') {
    if (!note.isUsed) writeNote(place, { ...note, isUsed: true })
    return
  }
  if (!note.isUsed) return
  const day = new Date(note.at).toISOString().slice(0, 10)
  throw new OxbowError('bad_config', `The store was moved to ${note.to} on ${day} and used there; ${place.file} is out of date.`, {
    hint: `Set store.url again. To come back to the file, run \`oxbow store move file --replace\` with store.url set, and clear it then. To use the old file as it is, delete ${movedNote(place)}.`,
  })
}

function writeNote(place: StorePlace, note: MovedNote): void {
  writeWhole(movedNote(place), JSON.stringify(note))
}

export function movedNote({ file }: Pick<StorePlace, 'file'>): string {
  return `${file}.moved`
}
