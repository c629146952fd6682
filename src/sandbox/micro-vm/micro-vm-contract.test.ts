/** A machine does what every sandbox does. */
import { describeSandboxContract } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-workbench.ts'
import { vmFixture } from './vm-fixture.ts'
import { it } from 'node:test'

const { imageFolder, skip } = await vmFixture()

if (skip === false) {
  describeSandboxContract('micro_vm', () => makeWorkbench({ limits: { tier: 'micro_vm', disk_mb: 256 }, imageFolder }))
} else {
  it('sandbox contract: micro_vm', { skip })
}
