/** The power fails at any moment, on a disk that forgets what was not synced: everything acknowledged as durable is there, and whole. */
import assert from 'node:assert/strict'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createHasher, recordHolds } from '../../src/store/index.ts'
import { ann, storeFolder } from '../../src/store/store-fixture.ts'
import { openDatabase } from '../../src/store/sqlite/sqlite-database.ts'
import type { JournalRecord } from '../../src/protocol/index.ts'
import { traceRun, tracingSkip } from './traced-disk.ts'

const writer = fileURLToPath(new URL('synced-writer.ts', import.meta.url))
const appends = 120
const cuts = 200

/** A small generator with a seed, so that a failure can be repeated. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1_103_515_245 + 12_345) % 2_147_483_648) / 2_147_483_648
}

describe('a store whose machine loses power', { skip: tracingSkip() }, () => {
  for (const durability of ['full', 'normal'] as const) {
    it(`keeps what it acknowledged as durable in ${cuts} cuts, with durability ${durability}`, async () => {
      await using files = storeFolder()
      const run = traceRun([writer, files.path, durability, String(appends)], files.folder)
      const acknowledgedAt = (moment: number): number => Number(run.printedAt(moment).at(-1)?.replace('ack ', '') ?? 0)
      const total = acknowledgedAt(run.moments)
      assert.equal(total, appends * 2, 'the writer had its last record acknowledged')
      let first = 0
      while (acknowledgedAt(first) === 0) first++
      const random = randomOf(durability === 'full' ? 7 : 11)
      const hash = await createHasher()
      let lost = 0
      for (let cut = 0; cut < cuts; cut++) {
        const moment = first + Math.floor(random() * (run.moments - first))
        // Nothing that was not synced, everything, or any part of it.
        const share = [0, 1, 0.5, 0.9][cut % 4]!
        const folder = join(files.folder, `cut-${cut}`)
        run.leaveAt(moment, folder, () => random() < share)
        const database = openDatabase({ path: join(folder, 'oxbow.db'), readOnly: false })
        const where = `cut ${cut} at ${moment} of ${run.moments}, ${share} of what was not synced`
        const records = database.query<JournalRecord>('select * from journal order by seq')
        const acknowledged = acknowledgedAt(moment)
        assert.ok(records.length >= acknowledged, `${records.length} records of ${acknowledged} acknowledged: ${where}`)
        records.forEach((record, i) => {
          assert.equal(record.seq, i + 1, where)
          assert.equal(record.previous, records[i - 1]?.hash ?? record.previous, where)
          assert.equal(recordHolds(hash, ann, record), true, where)
        })
        assert.deepEqual(database.query('pragma integrity_check'), [{ integrity_check: 'ok' }], where)
        lost += acknowledgedAt(run.moments) - records.length
        database.close()
        rmSync(folder, { recursive: true })
      }
      assert.ok(lost > 0, 'some cuts take records that nobody was promised')
    })
  }
})
