/** Stands for a kernel that a plain user has started: runs the hostile program in its sandbox, and says in JSON what was seen. */
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { bringAbuse, buildAbuse } from './abuse-program.ts'
import { prepareRepository } from './describe-abuse.ts'
import { layBait } from './host-bait.ts'
import { runAbuse } from './run-abuse.ts'

const bait = await layBait(null)
const bench = await makeWorkbench({ before: prepareRepository })
await bringAbuse(bench.sandbox, await buildAbuse())
const seen = await runAbuse(bench.sandbox, bait.text)
const { status } = bench.sandbox
await bench.sandbox.close()
await bench.remove()
process.stdout.write(JSON.stringify({ seen, status, uid: process.getuid?.(), baitLives: bait.processLives() }))
await bait[Symbol.asyncDispose]()
