/** A machine does what every sandbox does. */
import { it } from 'node:test'
import { describeSandboxContract } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { vmFixture } from './vm-fixture.ts'

const { limits, skip } = await vmFixture()

if (skip === false) describeSandboxContract('micro_vm', () => makeWorkbench({ limits }))
else void it('sandbox contract: micro_vm', { skip })
