/** The container tier against the hostile program, with the kernel of this machine and with gVisor's. */
import { describe } from 'node:test'
import { sandboxUid } from '../../src/sandbox/tier-plan.ts'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { describeAbuse, prepareRepository } from './describe-abuse.ts'

for (const kernel of ['runc', 'gvisor'] as const) {
  const tier = kernel === 'runc' ? 'container' : 'container with gVisor'
  const without = withoutContainers(kernel)
  if (without !== false) describe(`a hostile program in ${tier}`, { skip: without }, () => undefined)
  else {
    const container = { engine: 'podman', kernel, image: (await testImage()).image } as const
    const uid = process.getuid?.() === 0 ? sandboxUid : null
    describeAbuse(tier, uid, () => makeWorkbench({ limits: { tier: 'container', container }, before: prepareRepository }))
  }
}
