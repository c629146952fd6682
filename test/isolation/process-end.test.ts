/** Whatever ends a command, or the kernel, ends all processes that were started for it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { watch } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { asker, refusedWith } from '../../src/sandbox/sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../../src/sandbox/sandbox-fixture.ts'

/** Leaves a daemon that has its own session, init as its parent, and no mark in its environment. */
const daemon = (name: string) =>
  `(env -i setsid bash -c "trap '' TERM; echo up > /tmp/${name}; exec -a ${name} sleep 600" </dev/null >/dev/null 2>&1 &)`
const waitFor = (name: string) => `until [ -s /tmp/${name} ]; do sleep 0.02; done`
const namedProcesses = 'cat /proc/[0-9]*/cmdline | tr "\\0" " "'

describe('the processes of a command', () => {
  let bench: Workbench
  before(async () => {
    bench = await makeWorkbench()
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })
  const exec = (command: string, options: { signal?: AbortSignal; timeoutMs?: number; stdin?: string } = {}) =>
    asker(bench.sandbox)(
      'exec',
      { command, cwd: '/shared', stdin: options.stdin ?? '', timeoutMs: options.timeoutMs ?? 20_000, maxOutputBytes: 100_000 },
      options.signal === undefined ? {} : { signal: options.signal },
    )

  it('give their output, exit code and signal', async () => {
    const { exitCode, signal, stdout, stderr, timedOut } = await exec('cat; echo err >&2; exit 3', { stdin: 'in' })
    assert.deepEqual([exitCode, signal, stdout, stderr, timedOut], [3, null, 'in', 'err\n', false])
    const killed = await exec('kill -SEGV $$')
    assert.deepEqual([killed.exitCode, killed.signal], [null, 'SIGSEGV'])
  })

  it('do not wait for the background, and end with the command', async () => {
    const { exitCode } = await exec(`sleep 600 & ${daemon('left')}; ${waitFor('left')}`)
    assert.equal(exitCode, 0)
    assert.doesNotMatch((await exec(namedProcesses)).stdout, /sleep 600|left/)
  })

  it('end at the time limit, those too that ignore SIGTERM', async () => {
    const { timedOut } = await exec(`trap '' TERM; ${daemon('late')}; ${waitFor('late')}; while :; do sleep 1; done`, { timeoutMs: 700 })
    assert.equal(timedOut, true)
    assert.doesNotMatch((await exec(namedProcesses)).stdout, /late/)
  })

  it('may clean up when they are told to end', async () => {
    const upWithin = (timeoutMs: number) => exec("trap 'echo cleaned; exit 7' TERM; echo up; while :; do sleep 0.05; done", { timeoutMs })
    let timeoutMs = 300
    let ended = await upWithin(timeoutMs)
    // On a busy machine the limit can come before the shell has begun: then nothing was tried yet.
    while (!ended.stdout.startsWith('up\n')) ended = await upWithin((timeoutMs *= 2))
    assert.deepEqual([ended.timedOut, ended.stdout, ended.exitCode], [true, 'up\ncleaned\n', 7])
  })

  it('are gone before a cancel settles, and stopped ones too', async () => {
    const cancel = new AbortController()
    const began = appearance(join(bench.root, 'tmp'), 'stopped')
    const request = exec(`${daemon('away')}; ${waitFor('away')}; (echo up > /tmp/stopped; kill -STOP $BASHPID) & sleep 600`, {
      signal: cancel.signal,
    })
    await began
    cancel.abort()
    await refusedWith('cancelled', request)
    assert.doesNotMatch((await exec(namedProcesses)).stdout, /sleep 600|away/)
  })

  it('of another command that still runs are spared', async () => {
    const began = appearance(join(bench.root, 'tmp'), 'other-began')
    const other = exec('(sleep 0.4; echo survived) & echo up > /tmp/other-began; wait')
    await began
    await exec('true')
    assert.equal((await other).stdout, 'survived\n')
  })

  it('that kill hands fail the request, and the next one has new hands', async () => {
    await refusedWith('sandbox_failed', exec('kill -9 2; sleep 5'))
    assert.equal((await exec('echo alive')).stdout, 'alive\n')
  })
})

describe('the death of the kernel', () => {
  it('ends the whole sandbox, daemons included, and lets no descriptor of it reach a command', { timeout: 120_000 }, async () => {
    const script = join(import.meta.dirname, 'stopped-hands.ts')
    // 77 stands for a descriptor that somebody left open before the kernel was started.
    const kernel = spawn('bash', ['-c', 'exec 77</etc/shadow; exec "$0" "$1"', process.execPath, script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    // Also after a failure: a kernel that lives on would keep the process of all tests from ending.
    using made = new DisposableStack()
    made.defer(() => void kernel.kill('SIGKILL'))
    let line = ''
    for await (const chunk of kernel.stdout) {
      line += String(chunk)
      if (line.endsWith('\n')) break
    }
    const { root, mark, descriptors } = JSON.parse(line) as { root: string; mark: string; descriptors: string }
    assert.equal(descriptors, '0\n1\n2\n3\n')
    // The daemon has been started, and shows its name a moment later.
    while ((await processesWith(mark)).length !== 1) await new Promise((resolve) => setImmediate(resolve))
    kernel.kill('SIGKILL')
    await once(kernel, 'exit')
    while ((await processesWith(mark)).length > 0) await new Promise((resolve) => setImmediate(resolve))
    await process.getBuiltinModule('node:fs/promises').rm(root, { recursive: true })
  })
})

/** Processes of the host, by a word in their command line. */
async function processesWith(word: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const text = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (text.startsWith(word)) found.push(pid)
  }
  return found
}

/** Resolves when a file of this name appears in the folder. */
function appearance(folder: string, name: string): Promise<void> {
  return new Promise((resolve) => {
    // When the file never comes the test fails, and the run must be able to end.
    const watcher = watch(folder, { persistent: false }, (_event, file) => {
      if (file !== name) return
      watcher.close()
      resolve()
    })
  })
}
