import { readFile, readdir } from 'node:fs/promises'
import { describe } from 'node:test'
import { describeKillContract } from '../../src/sandbox/kill-contract.ts'
import type { KilledSandbox } from '../../src/sandbox/kill-contract.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { processLeftovers } from './process-leftovers.ts'

const { limits, skip } = await vmFixture()

if (skip === false) describeKillContract('micro_vm', { limits, leftovers: processLeftovers, killLauncher: killQemu })
else describe('kill means kill: micro_vm', { skip }, () => undefined)

/** The machine itself, inside its launcher. It sees the workspace's hidden folder, and nothing else of it. */
async function killQemu({ root }: KilledSandbox): Promise<void> {
  for (const pid of (await readdir('/proc')).map(Number).filter(Number.isInteger)) {
    const quietly = (name: string) => readFile(`/proc/${pid}/${name}`, 'latin1').catch(() => '')
    if (!(await quietly('comm')).startsWith('qemu-system') || !(await quietly('mountinfo')).includes(root)) continue
    return void process.kill(pid, 'SIGKILL')
  }
  throw new Error('There is no QEMU to kill.')
}
