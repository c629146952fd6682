import { describe } from 'node:test'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-workbench.ts'
import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import { containerLeftovers, killClient } from './container-leftovers.ts'

for (const kernel of ['runc', 'gvisor'] as const) {
  const name = kernel === 'runc' ? 'container' : 'container with gVisor'
  const without = withoutContainers(kernel)
  if (without !== false) describe(`kill means kill: ${name}`, { skip: without }, () => undefined)
  else {
    const container = { engine: 'podman', kernel, image: (await testImage()).image } as const
    describeKillContract(name, { limits: { tier: 'container', container }, leftovers: containerLeftovers, killLauncher: killClient })
  }
}
