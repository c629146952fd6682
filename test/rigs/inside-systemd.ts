/** Runs inside a machine of systemd, in one situation: what is systemd's stays as it was, and groups are where it knows of them. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { leafName } from '../../src/sandbox/cgroup/cgroup-delegation.ts'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'
import type { SystemdExpected } from './systemd-situations.ts'

const { limits, folder, madeBy } = JSON.parse(process.env['OXBOW_EXPECTS']!) as SystemdExpected
const mounted = '/sys/fs/cgroup'
const uid = process.getuid!()
const goneWithinMs = 2_000

function systemctl(...args: string[]): string {
  const env = uid === 0 ? {} : { XDG_RUNTIME_DIR: `/run/user/${uid}` }
  return execFileSync('/usr/bin/systemctl', [...(uid === 0 ? [] : ['--user']), ...args], { env, encoding: 'utf8' }).trim()
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return ''
  }
}

/** The group of each process, by its id. */
function groupsOfAll(): Map<string, string> {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return new Map(pids.map((pid) => [pid, textOf(`/proc/${pid}/cgroup`).replace(/^0::/, mounted)]))
}

/** All folders of groups that bear our name, but the one that holds the processes of a unit that was handed over. */
function ownGroups(): string[] {
  return globSync(`${mounted}/**/oxbow-*/cgroup.procs`)
    .map(dirname)
    .filter((path) => basename(path) !== leafName)
}

/** Controllers handed down in groups that are not ours. */
function handedDownElsewhere(): Map<string, string> {
  const files = globSync(`${mounted}/**/cgroup.subtree_control`).filter((file) => folder === null || !dirname(file).startsWith(folder))
  return new Map(files.map((file) => [file, textOf(file)]))
}

function exec(bench: Workbench, command: string): Promise<{ stdout: string }> {
  return asker(bench.sandbox)('exec', { command, cwd: '/tmp', stdin: '', timeoutMs: 60_000, maxOutputBytes: 10_000 }, { timeoutMs: 60_000 })
}

/** One that is left open keeps the whole run from ending. */
async function withBench(limitsOf: { cpus: number } | undefined, work: (bench: Workbench) => Promise<void>): Promise<void> {
  const bench = await makeWorkbench(limitsOf === undefined ? {} : { limits: limitsOf })
  try {
    await work(bench)
  } finally {
    await bench.sandbox.close()
    await bench.remove()
  }
}

describe('next to systemd', { skip: madeBy === null && 'no group can be made here' }, () => {
  it('only processes of the unit that was handed over are moved, and nothing is handed down elsewhere', async () => {
    const [before, above] = [groupsOfAll(), handedDownElsewhere()]
    let after = new Map<string, string>()
    await withBench(undefined, async (bench) => {
      await exec(bench, 'true')
      after = groupsOfAll()
    })
    for (const [pid, group] of before) {
      const now = after.get(pid)
      if (now === undefined || now === '' || now === group) continue
      assert.deepEqual([madeBy, group, now], ['oxbow', folder, `${folder}/${leafName}`], `process ${pid}`)
    }
    // What systemd hands down for its own scopes is its own matter.
    if (madeBy === 'oxbow') for (const [file, text] of above) assert.equal(textOf(file), text, file)
  })

  it('a group is where the status says, holds what it says, and keeps it when systemd reads its files again', async () => {
    await withBench({ cpus: 0.5 }, async (bench) => {
      await exec(bench, 'true')
      const [group, ...others] = ownGroups()
      assert.deepEqual([dirname(group!), others], [folder, []])
      const held = (): string[] => ['memory.max', 'memory.swap.max', 'pids.max', 'cpu.max'].map((file) => textOf(`${group}/${file}`))
      const bounds: Readonly<Record<string, readonly string[]>> = {
        memory: [String(384 * 1024 * 1024), '0'],
        pids: ['96'],
        cpu: ['50000 100000'],
      }
      const expected = ['memory', 'pids', 'cpu'].flatMap((limit) =>
        limits.includes(limit) ? bounds[limit]! : bounds[limit]!.map(() => ''),
      )
      assert.deepEqual(held(), expected)
      if (madeBy === 'systemd') {
        assert.equal(systemctl('is-active', basename(group!)), 'active')
        assert.equal(systemctl('show', '--property=Delegate', '--value', basename(group!)), 'yes')
        // Paths of the workspace have no place in a list that others read.
        assert.equal(systemctl('show', '--property=Description', '--value', basename(group!)), 'A sandbox of Oxbow')
      }
      if (madeBy === 'systemd' || uid === 0) systemctl('daemon-reload')
      assert.deepEqual(held(), expected)
      assert.equal((await exec(bench, 'echo alive')).stdout, 'alive\n')
    })
  })

  it('neither a group nor a unit is left when the sandbox is closed', async () => {
    await withBench(undefined, async (bench) => {
      await exec(bench, '(setsid sh -c \'trap "" TERM HUP; while :; do sleep 60; done\' &); kill -STOP $$ & true')
      assert.equal(ownGroups().length, 1)
    })
    for (const until = performance.now() + goneWithinMs; performance.now() < until && ownGroups().length > 0;) await delay(20)
    assert.deepEqual(ownGroups(), [])
    if (madeBy === 'systemd') assert.equal(systemctl('list-units', '--all', '--no-legend', '--plain', 'oxbow-*'), '')
  })
})
