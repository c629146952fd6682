/** Nothing is left of a container, whoever is killed: the engine's client, the kernel, or the kernel of gVisor under a storm. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-workbench.ts'
import { describeKillContract, startResistance } from '../../src/sandbox/kill-contract.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-workbench.ts'
import { containerLeftovers, killClient } from './container-leftovers.ts'

const image = withoutContainers() === false ? (await testImage()).image : ''
const limitsWith = (kernel: 'runc' | 'gvisor') => ({ tier: 'container', container: { engine: 'podman', kernel, image } }) as const
const tier = { leftovers: containerLeftovers, killLauncher: killClient }

const without = withoutContainers()
if (without === false) describeKillContract('container', { ...tier, limits: limitsWith('runc') })
else describe('kill means kill: container', { skip: without }, () => undefined)

const withoutGvisor = withoutContainers('gvisor')
if (withoutGvisor === false) {
  const reason = 'a storm ends the kernel of gVisor, and with it the container: see below'
  const storms = { 'a fork storm': reason }
  describeKillContract('container with gVisor', { ...tier, limits: limitsWith('gvisor'), without: storms })
} else describe('kill means kill: container with gVisor', { skip: withoutGvisor }, () => undefined)

describe('a fork storm in gVisor', { skip: withoutGvisor }, () => {
  it('is over with its container at the latest when the sandbox is closed, and leaves nothing', { timeout: 60_000 }, async () => {
    const bench = await makeWorkbench({ limits: limitsWith('gvisor') })
    const of = { kernelPid: process.pid, root: bench.root }
    await asker(bench.sandbox)('stat', { path: '/tmp' })
    assert.notDeepEqual(await containerLeftovers(of), [])
    // It fails when the container goes down before the storm is seen to have begun.
    await startResistance(bench.sandbox, 'a fork storm').catch(() => undefined)
    await bench.sandbox.close()
    for (const until = performance.now() + 2_000; performance.now() < until && (await containerLeftovers(of)).length > 0;) await delay(20)
    assert.deepEqual(await containerLeftovers(of), [])
    await bench.remove()
  })
})
