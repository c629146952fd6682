/** Writes the snapshot of a memory again and again, until it is killed. Its argument is the path of the database. */
import { createHeldMemory } from '../../src/store/search/held-memory.ts'
import { runSync } from '../../src/store/memory/memory-reads.ts'
import { createAnswers } from '../../src/store/sqlite/memory-answers.ts'
import { writeSnapshot } from '../../src/store/snapshot/snapshot-file.ts'
import { openDatabase } from '../../src/store/sqlite/sqlite-database.ts'
import { ann } from '../../src/store/store-fixture.ts'

const path = process.argv[2] ?? ''
const held = createHeldMemory(ann)
const answer = createAnswers(openDatabase({ path, readOnly: true }))
runSync(held.update(undefined), answer)
process.stdout.write('writing\n')
const place = { path, user: ann, masters: () => null }
// oxlint-disable-next-line require-yield -- nothing is erased meanwhile, so nothing is asked
const never = function* () {
  return false
}
for (;;) runSync(writeSnapshot(place, { ...held.image(), database: '', newest: [] }, never), answer)
