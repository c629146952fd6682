/** Writes the snapshot of a memory again and again, until it is killed. Its argument is the path of the database. */
import { createHeldMemory } from '../../src/store/search/held-memory.ts'
import { runSync } from '../../src/store/memory/memory-reads.ts'
import { createAnswers } from '../../src/store/sqlite/memory-answers.ts'
import { writeSnapshot } from '../../src/store/sqlite/snapshot-file.ts'
import { openDatabase } from '../../src/store/sqlite/sqlite-database.ts'
import { ann } from '../../src/store/store-fixture.ts'

const path = process.argv[2] ?? ''
const held = createHeldMemory(ann)
runSync(held.update(undefined), createAnswers(openDatabase({ path, readOnly: true })))
process.stdout.write('writing\n')
for (;;) writeSnapshot({ path, user: ann }, { ...held.image(), newest: [] }, () => false)
