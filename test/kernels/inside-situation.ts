/** Runs inside the machine, in one situation: what the sandbox makes of the control groups there. Not by itself: see situations.ts. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, readdirSync, readlinkSync, rmdirSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { removeStaleCgroups } from '../../src/sandbox/cgroup/cgroup-limits.ts'
import { scopeCommand } from '../../src/sandbox/cgroup/systemd-scope.ts'
import { planBubblewrap } from '../../src/sandbox/bubblewrap/bubblewrap-plan.ts'
import { ownSearchPath } from '../../src/sandbox/host-programs.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import type { Expected } from './situations.ts'

const { limits, folder } = JSON.parse(process.env['OXBOW_EXPECTS'] ?? '{"limits":[],"folder":null}') as Expected
const holds = (limit: string): boolean => limits.includes(limit)
const without = (limit: string): string | false => !holds(limit) && `no ${limit} is handed down here, and the status says so`

/** Less than the machine has, so that it is felt, and no less than that: what is held back waits in real time. */
const cpus = 0.7
/** Seconds of the machine's own clock; a part of a slow processor is slow. */
const timeoutMs = 120_000
const exec = (bench: Workbench, command: string) =>
  asker(bench.sandbox)('exec', { command, cwd: '/tmp', stdin: '', timeoutMs, maxOutputBytes: 100_000 }, { timeoutMs })
/** Groups of this kernel, of all its sandboxes that live. */
const groups = (): string[] =>
  readdirSync(folder ?? '/sys/fs/cgroup')
    .filter((name) => name.startsWith(`oxbow-${process.pid}-`))
    .map((name) => join(folder ?? '', name))
const numberIn = (group: string, file: string, key: string): number =>
  Number(new RegExp(`^${key} (\\d+)$`, 'm').exec(readFileSync(join(group, file), 'utf8'))?.[1])
/** What is asked for groups, where systemd makes them. */
const plan = await planBubblewrap(ownSearchPath())
const scopes = 'code' in plan ? undefined : plan.cgroups.find((each) => each.scopes !== undefined)
const bounds = { memoryBytes: 2 ** 28, processes: 10 }
/** A process that only SIGKILL ends, for it is stopped and listens to nothing; in a new group of that path. */
const startStopped = async (group: string | null) => {
  const script = ['sh', '-c', 'trap "" TERM HUP; echo up; kill -STOP $$; sleep 600']
  const scope = group === null || scopes === undefined ? [] : scopeCommand({ ...scopes, limits: [] }, basename(group), bounds)
  const [file, ...args] = [...scope, ...script]
  const child = spawn(file!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  if (group !== null && scopes === undefined) {
    mkdirSync(group)
    writeFileSync(join(group, 'cgroup.procs'), String(child.pid))
  }
  return { pid: child.pid!, ended: once(child, 'exit').then(([, signal]) => signal as unknown) }
}

describe('control groups of version 2', () => {
  let bench: Workbench
  before(async () => {
    bench = await makeWorkbench({ limits: { cpus } })
    await exec(bench, 'true')
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })

  it('are found where they may be made, and a second look finds the same', async () => {
    for (let look = 0; look < 2; look += 1) {
      const again = await planBubblewrap(ownSearchPath())
      const parents = ('code' in again ? [] : again.cgroups).map((each) => [each.folder, each.version, each.limits])
      assert.deepEqual(parents, folder === null ? [] : [[folder, 2, limits]])
    }
  })

  it('are told of in the status, what is in force and what is not', () => {
    const { limits: inForce, degraded } = bench.sandbox.status
    for (const [limit, words] of Object.entries({ memory: 'memory: 384 MB for all', pids: 'processes: 96', cpu: `processors: ${cpus}` })) {
      assert.equal(
        inForce.some((line) => line.startsWith(words)),
        holds(limit),
        `${limit}: ${inForce.join('; ')}`,
      )
      const [name] = words.split(' ')
      assert.equal(
        degraded.some((line) => line.startsWith(name!)),
        !holds(limit),
        `${limit}: ${degraded.join('; ')}`,
      )
    }
  })

  it('bound the memory of all processes together, and hands live on', { skip: without('memory') }, async () => {
    const [group] = groups()
    // Each takes less than one process may: only their sum is too much.
    const hog = `perl -e 'my $x = "a" x (200*1024*1024); print "held\\n"; sleep 20'`
    const { stdout } = await exec(
      bench,
      `for i in 1 2 3; do (${hog}; :) & done; while kill -0 %1 %2 %3 2>/dev/null; do sleep 0.1; done; echo over`,
    )
    assert.match(stdout, /over/)
    assert.ok(numberIn(group!, 'memory.events', 'oom_kill') > 0)
    assert.equal(readFileSync(join(group!, 'memory.swap.max'), 'utf8'), '0\n')
    assert.equal((await exec(bench, 'echo alive')).stdout, 'alive\n')
    assert.deepEqual(groups(), [group])
  })

  it('bound the number of processes', { skip: without('pids') }, () => {
    assert.equal(readFileSync(join(groups()[0]!, 'pids.max'), 'utf8'), '96\n')
  })

  it('bound the processor time', { skip: without('cpu') }, async () => {
    await exec(bench, 'i=0; while [ $i -lt 40000 ]; do i=$((i+1)); done')
    assert.ok(numberIn(groups()[0]!, 'cpu.stat', 'nr_throttled') > 0)
  })

  it(
    'end what a killed kernel has left, spare what is of others, and end what is left when the sandbox is closed',
    {
      skip: folder === null && 'nothing is handed down here',
    },
    async () => {
      const namespace = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))![0]
      // Above every number that a process can have; and the number of a namespace that there is not.
      const suffix = scopes === undefined ? '' : '.scope'
      const names = [namespace, '1'].map((each) => `oxbow-4194304999-${each}-x${suffix}`)
      const [dead, foreign] = names.map((name) => join(folder!, name))
      const [left, spared, own] = [await startStopped(dead!), await startStopped(foreign!), await startStopped(null)]
      const known = groups()
      const next = await makeWorkbench()
      await exec(next, 'true')
      assert.equal(await left.ended, 'SIGKILL')
      removeStaleCgroups([{ folder: folder!, version: 2, limits: [] }])
      while (existsSync(dead!)) await new Promise((resolve) => setImmediate(resolve))
      assert.equal(readFileSync(join(foreign!, 'cgroup.procs'), 'utf8'), `${spared.pid}\n`)

      const [group] = groups().filter((each) => !known.includes(each))
      // Under systemd only root may move processes out of a group of the session.
      const isMoved = scopes === undefined || process.getuid?.() === 0
      if (isMoved) writeFileSync(join(group!, 'cgroup.procs'), String(own.pid))
      else process.kill(own.pid, 'SIGKILL')
      await next.sandbox.close()
      assert.equal(await own.ended, 'SIGKILL')
      while (existsSync(group!)) await new Promise((resolve) => setImmediate(resolve))
      await next.remove()
      writeFileSync(join(foreign!, 'cgroup.kill'), '1')
      await spared.ended
      if (scopes === undefined) rmdirSync(foreign!)
    },
  )
})
