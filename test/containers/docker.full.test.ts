/** The container tier on docker: a real service, with an image that is built for it, and all that every sandbox and every container must do. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { sandboxUid } from '../../src/sandbox/tier-plan.ts'
import { findProgram, ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { describeContainerContract } from '../../src/sandbox/container/container-contract.ts'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-fixture.ts'
import { createSandbox } from '../../src/sandbox/create-sandbox.ts'
import { describeSessionContract } from '../../src/sandbox/hands/session-contract.ts'
import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import { describeSandboxContract } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench, testBrowser, testLimits, type WorkbenchOptions } from '../../src/sandbox/sandbox-fixture.ts'
import type { ImageReport } from '../../src/config/index.ts'
import { containersOf } from '../isolation/container-leftovers.ts'
import { describeAbuse, prepareRepository } from '../isolation/describe-abuse.ts'
import { guestWorks } from '../isolation/isolated-bench.ts'
import { describeOlderImages } from './describe-older-images.ts'
import { planDocker, withoutDocker } from './docker-service.ts'
import { program } from '../support/built.ts'

const without = withoutDocker()
const docker = planDocker()
const { searchPath } = docker

describe('docker', { skip: without }, () => {
  before(
    async () => {
      await docker.start()
      await testImage('docker', searchPath)
    },
    { timeout: 120_000 },
  )
  after(() => docker.stop())

  const limits = { tier: 'container', container: { engine: 'docker', kernel: 'runc', image: '' } } as const
  const make = (more: WorkbenchOptions = {}) => makeWorkbench({ limits, searchPath, ...more })

  describeSandboxContract('docker', () => make())
  describeSessionContract('docker', () => make())
  describeContainerContract('docker', {
    engine: 'docker',
    image: '',
    searchPath,
    limits: ['memory: 384 MB for each container', 'processes: 96'],
    degraded: [],
    finding: { state: 'ok', says: 'docker with runc; in force: memory, processes, processors', fix: '' },
  })
  describeAbuse('container', sandboxUid, () => make({ before: prepareRepository }))
  if (withoutContainers('gvisor') === false) {
    const inGvisor = { limits: { ...limits, container: { ...limits.container, kernel: 'gvisor' } } } as const
    describeSandboxContract('docker with gVisor', () => make(inGvisor))
    // Half a minute more; the walls are gVisor's own, and are tried with podman each time.
    if (process.env['OXBOW_ENGINES'] === 'all') {
      describeAbuse('container with gVisor', sandboxUid, () => make({ ...inGvisor, before: prepareRepository }))
    }
  }
  it('is found by what a person’s environment names it by', { timeout: 60_000 }, async () => {
    const home = await mkdtemp(join(tmpdir(), 'oxbow-docker-home-'))
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: home, ...docker.env }
    const args = [program, 'image', 'build', '--engine', 'docker', '--with', 'ripgrep,git,bash', '--json']
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: home })
    await rm(home, { recursive: true })
    const { engine, made } = JSON.parse(stdout) as ImageReport
    // No other service has this image.
    assert.deepEqual([engine, made], ['docker', null])
  })

  it('holds a guest that is isolated itself, with its hands in a second container', { timeout: 120_000 }, async () => {
    await guestWorks({ tier: 'container', container: limits.container }, false, docker)
  })
  describeOlderImages('docker', { engine: 'docker', searchPath })
  describeKillContract('docker', { ...containersOf(docker.client), limits, searchPath })
})

describe('docker without its service', { skip: without }, () => {
  it('is missing, with what it said and what starts it, and no image is copied for it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxbow-no-docker-'))
    const real = findProgram('docker', ownSearchPath())
    await writeFile(join(folder, 'docker'), `#!/bin/sh\nexec ${real} --host unix:///nowhere/docker.sock "$@"\n`, { mode: 0o755 })
    const path = `${folder}:${ownSearchPath()}`
    const container = { engine: 'docker', kernel: 'runc', image: '' } as const
    const limits = { ...testLimits, tier: 'container', container } as const
    const { status } = await createSandbox({ workspaceRoot: folder, limits, browser: testBrowser, insecure: false, searchPath: path })
    assert.equal(status.tier, 'none')
    assert.match(status.problem!.message, /^docker does not respond: .*(?:Cannot connect|connect to the docker API)/i)
    assert.match(status.problem!.hint, /docker info.*(?:systemctl start docker|`dockerd`)/)
    await assert.rejects(testImage('docker', path), /The image could not be made: .*connect/i)
    await rm(folder, { recursive: true })
  })
})
