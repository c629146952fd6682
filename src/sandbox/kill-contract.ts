/**
 * Kill means kill: whatever a command has started, and however its sandbox ends, nothing of it is left a moment later. Run by
 * each tier, which says how leftovers of it are found on this host.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Sandbox } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { asker, refusedWith } from './sandbox-contract.ts'
import { makeWorkbench } from './sandbox-fixture.ts'

/** Identifies a sandbox: this kernel process's, over this workspace. */
export interface KilledSandbox {
  readonly kernelPid: number
  readonly root: string
}

export interface KillSubject {
  /** What makes `makeWorkbench` make the tier. */
  readonly limits: Partial<Config['sandbox']>
  /** Where programs of the tier are, when not where this process has them. */
  readonly searchPath?: string
  /** What of the sandbox is left on this host, a line each: processes, mounts, control groups, containers, machines. */
  leftovers(of: KilledSandbox): Promise<readonly string[]>
  /** Ends with SIGKILL the process on the host by which the sandbox is held: bubblewrap, the engine's client, QEMU. */
  killLauncher(of: KilledSandbox): Promise<void>
  /** What cannot go on long enough in this tier to be killed from outside, and why. */
  readonly without?: Partial<Readonly<Record<Resistance, string>>>
}

/** What docs/isolation.md promises. */
const goneWithinMs = 2_000
/** As many looks fit into that time where nothing else runs: on a machine that is slower than that the time is longer, too. */
const looksWithin = 50
/** A start of the slowest tier, an emulated machine, and the storm in it. */
const timeout = 300_000

/** Processes that ignore signals, have left their session and parents, are stopped, or start faster than they can be ended. */
const resistance = {
  'a fork storm': 'storm() { storm | storm & }; storm; : > /tmp/up; wait; sleep 600',
  'a daemon of its own session that ignores SIGTERM':
    '(setsid sh -c \'trap "" TERM HUP INT; (trap "" TERM HUP INT; : > /tmp/up; while :; do sleep 60; done) &\' &); sleep 600',
  'stopped processes': "for i in 1 2 3; do sh -c 'kill -STOP $$' & done; : > /tmp/up; kill -STOP $$",
  'a storm of short processes': 'for i in 1 2 3 4; do (while :; do /bin/true; done) & done; : > /tmp/up; wait',
} as const

export type Resistance = keyof typeof resistance

/** Resolves when it has begun. The command itself never ends; what becomes of it is not waited for. */
export async function startResistance(sandbox: Sandbox, kind: Resistance): Promise<void> {
  const hands = await sandbox.hands('work')
  const limits = { signal: new AbortController().signal, timeoutMs: 600_000 }
  // Asked of these hands directly: no command could be started during a storm, and other hands would know nothing of it.
  // Not by a pattern: each is matched in a thread of its own, and a storm may leave none.
  const hasBegun = async (): Promise<boolean> => (await hands.ask('stat', { path: '/tmp/up' }, limits)).kind !== 'missing'
  assert.equal(await hasBegun(), false)
  const exec = { command: resistance[kind], cwd: '/tmp', stdin: '', maxOutputBytes: 1_000, timeoutMs: limits.timeoutMs }
  let runs = false
  while (!(await hasBegun())) {
    // A storm can take its own first shell down before that has said so: then it is called up again.
    if (!runs) {
      runs = true
      const over = (): void => void (runs = false)
      hands.ask('exec', exec, limits).then(over, over)
    }
    await delay(10)
  }
}

/** @returns what is left when the time that a kill may take is over, at once when nothing is. */
export async function leftOnceGone(look: () => Promise<readonly string[]>): Promise<readonly string[]> {
  const until = performance.now() + goneWithinMs
  for (let looks = 1; ; looks++) {
    const left = await look()
    if (left.length === 0 || (performance.now() > until && looks > looksWithin)) return left
    await delay(20)
  }
}

export function describeKillContract(name: string, { limits, searchPath, leftovers, killLauncher, without = {} }: KillSubject): void {
  const place = { limits, ...(searchPath !== undefined && { searchPath }) }
  describe(`kill means kill: ${name}`, () => {
    const leftAfterAWhile = (of: KilledSandbox): Promise<readonly string[]> => leftOnceGone(() => leftovers(of))

    for (const kind of Object.keys(resistance) as Resistance[]) {
      it(`leaves nothing of ${kind} when the sandbox is closed`, { timeout, skip: without[kind] ?? false }, async () => {
        await using bench = await makeWorkbench(place)
        const of = { kernelPid: process.pid, root: bench.root }
        await startResistance(bench.sandbox, kind)
        assert.notDeepEqual(await leftovers(of), [], 'what runs must be found')
        await bench.sandbox.close()
        assert.deepEqual(await leftAfterAWhile(of), [])
      })
    }

    it('leaves nothing when the launcher is killed, and the next request has a new sandbox', { timeout }, async () => {
      await using bench = await makeWorkbench(place)
      const of = { kernelPid: process.pid, root: bench.root }
      await startResistance(bench.sandbox, 'a daemon of its own session that ignores SIGTERM')
      const exec = { cwd: '/tmp', stdin: '', timeoutMs: 60_000, maxOutputBytes: 1_000 }
      const waiting = refusedWith('sandbox_failed', asker(bench.sandbox)('exec', { ...exec, command: 'sleep 50' }, { timeoutMs: 60_000 }))
      await killLauncher(of)
      await waiting
      assert.deepEqual(await leftAfterAWhile(of), [])
      assert.equal((await asker(bench.sandbox)('exec', { ...exec, command: 'echo alive' }, { timeoutMs: 60_000 })).stdout, 'alive\n')
      await bench.sandbox.close()
      assert.deepEqual(await leftAfterAWhile(of), [])
    })

    for (const kind of ['a fork storm', 'a daemon of its own session that ignores SIGTERM', 'stopped processes'] as const) {
      it(
        `leaves nothing of ${kind} when the kernel is killed and another one has started`,
        { timeout, skip: without[kind] ?? false },
        async () => {
          const script = join(import.meta.dirname, '../../test/isolation/kernel-to-kill.ts')
          const kernel = spawn(process.execPath, [script, JSON.stringify({ ...place, kind })], { stdio: ['ignore', 'pipe', 'inherit'] })
          // Also after a failure: a kernel or a sandbox that lives on would keep the process of all tests from ending.
          await using made = new AsyncDisposableStack()
          made.defer(() => void kernel.kill('SIGKILL'))
          const [line] = (await once(kernel.stdout, 'data')) as [Buffer]
          const { root } = JSON.parse(line.toString()) as { root: string }
          made.defer(() => rm(root, { recursive: true, force: true }))
          const of = { kernelPid: kernel.pid!, root }
          assert.notDeepEqual(await leftovers(of), [], 'what runs must be found')
          kernel.kill('SIGKILL')
          await once(kernel, 'exit')
          // The next start clears away what a killed kernel has left.
          const next = made.use(await makeWorkbench(place))
          await next.sandbox.hands('work')
          assert.deepEqual(await leftAfterAWhile(of), [])
        },
      )
    }
  })
}
