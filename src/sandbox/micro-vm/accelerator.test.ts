import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findAccelerator, hostFacts } from './accelerator.ts'
import type { AcceleratorQuestion } from './accelerator.ts'

const able = 'cpu MHz\t\t: 2000.500\nflags\t\t: fpu vmx sse\n'
const unable = 'cpu MHz\t\t: 2000.500\nflags\t\t: fpu sse avmx\n'

describe('how fast a machine can run', () => {
  let top = ''
  let folders = 0
  before(async () => {
    top = await mkdtemp(join(tmpdir(), 'oxbow-accelerator-'))
  })
  after(() => rm(top, { recursive: true }))

  const ask = async (question: Partial<AcceleratorQuestion>, boots: boolean) => {
    let tried = 0
    const found = await findAccelerator({
      asked: 'auto',
      folder: join(top, String((folders += 1))),
      cpuinfo: able,
      bootId: 'one',
      device: '20660 0 104 open',
      ...question,
      boots: () => {
        tried += 1
        return Promise.resolve(boots)
      },
    })
    return { ...found, tried }
  }

  it('is found out by starting one, and only where the processor can help at all', async () => {
    assert.deepEqual(pick(await ask({}, true)), ['kvm', 1, true])
    assert.deepEqual(pick(await ask({}, false)), ['tcg', 1, false])
    assert.deepEqual(pick(await ask({ cpuinfo: unable }, true)), ['tcg', 0, false])
  })

  it('says what to do where the processor could help and /dev/kvm is missing or closed', async () => {
    assert.match((await ask({ device: 'absent' }, true)).reason, /kvm_intel or kvm_amd/)
    const { reason, tried, accel } = await ask({ device: '20600 0 0 closed' }, true)
    assert.deepEqual([accel, tried], ['tcg', 0])
    assert.match(reason, /chgrp kvm .*usermod/)
  })

  it('is what was asked for, without a try', async () => {
    assert.deepEqual(pick(await ask({ asked: 'tcg' }, true)), ['tcg', 0, true])
    assert.deepEqual(pick(await ask({ asked: 'kvm' }, false)), ['kvm', 0, true])
  })

  it('is remembered until the host boots again, for what was asked', async () => {
    const folder = join(top, 'kept')
    assert.equal((await ask({ folder }, false)).tried, 1)
    assert.deepEqual(pick(await ask({ folder }, true)), ['tcg', 0, false])
    assert.deepEqual(pick(await ask({ folder, asked: 'kvm' }, true)), ['kvm', 0, true])
    assert.deepEqual(pick(await ask({ folder, bootId: 'two' }, true)), ['kvm', 1, true])
  })

  it('is found out again when others may use /dev/kvm than before', async () => {
    const folder = join(top, 'granted')
    assert.deepEqual(pick(await ask({ folder, device: '20600 0 0 closed' }, false)), ['tcg', 0, false])
    assert.deepEqual(pick(await ask({ folder, device: '20660 0 104 open' }, true)), ['kvm', 1, true])
    assert.match(hostFacts().device, /^(?:absent|\d+ \d+ \d+ (?:open|closed))$/)
  })

  it('goes with the clock of the processor', async () => {
    const { tscKhz } = await ask({ cpuinfo: unable }, false)
    assert.ok(tscKhz > 100_000 && tscKhz < 10_000_000, String(tscKhz))
  })
})

function pick({ accel, tried, reason }: { accel: string; tried: number; reason: string }): unknown[] {
  return [accel, tried, reason === '']
}
