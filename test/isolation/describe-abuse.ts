/** One test for each tier: the hostile program gets what the table says, no less and no more. */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { SandboxUnderTest } from '../../src/sandbox/sandbox-contract.ts'
import { bringAbuse, buildAbuse } from './abuse-program.ts'
import { surprises } from './expected.ts'
import type { AbuseTier } from './expected.ts'
import { layBait } from './host-bait.ts'
import type { Bait } from './host-bait.ts'
import { runAbuse } from './run-abuse.ts'

/** @param make a sandbox whose workspace was made with `prepareRepository`, and with the limits of the workbench */
export function describeAbuse(tier: AbuseTier, uid: number | null, make: () => Promise<SandboxUnderTest>): void {
  describe(`a hostile program in ${tier}`, () => {
    let made: SandboxUnderTest
    let bait: Bait
    /** What `before` has made so far: it may fail half way, and bait that is left would keep the test process from ending. */
    const opened = new AsyncDisposableStack()
    before(async () => {
      bait = opened.use(await layBait(uid))
      made = await make()
      opened.defer(() => made.remove())
      opened.defer(() => made.sandbox.close())
    })
    after(() => opened.disposeAsync())

    it('gets what the table of expected results says, no less and no more', { timeout: 400_000 }, async () => {
      await bringAbuse(made.sandbox, await buildAbuse())
      const seen = await runAbuse(made.sandbox, bait.text)
      assert.deepEqual(surprises(tier, seen), [])
      assert.ok(bait.processLives())
    })
  })
}

/** A repository of a person, with hooks and configuration that run on the person's side. */
export async function prepareRepository(root: string): Promise<void> {
  const git = join(root, 'shared/.git')
  await mkdir(join(git, 'hooks'), { recursive: true })
  await writeFile(join(git, 'HEAD'), 'ref: refs/heads/main\n')
  await writeFile(join(git, 'config'), '[core]\n')
}
