/**
 * Stands for a kernel in process-end.test.ts: starts a daemon in a sandbox, stops the hands so that they cannot end by themselves,
 * says so in one line of JSON, and waits to be killed.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { asker } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench } from '../../src/sandbox/sandbox-fixture.ts'

const bench = await makeWorkbench()
const mark = `oxbow-daemon-${process.pid}`
const exec = (command: string) =>
  asker(bench.sandbox)('exec', { command, cwd: '/tmp', stdin: '', timeoutMs: 600_000, maxOutputBytes: 10_000 }, { timeoutMs: 600_000 })
const { stdout: descriptors } = await exec('ls /proc/self/fd')
void exec(`(setsid bash -c 'exec -a ${mark} sleep 600' &) ; sleep 600`)
await exec(`until grep -q ${mark} /proc/[0-9]*/cmdline 2>/dev/null; do sleep 0.02; done`)
void exec('kill -STOP 2; touch /tmp/stopped; sleep 600')
while (!existsSync(join(bench.root, 'tmp/stopped'))) await nextTurn()
process.stdout.write(`${JSON.stringify({ root: bench.root, mark, descriptors })}\n`)
