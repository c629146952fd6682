/** Finds problems of a store and says how to fix each. Only reads. */
import { Buffer } from 'node:buffer'
import type { StoreProblem, StoreVerifyReport } from '../../config/index.ts'
import { isOxbowError } from '../../base/index.ts'
import { createHasher } from '../chain.ts'
import { maxProblemsShown, maxRowsPerRead } from '../limits.ts'
import { connectStore, countOf, tableNames, type UpkeepConnection, type UpkeepDeps, using } from './connection.ts'

const restore = 'Copy the internal folder to a safe place, then restore a backup: `oxbow restore PATH --replace`.'

/** Tables whose rows refer to rows of another table. */
const references: readonly (readonly [table: string, needs: string, on: string])[] = [
  ['message', 'journal', 'b.seq = a.seq'],
  ['open_call', 'journal', 'b.seq = a.seq'],
  ['memory_passage', 'memory_entry', 'b."key" = a.entry'],
  ['memory_vectors', 'memory_model', 'b.model = a.model'],
]

export async function verifyStore(deps: UpkeepDeps): Promise<StoreVerifyReport> {
  const { place, tell } = deps
  return using(await connectStore(place, 'read'), async (db) => {
    const problems: StoreProblem[] = []
    const checked: string[] = []
    const check = async (name: string, look: () => Promise<readonly StoreProblem[]>): Promise<void> => {
      tell(name, checked.length, 5)
      checked.push(name)
      try {
        problems.push(...(await look()))
      } catch (error) {
        // An unreadable page is a result, too.
        const why = isOxbowError(error) ? error.message : String(error)
        problems.push({ what: `${name}: ${why}`, todo: restore })
      }
    }
    await check('pages', () => pages(db))
    await check('references', () => missingReferences(db, place.user))
    await check('blobs', () => changedBlobs(db, place.user))
    await check('memory', () => bareEntries(db, place.user))
    await check('journal', async () => {
      const found = await deps.verifyChain(place.url === '' ? { file: place.file } : { url: place.url })
      return found.map((what) => ({
        what: `journal: ${what}`,
        todo: 'Run `oxbow audit verify`, and keep a copy of the workspace as it is.',
      }))
    })
    return { ok: problems.length === 0, where: db.where, checked, problems: problems.slice(0, maxProblemsShown) }
  })
}

/** Postgres checks its pages itself whenever it reads one. */
async function pages(db: UpkeepConnection): Promise<readonly StoreProblem[]> {
  if (db.dialect === 'postgres') return []
  const found = (await db.rows(`pragma integrity_check(${maxProblemsShown})`)).map(([line]) => String(line))
  const foreign = await db.rows('pragma foreign_key_check')
  return [
    ...found.filter((line) => line !== 'ok').map((line) => ({ what: `pages: ${line}`, todo: restore })),
    ...foreign.map(([table]) => ({ what: `references: a row of ${String(table)} names one that is missing`, todo: restore })),
  ]
}

async function missingReferences(db: UpkeepConnection, user: string): Promise<readonly StoreProblem[]> {
  const there = await tableNames(db)
  const problems: StoreProblem[] = []
  for (const [table, needs, on] of references) {
    if (!there.has(table) || !there.has(needs)) continue
    const sql = `select count(*) from ${table} a where a."user" = ? and not exists (select 1 from ${needs} b where b."user" = a."user" and ${on})`
    const count = await countOf(db, sql, [user])
    if (count > 0) problems.push({ what: `references: ${count} rows of ${table} name rows of ${needs} that are missing`, todo: restore })
  }
  return problems
}

async function changedBlobs(db: UpkeepConnection, user: string): Promise<readonly StoreProblem[]> {
  const hash = await createHasher()
  const problems: StoreProblem[] = []
  for (let after = ''; ;) {
    const hashes = await db.rows(`select hash from blob where "user" = ? and hash > ? order by hash limit ${maxRowsPerRead}`, [user, after])
    for (const [name] of hashes) {
      const [row] = await db.rows('select bytes from blob where "user" = ? and hash = ?', [user, String(name)])
      const bytes = row?.[0] as Uint8Array | undefined
      // Erased blobs are empty.
      if (bytes === undefined || bytes.length === 0) continue
      if (hash(Buffer.from(bytes)) !== name) problems.push({ what: `blobs: ${String(name)} was changed`, todo: restore })
    }
    const last = hashes.at(-1)?.[0]
    if (last === undefined) return problems
    after = String(last)
  }
}

/** Entries without a passage, which no search finds. */
async function bareEntries(db: UpkeepConnection, user: string): Promise<readonly StoreProblem[]> {
  const there = await tableNames(db)
  if (!there.has('memory_entry') || !there.has('memory_passage')) return []
  const bare = await countOf(
    db,
    `select count(*) from memory_entry e where e."user" = ? and not exists (select 1 from memory_passage p where p."user" = e."user" and p.entry = e."key")`,
    [user],
  )
  return bare === 0 ? [] : [{ what: `memory: ${bare} entries have no passage`, todo: 'Run `oxbow memory reindex`.' }]
}
