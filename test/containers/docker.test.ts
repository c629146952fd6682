/** The container tier on docker: a real service, with an image that is built for it, and all that every sandbox and every container must do. */
import { after, before, describe, it } from 'node:test'
import { sandboxUid } from '../../src/sandbox/bubblewrap/launch-command.ts'
import { describeContainerContract } from '../../src/sandbox/container/container-contract.ts'
import { testImage, withoutContainers } from '../../src/sandbox/container/container-workbench.ts'
import { describeSessionContract } from '../../src/sandbox/hands/session-contract.ts'
import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import { describeSandboxContract } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-workbench.ts'
import type { WorkbenchOptions } from '../../src/sandbox/sandbox-workbench.ts'
import { containersOf } from '../isolation/container-leftovers.ts'
import { describeAbuse, prepareRepository } from '../isolation/describe-abuse.ts'
import { guestWorks } from '../isolation/isolated-bench.ts'
import { describeOlderImages } from './describe-older-images.ts'
import { planDocker, withoutDocker } from './docker-service.ts'

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
    describeAbuse('container with gVisor', sandboxUid, () => make({ ...inGvisor, before: prepareRepository }))
  }
  it('holds a guest that is isolated itself, with its hands in a container beside it', { timeout: 120_000 }, async () => {
    await guestWorks({ tier: 'container', container: limits.container }, false, docker)
  })
  describeOlderImages('docker', { engine: 'docker', searchPath })
  describeKillContract('docker', { ...containersOf(docker.client), limits, searchPath })
})
