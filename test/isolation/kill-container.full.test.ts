/** Nothing is left of a container, whoever is killed: the engine's client, the kernel, or the kernel of gVisor under a storm. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { describeKillContract, leftOnceGone, startResistance } from '../../src/sandbox/kill-contract.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'
import { containerLeftovers, containersOf, handsOf } from './container-leftovers.ts'

const image = withoutContainers() === false ? (await testImage()).image : ''
const limitsWith = (kernel: 'runc' | 'gvisor') => ({ tier: 'container', container: { engine: 'podman', kernel, image } }) as const
const tier = containersOf('podman')

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
    await using bench = await makeWorkbench({ limits: limitsWith('gvisor') })
    const of = { kernelPid: process.pid, root: bench.root }
    await asker(bench.sandbox)('stat', { path: '/tmp' })
    assert.notDeepEqual(await containerLeftovers(of), [])
    // It fails when the container goes down before the storm is seen to have begun.
    await startResistance(bench.sandbox, 'a fork storm').catch(() => undefined)
    await bench.sandbox.close()
    assert.deepEqual(await leftOnceGone(() => containerLeftovers(of)), [])
  })
})

describe('the death of the kernel', { skip: without }, () => {
  it('ends a container whose hands are stopped, with nobody there to start another one', { timeout: 60_000 }, async () => {
    const script = join(import.meta.dirname, 'kernel-to-kill.ts')
    const options = JSON.stringify({ limits: limitsWith('runc'), kind: 'a daemon of its own session that ignores SIGTERM' })
    const kernel = spawn(process.execPath, [script, options], { stdio: ['ignore', 'pipe', 'inherit'] })
    // Also after a failure: a kernel that lives on would keep the process of all tests from ending.
    using made = new DisposableStack()
    made.defer(() => void kernel.kill('SIGKILL'))
    const [line] = (await once(kernel.stdout, 'data')) as [Buffer]
    const { root } = JSON.parse(line.toString()) as { root: string }
    const of = { kernelPid: kernel.pid!, root }
    // Stopped, hands cannot see that their input has ended.
    const hands = await handsOf(root)
    process.kill(hands, 'SIGSTOP')
    kernel.kill('SIGKILL')
    await once(kernel, 'exit')
    assert.deepEqual(await leftOnceGone(() => containerLeftovers(of)), [])
    await rm(root, { recursive: true })
  })
})
