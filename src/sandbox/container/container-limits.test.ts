/** What the status makes of what docker says of itself, with a program that says it: machines like these are not at hand. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { SandboxStatus } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { notStartedHint } from './container-limits.ts'
import { createSandbox } from '../create-sandbox.ts'
import { testBrowser, testLimits } from '../sandbox-fixture.ts'

/** @param info memory, processes, processors, security options and runtimes, as the status asks for them */
async function statusOf(info: string, more: Partial<Config['sandbox']['container']> = {}): Promise<SandboxStatus> {
  const folder = await mkdtemp(join(tmpdir(), 'oxbow-said-'))
  const images = `echo '${'a'.repeat(64)} map[]'`
  await writeFile(join(folder, 'docker'), `#!/bin/sh\ncase $1 in info) echo '${info}';; *) ${images};; esac\n`, { mode: 0o755 })
  const container = { engine: 'docker', kernel: 'runc', image: '', ...more } as const
  const limits = { ...testLimits, tier: 'container', container, cpus: 1 } as const
  const { status } = await createSandbox({ workspaceRoot: folder, limits, browser: testBrowser, insecure: false, searchPath: folder })
  await rm(folder, { recursive: true })
  return status
}

describe('what docker says of itself', () => {
  it('becomes limits in force, and limits missing with the reason', async () => {
    const all = await statusOf('true true true ["name=seccomp,profile=default"] runc ')
    assert.deepEqual([all.degraded, all.limits.length], [[], 7], all.limits.join('; '))
    const { tier, limits, degraded } = await statusOf('false true false [] runc ')
    assert.equal(tier, 'container')
    assert.deepEqual(degraded, [
      'memory: docker finds no control group for it on this machine; each process is limited by itself',
      'processors: docker finds no control group for it on this machine; not limited',
    ])
    assert.deepEqual(
      limits.filter((limit) => /^(?:memory|processes|processors):/.test(limit)),
      ['processes: 96'],
    )
  })

  it('is refused where the workspace would be nobody’s', async () => {
    for (const mode of ['name=rootless', 'name=userns']) {
      const { tier, problem } = await statusOf(`true true true ["name=cgroupns","${mode}"] runc `)
      assert.equal(tier, 'none', mode)
      assert.match(`${problem?.message} ${problem?.hint}`, /cannot write to the workspace\. Install podman/)
    }
  })

  it('is asked for gVisor, which it must have been told of', async () => {
    const without = await statusOf('true true true [] io.containerd.runc.v2 runc ', { kernel: 'gvisor' })
    assert.match(`${without.problem?.message} ${without.problem?.hint}`, /runsc.*daemon\.json/)
    const { provider, limits } = await statusOf('true true true [] runc runsc ', { kernel: 'gvisor' })
    assert.equal(provider, 'docker with gVisor')
    assert.ok(limits.includes('processes: 96'))
  })

  it('leads to a range of ids where podman has none without root', () => {
    const said = 'Error: keep-id requires additional UIDs or GIDs defined in /etc/subuid and /etc/subgid to function correctly'
    assert.match(notStartedHint(said), /usermod --add-subuids .*podman system migrate/)
    assert.match(notStartedHint('Error: something else'), /oxbow doctor/)
  })

  it('is no answer when it is empty', async () => {
    const { tier, problem } = await statusOf('')
    assert.equal(tier, 'none')
    assert.match(problem!.message, /^docker does not respond: it printed nothing/)
  })
})
