/** Replaces a store and its files by a backup. */
import { existsSync, linkSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { isEncrypted, type CallId, createIdMaker, OxbowError, systemClock, systemRandom } from '../../base/index.ts'
import {
  type ChainHead,
  emptyChain,
  fileFlowCategories,
  type NewRecord,
  type Phase,
  restoreCall,
  toldCategory,
} from '../../protocol/index.ts'
import type { RestorePreview, RestoreReport, StoreQuestion } from '../../config/index.ts'
import { migrate } from '../migrations/migration-runner.ts'
import { eraseSnapshots } from '../snapshot/erase-snapshots.ts'
import { removeDatabase, removeLog, syncFile } from '../sqlite/database-file.ts'
import { openSqliteStore } from '../sqlite/sqlite-store.ts'
import { foreignObjects } from '../sqlite/sqlite-structure.ts'
import type { DocumentRow } from '../store.ts'
import { fileFault } from '../store-fault.ts'
import {
  alone,
  assertNobodyWrites,
  connectSqlite,
  connectStore,
  headOf,
  type SignedRestore,
  type StorePlace,
  tableNames,
  type UpkeepConnection,
  type UpkeepDeps,
  using,
} from '../upkeep/connection.ts'
import { isProven, readBackup, stamp, unpackDatabase } from './backup-file.ts'
import { copyAll, dropCursors, forget, hasCursors, isFilled, movedNote, openTarget } from './store-move.ts'
import { backupStore } from './store-backup.ts'
import { dropStaged, hasPlan, previewFiles, stageFiles, takePlaces, writePlan } from './workspace-files.ts'

type RestoreQuestion = StoreQuestion & { readonly ask: 'restore' }

/**
 * Changes nothing before the whole backup is verified: its hash, its pages and its chain. The restore is recorded in the restored
 * journal, and signed by the runner before the old journal is replaced.
 * @throws OxbowError `bad_input` for an invalid backup, or a store that is not empty
 */
export async function restoreStore(deps: UpkeepDeps, question: RestoreQuestion): Promise<RestoreReport | RestorePreview> {
  const { place, now } = deps
  const { path, replace, by, acceptDamage = false } = question
  const files = question.databaseOnly === true ? undefined : question.files
  deps.tell(question.preview === true || question.rehearse === true ? 'checking the backup' : 'reading the backup', 0, 0)
  const manifest = await readBackup(path)
  if (manifest.user !== place.user) {
    throw new OxbowError('bad_input', `The backup is of user ${JSON.stringify(manifest.user)}, not of ${place.user}.`, {
      hint: `Use \`oxbow restore --user ${manifest.user}\`.`,
    })
  }
  const { files: changes, unopened } = files === undefined ? { files: [], unopened: [] } : await previewFiles(place, path, manifest, files)
  if (question.preview === true) {
    const { where, head, hasRows } = await currentStore(place, true)
    return { manifest, where, head: head.seq, hasRows, unopened, files: changes, problems: [] }
  }
  // A rehearsal puts nothing in place, so it takes other names than a restore, and no guest has to stop for it.
  const suffix = question.rehearse === true ? '.rehearsing' : '.restoring'
  return alone(question.rehearse === true ? { ...place, file: place.file + suffix } : place, async () => {
    let staged: Awaited<ReturnType<typeof stageFiles>>['steps'] = []
    const copy = place.file + suffix
    removeDatabase(copy)
    try {
      await unpackDatabase(path, manifest, copy)
      if (place.cipher === undefined && isEncrypted(copy)) throw withoutKey(path)
      const current = await currentStore(place, question.rehearse === true)
      if (current.hasRows && !replace) throw notReplaced(`The store ${current.where} is not empty.`)
      const full = changes.find(({ change }) => change === 'replaced')
      if (full !== undefined && !replace) throw notReplaced(`${full.path} already exists.`)
      const problems = await makeReady(deps, copy, manifest.head)
      if (problems.length > 0 && !acceptDamage) throw damaged(problems)
      const restore = { call: newId(), from: current.head, to: manifest.head }
      const stays = files === undefined || manifest.parts === undefined
      await appendRestore(deps, copy, restore, { by, manifest, problems, labels: current.labels, stays })
      if (files !== undefined && manifest.parts !== undefined) {
        deps.tell('unpacking files', 0, 0)
        staged = (await stageFiles(place, path, manifest, files, { stamp: stamp(now()), suffix })).steps
      }
      if (question.rehearse === true) {
        const { where, head, hasRows } = current
        return { manifest, where, head: head.seq, hasRows, unopened, files: changes, problems }
      }
      await deps.signRestore(restore)
      if (staged.length > 0) writePlan(place, restore.call, staged)
      const replaced = place.url === '' ? putInPlace(deps, copy, current.hasRows) : await restoreRows(deps, copy, current.hasRows)
      const put = takePlaces(place, staged)
      staged = []
      const proven = isProven(path, question.files?.keys.map(({ key }) => key) ?? [])
      return { from: path, where: current.where, manifest, proven, cutBackFrom: current.head.seq, problems, replaced, unopened, files: put }
    } catch (error) {
      throw fileFault(error, place.file)
    } finally {
      // Without a plan, staged files are dropped; with one, `finishRestore` decides by the journal.
      if (question.rehearse === true || !hasPlan(place)) dropStaged(staged)
      removeDatabase(copy)
    }
  })
}

const newId = createIdMaker(systemClock, systemRandom)

interface CurrentStore {
  readonly where: string
  readonly hasRows: boolean
  readonly head: ChainHead
  readonly labels: readonly LabelDocument[]
}

/** Labels of a file, or of what a program may have kept. */
type LabelDocument = Pick<DocumentRow, 'name' | 'body'> & { readonly category: string }

/** Treats an unreadable store as not empty. Unless it only looks, it checkpoints the file's write-ahead log and refuses a store in use. */
async function currentStore(place: StorePlace, isLook = false): Promise<CurrentStore> {
  const { file, url, user, cipher } = place
  if (url === '' && !existsSync(file)) return { where: file, hasRows: false, head: emptyChain, labels: [] }
  const look = async (db: UpkeepConnection): Promise<CurrentStore> => {
    if (!isLook) await assertNobodyWrites(db, user)
    const tables = await tableNames(db)
    const head = tables.has('journal') ? await headOf(db, user) : emptyChain
    const labels = tables.has('document') ? await labelDocuments(db, user) : []
    // A database with an unfinished move counts as empty.
    const isMoving = url !== '' && (await hasCursors(db, user))
    return { where: url === '' ? file : db.where, hasRows: !isMoving && (await isFilled(db, user)), head, labels }
  }
  if (url !== '') return using(await connectStore(place, 'any version'), look)
  try {
    return await using(connectSqlite(file, isLook ? 'any version' : 'write', cipher), look)
  } catch {
    return { where: file, hasRows: true, head: emptyChain, labels: [] }
  }
}

async function labelDocuments(db: UpkeepConnection, user: string): Promise<readonly LabelDocument[]> {
  const categories = [...fileFlowCategories, toldCategory]
  const marks = categories.map(() => '?').join(', ')
  const rows = await db.rows(`select category, name, body from document where "user" = ? and category in (${marks})`, [user, ...categories])
  return rows.map(([category, name, body]) => ({ category: String(category), name: String(name), body: String(body) }))
}

interface Restored extends Pick<RestoreReport, 'manifest' | 'problems'> {
  readonly by: string
  /** Of the store that is replaced. */
  readonly labels: readonly LabelDocument[]
  /** Files, and data of plugins, stay as they are. */
  readonly stays: boolean
}

/**
 * Records the restore in the restored journal. Files that the backup does not replace keep their labels, and so does what programs were
 * told since: in doubt, there is a label too many and never one too few.
 */
async function appendRestore(
  { place: { user, cipher }, now }: UpkeepDeps,
  path: string,
  { call, from }: SignedRestore,
  { by, manifest, problems, labels, stays }: Restored,
): Promise<void> {
  const keys = cipher === undefined ? {} : { cipher: { masters: cipher.masters, required: cipher.required } }
  const store = await openSqliteStore({ path, user, durability: 'full', ...keys })
  try {
    await store.opened()
    const record = (phase: Phase, body: object): NewRecord => {
      const ids = { actor: `user:${user}`, session: '', turn: '', call: call as CallId } as const
      return { at: now(), ...ids, name: restoreCall, phase, body: JSON.stringify(body) }
    }
    const { madeAt, head, hash } = manifest
    const input = { from, to: head, by, backup: { made_at: madeAt, hash }, ...(problems.length > 0 && { accepted: problems }) }
    const missing = async ({ category, name }: LabelDocument): Promise<boolean> => (await store.document(category, name)) === null
    const lost = stays ? labels : (await Promise.all(labels.map(missing))).flatMap((isMissing, at) => (isMissing ? [labels[at]!] : []))
    const documents = lost.map(({ body, ...of }) => ({ ...of, value: JSON.parse(body) as unknown }))
    const kept = lost.length === 0 ? [] : [record('exchange', { documents })]
    await store.append({
      records: [record('intent', { input }), ...kept, record('outcome', { status: 'ok' })],
      projections: lost.map((each) => ({ kind: 'document', ...each, record: 1 })),
    })
  } finally {
    await store.close()
  }
  removeLog(path)
}

function notReplaced(why: string): OxbowError {
  return new OxbowError('bad_input', why, {
    hint: 'Add --replace to replace it with the backup; a copy of the current state is kept.',
  })
}

/** Migrates the copy, and checks that it is intact and matches its manifest. @returns what does not verify in its journal */
async function makeReady(deps: UpkeepDeps, copy: string, head: ChainHead): Promise<readonly string[]> {
  const connection = connectSqlite(copy, 'write', deps.place.cipher)
  await using(connection, async (db) => {
    const [found] = await db.rows('pragma quick_check(1)')
    if (found?.[0] !== 'ok') throw notWhole(String(found?.[0]))
    const [foreign] = foreignObjects(connection.database)
    if (foreign !== undefined) throw notWhole(`it contains a ${foreign.kind}, which Oxbow never creates`)
    await migrate(db.migration, { now: deps.now, withoutCopy: true })
    const own = await headOf(db, deps.place.user)
    if (own.seq !== head.seq || own.hash !== head.hash) throw notWhole('its journal does not end where its manifest says')
  })
  deps.tell('checking its journal', 0, 0)
  const problems = await deps.verifyChain({ file: copy })
  removeLog(copy)
  return problems
}

function withoutKey(path: string): OxbowError {
  return new OxbowError('denied', 'The database in the backup is encrypted, and this home has no key.', {
    hint: `Give the key file of the home that made it: oxbow restore ${path} --key FILE. Nothing was changed.`,
  })
}

function damaged(problems: readonly string[]): OxbowError {
  return new OxbowError('bad_input', `The journal of the backup does not verify: ${problems.join('; ')}.`, {
    hint: 'Use another backup, or restore this one as it is with --accept-damage: what does not verify is then recorded. Nothing was changed.',
  })
}

function notWhole(why: string): OxbowError {
  return new OxbowError('bad_input', `The backup does not verify: ${why}.`, { hint: 'Use another backup. Nothing was changed.' })
}

/** @returns the new path of the old store; null if it was missing or empty */
function putInPlace({ place: { file }, now }: UpkeepDeps, copy: string, isKept: boolean): string | null {
  const kept = isKept ? `${file}.replaced-${stamp(now())}` : null
  if (kept !== null) linkSync(file, kept)
  // A log that could not be checkpointed moves with its file: it would corrupt another file.
  for (const suffix of ['-wal', '-shm']) {
    if (!existsSync(file + suffix)) continue
    if (kept !== null) linkSync(file + suffix, kept + suffix)
    rmSync(file + suffix)
  }
  renameSync(copy, file)
  syncFile(dirname(file))
  eraseSnapshots(file)
  rmSync(movedNote({ file }), { force: true })
  return kept
}

/**
 * Replaces the rows in one transaction: until it ends, readers see the old store, and an interrupted restore leaves it unchanged. The
 * result is compared with the copy, whose journal was verified.
 * @returns path of a backup of the old rows; null without old rows
 */
async function restoreRows(deps: UpkeepDeps, from: string, isKept: boolean): Promise<string | null> {
  const { place, now } = deps
  return using(connectSqlite(from, 'read', place.cipher), async (source) =>
    using(await openTarget(place), async (db) => {
      await assertNobodyWrites(db, place.user)
      await migrate(db.migration, { now })
      let kept: string | null = null
      if (isKept) {
        mkdirSync(place.backups, { recursive: true, mode: 0o700 })
        const aside = join(place.backups, `${place.user}-replaced-${now()}.oxbow-backup`)
        kept = (await backupStore(deps, { path: aside })).path
      }
      await db.transaction(async () => {
        const open = { ...db, transaction: <Result>(work: () => Promise<Result>) => work() }
        await forget(open, place.user)
        await dropCursors(open, place.user)
        await copyAll(deps, source, open)
        await dropCursors(open, place.user)
      })
      // What a search on this machine held is of the old rows.
      if (existsSync(dirname(place.file))) eraseSnapshots(place.file)
      return kept
    }),
  )
}
