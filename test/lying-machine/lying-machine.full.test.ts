/**
 * Hands that lie, in a live machine: the guest, its ports and QEMU are real, and all inside is in the hands of somebody else, its kernel
 * included. Whatever it tells, the kernel refuses the request, grows by no more than its bounds, never stands still, and the machine is gone.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { leftOnceGone } from '../../src/sandbox/kill-contract.ts'
import { vmFixture } from '../../src/sandbox/micro-vm/vm-fixture.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import { isOxbowError } from '../../src/base/index.ts'
import { processLeftovers } from '../isolation/process-leftovers.ts'
import { measureLoad } from './kernel-load.ts'
import { makeLyingImage } from './lying-machine.ts'
import type { LyingImage } from './lying-machine.ts'

const { limits, skip } = await vmFixture()
const timeout = 180_000
/** Messages that have begun (64 MiB), one that is put together, and what the collector has not come to. */
const mostGrowth = 192 * 1024 * 1024
/** Of our own processor time: a kernel that stands still for this long serves nobody else. */
const mostStepMs = 1_000

interface Lie {
  readonly tells: string
  /** How the request ends. */
  readonly ends: 'sandbox_failed' | 'timeout' | 'tool_failed'
  readonly profile?: 'online'
  /** Of the request. */
  readonly timeoutMs?: number
  /** What comes to the proxy by its way out; absent: none. */
  readonly connections?: 'one' | 'some'
  /** Much like another one: only with OXBOW_KERNELS=all. */
  readonly isAlike?: true
}

const lies: Readonly<Record<string, Lie>> = {
  garbage: { tells: 'another protocol', ends: 'sandbox_failed' },
  'long-frame': { tells: 'a frame of four gigabytes', ends: 'sandbox_failed', isAlike: true },
  'short-frame': { tells: 'a frame shorter than its head', ends: 'sandbox_failed', isAlike: true },
  'unknown-kind': { tells: 'a frame of a kind that there is not', ends: 'sandbox_failed', isAlike: true },
  cancel: { tells: 'what only the kernel may', ends: 'sandbox_failed', isAlike: true },
  'other-id': { tells: 'an answer to what was not asked', ends: 'sandbox_failed' },
  twice: { tells: 'one answer twice', ends: 'tool_failed' },
  'no-json': { tells: 'half of an answer as a whole one', ends: 'sandbox_failed', isAlike: true },
  'wrong-shape': { tells: 'an answer of another shape', ends: 'sandbox_failed', isAlike: true },
  'host-error': { tells: 'that the store of the kernel is full', ends: 'sandbox_failed' },
  'other-size': { tells: 'more bytes than it has sent', ends: 'sandbox_failed', isAlike: true },
  'many-greetings': { tells: 'greetings without end', ends: 'sandbox_failed' },
  'endless-message': { tells: 'a message without end', ends: 'sandbox_failed' },
  'endless-bytes': { tells: 'bytes without end', ends: 'sandbox_failed', isAlike: true },
  'endless-beginnings': { tells: 'the beginnings of messages without end', ends: 'sandbox_failed' },
  'many-arrays': { tells: 'an answer that is small to send and large to have', ends: 'sandbox_failed' },
  'half-frame': { tells: 'half a frame', ends: 'timeout', timeoutMs: 1_000, isAlike: true },
  silence: { tells: 'nothing', ends: 'timeout', timeoutMs: 1_000 },
  wedged: { tells: 'nothing, and reads nothing any more', ends: 'timeout', timeoutMs: 1_000 },
  reboot: { tells: 'nothing, for its machine starts again', ends: 'sandbox_failed' },
  panic: { tells: 'nothing, for its kernel has panicked', ends: 'sandbox_failed', isAlike: true },
  'halted-kernel': { tells: 'nothing, for its kernel has halted', ends: 'timeout', timeoutMs: 1_000 },
  'egress-garbage': { tells: 'garbage on its way out', ends: 'sandbox_failed', profile: 'online', connections: 'one' },
  'egress-flood': {
    tells: 'of connections without end on its way out',
    ends: 'timeout',
    profile: 'online',
    timeoutMs: 1_000,
    connections: 'some',
  },
}

