/**
 * Moves a user's rows to another store, which a killed move goes on with; in the end the journal's chain is verified there. The
 * source is only read.
 */
import { type MoveReport, OxbowError } from '../../types/index.ts'
import { aloneWith, type StorePlace, type UpkeepDeps, using } from '../upkeep/store-place.ts'
import { copyAll, dropCursors, notTheSame, openTarget } from './row-transfer.ts'

/** @throws OxbowError `bad_input` for a target that is not empty, or is where the store is already */
export async function moveStore(deps: UpkeepDeps, to: string): Promise<MoveReport> {
  const { place, now } = deps
  const began = now()
  const target: StorePlace = { ...place, url: to === 'file' ? '' : to }
  if (target.url === place.url)
    throw new OxbowError('bad_input', 'The store is there already.', {
      hint: to === 'file' ? 'Name the address of a database to move it there.' : 'Name another address, or `file` for the workspace.',
    })
  return aloneWith(place, 'read', (source) =>
    using(openTarget(target), async (db) => {
      const { resumed, rows } = await copyAll(deps, source, db)
      const [problem] = await deps.verifyChain(to === 'file' ? { file: place.file } : { url: to })
      if (problem !== undefined) throw notTheSame(`the journal in ${db.where}: ${problem}`)
      await dropCursors(db, place.user)
      const configure = to === 'file' ? 'store.url = ""' : `store.url = "${db.where}"`
      return { from: source.where, to: db.where, rows, resumed, configure, ms: now() - began }
    }),
  )
}
