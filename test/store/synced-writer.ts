/**
 * `synced-writer.ts FILE DURABILITY APPENDS` appends to a store, one after the other, and prints `ack SEQ` when a record that must survive
 * power loss was acknowledged. Erasures in between empty the log, so that it begins again.
 */
import { writeSync } from 'node:fs'
import { openSqliteStore } from '../../src/store/index.ts'
import { recordOf } from '../../src/store/store-contract.ts'
import { ann } from '../../src/store/store-fixture.ts'

const [path = '', durability = '', appends = ''] = process.argv.slice(2)
const erasedEvery = 20
const syncedEvery = 3

const store = await openSqliteStore({ path, user: ann, durability: durability === 'full' ? 'full' : 'normal' })
await store.opened()
for (let i = 1; i <= Number(appends); i++) {
  const sync = durability === 'full' || i % syncedEvery === 0
  const records = [recordOf(`c${i}`, 'intent', { body: JSON.stringify('x'.repeat((i * 97) % 3_000)) }), recordOf(`c${i}`, 'outcome')]
  const { firstSeq } = await store.append({ records, ...(sync && { sync }) })
  if (sync) writeSync(1, `ack ${firstSeq + 1}\n`)
  if (i % erasedEvery === 0) await store.erase([firstSeq], 'a test')
}
// It is not closed: what is only in the log counts.
process.exit(0)