const isAll = process.env['OXBOW_KERNELS'] === 'all'
const chosen = Object.entries(lies).filter(([, { isAlike }]) => isAll || isAlike !== true)

describe('a machine whose hands lie', { skip }, () => {
  let image: LyingImage | undefined
  let bench: Workbench | undefined
  let folder = ''
  let proxy: Server | undefined
  let connections = 0
  before(
    async () => {
      image = await makeLyingImage(limits.micro_vm!.image)
      folder = await mkdtemp(join(tmpdir(), 'oxbow-way-'))
      proxy = createServer((socket) => {
        connections += 1
        socket.destroy()
      }).listen(join(folder, 'proxy.sock'))
      await once(proxy, 'listening')
      bench = await makeWorkbench({
        limits: { ...limits, micro_vm: { ...limits.micro_vm!, image: image.folder } },
        egressSocket: () => Promise.resolve(join(folder, 'proxy.sock')),
      })
    },
    { timeout },
  )
  after(async () => {
    proxy?.close()
    await bench?.sandbox.close()
    await bench?.remove()
    await image?.remove()
    await rm(folder, { recursive: true, force: true })
  })
  const leftovers = () => processLeftovers({ kernelPid: process.pid, root: bench!.root })

  for (const [name, { tells, ends, profile = 'work', timeoutMs = 60_000, connections: expected }] of chosen) {
    it(`that tells ${tells} is not believed, and gone`, { timeout }, async (t) => {
      const hands = await bench!.sandbox.hands(profile)
      const options = { signal: new AbortController().signal, timeoutMs }
      assert.notDeepEqual(await leftovers(), [], 'what runs must be found')
      connections = 0
      let left: readonly string[] = []
      let code = 'none'
      const { grownBytes, longestStepMs } = await measureLoad(async () => {
        const asked = hands.ask('stat', { path: `/tmp/lie-${name}` }, options)
        // Large enough that it cannot all be on its way: somebody must read it.
        const given = name === 'wedged' ? hands.ask('write', { path: '/tmp/x', text: 'x'.repeat(8_000_000) }, options) : null
        await asked.catch((error: unknown) => (code = isOxbowError(error) ? error.code : String(error)))
        await given?.catch(() => undefined)
        left = await leftOnceGone(leftovers)
      })
      t.diagnostic(`grown by ${Math.round(grownBytes / 2 ** 20)} MiB, longest step ${Math.round(longestStepMs)} ms`)
      assert.equal(code, ends)
      assert.deepEqual(left, [])
      // More have come than there may be at once when each is ended at once; never one for each that was asked for.
      assert.ok(expected === 'some' ? connections > 0 : connections === (expected === 'one' ? 1 : 0), `${connections} connections`)
      assert.ok(grownBytes < mostGrowth, `${grownBytes} bytes`)
      assert.ok(longestStepMs < mostStepMs, `${longestStepMs} ms`)
    })
  }
  it('that floods its other ports does not affect the host', { timeout }, async (t) => {
    const hands = await bench!.sandbox.hands('work')
    const options = { signal: new AbortController().signal, timeoutMs: 60_000 }
    connections = 0
    let message = ''
    const { grownBytes, longestStepMs } = await measureLoad(async () => {
      await hands.ask('stat', { path: '/tmp/lie-flood-of-other-ports' }, options).catch((error: unknown) => (message = String(error)))
    })
    assert.match(message, /ports:.* flooded/)
    t.diagnostic(`${message}: grown by ${Math.round(grownBytes / 2 ** 20)} MiB, longest step ${Math.round(longestStepMs)} ms`)
    assert.ok(grownBytes < mostGrowth && longestStepMs < mostStepMs, `${grownBytes} bytes, ${longestStepMs} ms`)
    assert.equal(connections, 0)
  })
})
