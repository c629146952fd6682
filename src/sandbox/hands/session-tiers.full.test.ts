/** Sessions in every tier that this machine has. */
import { it } from 'node:test'
import { testImage, withoutContainers } from '../container/container-fixture.ts'
import { vmFixture } from '../micro-vm/vm-fixture.ts'
import { makeWorkbench } from '../sandbox-fixture.ts'
import { describeSessionContract } from './session-contract.ts'

describeSessionContract('process', () => makeWorkbench())

const without = withoutContainers()
if (without === false) {
  const { image } = await testImage()
  describeSessionContract('container', () =>
    makeWorkbench({ limits: { tier: 'container', container: { engine: 'podman', kernel: 'runc', image } } }),
  )
} else void it('session contract: container', { skip: without })

const { limits, skip } = await vmFixture()
if (skip === false) describeSessionContract('micro_vm', () => makeWorkbench({ limits }))
else void it('session contract: micro_vm', { skip })
