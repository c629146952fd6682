/** The process tier against the hostile program; and the program against no sandbox, so that it is known to see what is open. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { sandboxUid } from '../../src/sandbox/tier-plan.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { buildAbuse } from './abuse-program.ts'
import { describeAbuse, prepareRepository } from './describe-abuse.ts'
import { checkNumbers, surprises } from './expected.ts'
import { layBait } from './host-bait.ts'
import { parseObservations } from './run-abuse.ts'
import type { Observation } from './run-abuse.ts'

const asRoot = process.getuid?.() === 0

describeAbuse('process', asRoot ? sandboxUid : null, () => makeWorkbench({ before: prepareRepository }))

describe('the hostile program without a sandbox', () => {
  it('is let in wherever a plain user is, so that what it reports as blocked was blocked by the sandbox', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-abuse-'))
    await using made = new AsyncDisposableStack()
    made.defer(() => rm(folder, { recursive: true }))
    await chmod(folder, 0o755)
    const program = join(folder, 'abuse')
    await writeFile(program, await buildAbuse(), { mode: 0o755 })
    const uid = asRoot ? sandboxUid : null
    await using bait = await layBait(uid)
    const child = spawn(program, [], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'], ...(uid !== null && { uid, gid: uid }) })
    child.stdin.end(bait.text)
    let text = ''
    child.stdout.on('data', (bytes: Buffer) => (text += bytes.toString()))
    await once(child, 'close')
    const open = parseObservations(text).filter(({ verdict }) => verdict === 'allowed')
    // What every Linux offers to every user; the rest depends on the machine.
    const always = [13, 25, 26, 27, 28, 44, 45, 46, 48, 52, 63, 64, 67, 74, 93]
    assert.deepEqual(
      always.filter((number) => !open.some((each) => each.number === number)),
      [],
      text,
    )
  })
})

describe('the table of expected results', () => {
  it('fails on what is worse, asks to be mended for what is better, and misses what was not observed', () => {
    const seen: Observation[] = checkNumbers
      .filter((number) => number !== 5)
      .map((number) => ({ number, name: 'x', verdict: number === 38 ? 'allowed' : 'blocked', detail: '' }))
    const found = surprises('process', seen)
    assert.ok(found.includes('worse: 38 x () in process is allowed'))
    assert.ok(found.includes('better: 55 x () in process is blocked; take it out of test/isolation/expected.ts'))
    assert.ok(found.includes('5 was not observed in process'))
  })
})
