/** A machine of microsandbox does what every sandbox does, and is gone when it is closed. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { it } from 'node:test'
import { promisify } from 'node:util'
import { ownSearchPath } from '../host-programs.ts'
import { describeSandboxContract } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { listArguments } from './microsandbox-tier.ts'

const image = process.env['OXBOW_TEST_MSB_IMAGE']
const make = (): Promise<Workbench> =>
  makeWorkbench({
    limits: { tier: 'micro_vm', disk_mb: 64, micro_vm: { provider: 'microsandbox', accel: 'auto', image: image! } },
  })

if (image === undefined) {
  void it('sandbox contract: microsandbox', {
    skip: 'set OXBOW_TEST_MSB_IMAGE to an image with Node 24, or a root, as test/rigs/kvm-main.ts --msb does',
  })
} else {
  describeSandboxContract('microsandbox', make)

  void it('a machine of microsandbox runs commands, and ends what they leave', async () => {
    const bench = await make()
    const hands = await bench.sandbox.hands('work')
    const limits = { signal: new AbortController().signal, timeoutMs: 60_000 }
    const exec = async (command: string): Promise<string> =>
      (await hands.ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 60_000, maxOutputBytes: 1_000 }, limits)).stdout
    assert.equal(await exec('echo well > x; cat x; id -u; (setsid env -i sleep 600 &) '), 'well\n60999\n')
    assert.equal(await exec('ps -o args | grep -c "[s]leep 600" || true'), '0\n')
    await bench.sandbox.close()
    await bench.remove()
  })

  void it('no machine of microsandbox is left when its sandbox is closed', async () => {
    const env = { PATH: ownSearchPath(), HOME: process.env['HOME'] }
    const left = async (): Promise<string> => (await promisify(execFile)('msb', [...listArguments], { env })).stdout.trim()
    const bench = await make()
    assert.equal(bench.sandbox.status.provider, 'microsandbox')
    const options = { signal: new AbortController().signal, timeoutMs: 60_000 }
    await (await bench.sandbox.hands('work')).ask('stat', { path: '/shared' }, options)
    assert.match(await left(), /^oxbow-\d+-\d+-\d+-\w+$/)
    await (await bench.sandbox.hands('vault-read')).ask('stat', { path: '/vault' }, options)
    assert.equal((await left()).split('\n').length, 2)
    await bench.sandbox.close()
    assert.equal(await left(), '')
    await bench.remove()
  })
}
