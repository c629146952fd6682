/** The micro-VM tier against the hostile program. */
import { describe } from 'node:test'
import { sandboxUid } from '../../src/sandbox/tier-plan.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { describeAbuse, prepareRepository } from './describe-abuse.ts'

/** Smaller than what the program writes, and with fewer inodes (2 048) than it creates names: the disk is the quota. */
const diskMb = 8

const { limits, skip } = await vmFixture()

if (skip === false) {
  describeAbuse('micro_vm', process.getuid?.() === 0 ? sandboxUid : null, () =>
    makeWorkbench({ limits: { ...limits, disk_mb: diskMb }, before: prepareRepository }),
  )
} else describe('a hostile program in micro_vm', { skip }, () => undefined)
