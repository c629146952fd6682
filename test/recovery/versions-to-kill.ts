/** Changes files and commits them until it is killed: its argument is the folder of the repository. Prints each commit. */
import { mkdirSync } from 'node:fs'
import { createCheckpoints } from '../../src/services/versions/thread/checkpoint.ts'
import { openRepository } from '../../src/repository/repository.ts'

const folder = process.argv[2] ?? ''
mkdirSync(folder, { recursive: true })
const repository = await openRepository(folder)
const checkpoints = await createCheckpoints(folder, repository)
for (let round = 0; ; round += 1) {
  const paths = Array.from({ length: 300 }, (_, at) => `d${at % 20}/f${at}.txt`)
  const contents = paths.map((path) => Buffer.from(`${path} ${round} ${process.pid}\n`))
  await checkpoints.begin(false, [])
  const { small: wanted } = checkpoints.match(paths.map((path) => ({ path, kind: 'file', stamp: '' })))
  const files = contents.map(({ length }) => ({ kind: 'file' as const, bytes: length, stamp: `${round} ${process.pid}` }))
  checkpoints.put(wanted, files, Buffer.concat(contents))
  const facts = { author: 'agent:ox', at: round * 1_000, subject: `Round ${round}`, trailers: {} }
  const { commit } = await checkpoints.commit(facts, null)
  process.stdout.write(`${commit}\n`)
}
