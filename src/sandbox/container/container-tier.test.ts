/** The container tier does what every sandbox must do. */
import { describeSandboxContract } from '../sandbox-contract.ts'
import { makeWorkbench } from '../sandbox-workbench.ts'
import { testImage, withoutContainers } from './container-workbench.ts'
import { describe } from 'node:test'

const without = withoutContainers()
if (without === false) {
  describeSandboxContract('container', async () => {
    const { image } = await testImage()
    return makeWorkbench({ limits: { tier: 'container', container: { engine: 'podman', kernel: 'runc', image } } })
  })
} else describe('sandbox contract: container', { skip: without }, () => undefined)
