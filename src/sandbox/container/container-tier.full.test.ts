/** The container tier does what every sandbox must do, and what only containers have to. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Config } from '../../config/index.ts'
import { createSandbox } from '../create-sandbox.ts'
import { asker, describeSandboxContract } from '../sandbox-contract.ts'
import { describeServerContract } from '../server-contract.ts'
import { makeWorkbench, testBrowser, testLimits, type Workbench, type WorkbenchOptions } from '../sandbox-fixture.ts'
import { describeContainerContract } from './container-contract.ts'
import { findEngine, findImage } from './container-engine.ts'
import type { ContainerEngine } from './container-engine.ts'
import { testImage, withoutContainers } from './container-fixture.ts'
import { isFull } from '../../../test/support/scale.ts'

const without = withoutContainers()
const image = without === false ? (await testImage()).image : ''
const limits = { tier: 'container', container: { engine: 'podman', kernel: 'runc', image } } as const satisfies Partial<Config['sandbox']>
const make = (more: WorkbenchOptions = {}): Promise<Workbench> => makeWorkbench({ ...more, limits: { ...limits, ...more.limits } })

if (without === false) {
  describeSandboxContract('container', () => make())
  describeServerContract('container', make, { quick: !isFull })
  if (isFull && withoutContainers('gvisor') === false) {
    const withGvisor = (): Promise<Workbench> => make({ limits: { container: { ...limits.container, kernel: 'gvisor' } } })
    describeSandboxContract('container with gVisor', withGvisor)
    it('gVisor runs as many processes as it says, and refuses more than that without an end of its own', async () => {
      // With less its memory ends first.
      await using bench = await make({ limits: { container: { ...limits.container, kernel: 'gvisor' }, memory_mb: 1_024 } })
      const ask = asker(bench.sandbox)
      const start = (count: number): string => `for i in $(seq ${count}); do sleep 2 & done; wait; echo ended`
      const run = async (command: string): Promise<string> =>
        (await ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 10_000 }, { timeoutMs: 90_000 })).stdout
      assert.equal(await run(start(testLimits.max_processes - 40)), 'ended\n')
      await run(`(${start(testLimits.max_processes * 2)}) 2>&1`)
      assert.equal(await run('echo alive'), 'alive\n')
    })
  }
  const finding = { state: 'ok', says: 'podman with runc; in force: memory, processes, processors', fix: '' } as const
  const inForce = ['memory: 384 MB for each container', 'processes: 96']
  describeContainerContract('podman', { engine: 'podman', image, limits: inForce, degraded: [], finding })
}

describe('a machine without', { skip: without }, () => {
  const statusWith = async (sandbox: Partial<Config['sandbox']>, searchPath?: string) => {
    const root = await mkdtemp(join(tmpdir(), 'oxbow-none-'))
    const options = { workspaceRoot: root, limits: { ...testLimits, ...limits, ...sandbox }, browser: testBrowser, insecure: false }
    const made = await createSandbox({ ...options, ...(searchPath !== undefined && { searchPath }) })
    await made.close()
    await rm(root, { recursive: true })
    return made.status
  }

  it('an engine says which packages bring one', async () => {
    const { tier, problem } = await statusWith({}, '/nowhere')
    assert.equal(tier, 'none')
    assert.match(problem!.hint, /apt-get install podman runc catatonit/)
    const docker = await statusWith({ container: { ...limits.container, engine: 'docker' } }, '/nowhere')
    assert.match(`${docker.problem!.message} ${docker.problem!.hint}`, /docker is not installed.*apt-get install docker\.io/)
  })

  it('if podman lacks something, docker is used, or without docker the error says what podman lacks', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-engines-'))
    const add = (name: string) => writeFile(join(folder, name), '', { mode: 0o755 })
    const found = (engine: 'auto' | 'podman') => findEngine({ engine, kernel: 'gvisor' }, folder)
    await add('podman')
    assert.match(JSON.stringify(found('auto')), /podman lacks runsc.*apt-get install runsc/)
    await add('docker')
    assert.equal((found('auto') as ContainerEngine).name, 'docker')
    assert.match(JSON.stringify(found('podman')), /podman lacks runsc/)
    await rm(folder, { recursive: true })
  })

  it('an engine that works is not told of as one without the image', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-engines-'))
    await writeFile(join(folder, 'podman'), '#!/bin/sh\necho "Error: the storage is broken" >&2; exit 125', { mode: 0o755 })
    const engine = { name: 'podman', file: join(folder, 'podman'), env: {}, rootless: false } as const
    const found = await findImage(engine, 'localhost/mine', '')
    assert.match(JSON.stringify(found), /podman does not respond: Error: the storage is broken/)
    await rm(folder, { recursive: true })
  })

  it('an image says how to make it, and goes on with a weaker tier only where that is allowed', async () => {
    const container = { ...limits.container, image: 'localhost/oxbow/nothing' }
    const { tier, problem } = await statusWith({ container })
    assert.equal(tier, 'none')
    assert.match(problem!.hint, /sandbox\.container\.image.*oxbow image build/)
    const weaker = await statusWith({ container, allow_lower: 'process' })
    assert.equal(weaker.tier, 'process')
    assert.match(weaker.problem!.message, /^Weaker than asked for \(container\)/)
  })
})
