/** Commands that run while other things happen, and the output of sessions of any kind, in a real sandbox. */
import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { sessionBench } from './session-fixture.ts'
import type { SessionBench } from './session-fixture.ts'

/** Leaves a daemon that has its own session, init as its parent, no mark in its environment, and ignores what it can. */
const daemon = (name: string) =>
  `(env -i setsid bash -c "trap '' TERM HUP; echo up > /tmp/${name}; exec -a ${name} sleep 600" </dev/null >/dev/null 2>&1 &)`
const waitFor = (name: string) => `until [ -s /tmp/${name} ]; do sleep 0.02; done`
/** The patterns do not find themselves. */
const living = (name: string) => `cat /proc/[0-9]*/cmdline | tr "\\0" " " | grep -o "${name.slice(0, -1)}[${name.at(-1)}] 600" | wc -l`

describe('a background job', () => {
  let bench: Workbench
  let on: SessionBench
  before(async () => {
    bench = await makeWorkbench()
    on = sessionBench(bench)
  })
  after(async () => {
    await bench.sandbox.close()
    await bench.remove()
  })
  const count = async (name: string) => Number(await on.exec(living(name)))

  it('runs alongside other commands, and reports its output, its end and its exit code', async () => {
    const id = await on.job('echo one; until [ -e /shared/go ]; do sleep 0.02; done; echo two >&2; exit 5')
    await on.seen(id, /one\n/)
    for (let i = 0; i < 3; i += 1) await on.exec('true')
    assert.equal((await on.read(id, { waitMs: 0 })).ended, null)
    await on.exec('touch /shared/go')
    const end = await on.read(id, { until: 'quiet' })
    assert.deepEqual([end.text, end.ended], ['one\ntwo\n', { exitCode: 5, signal: null }])
    assert.match(await refusedWith('tool_failed', on.type(id, 'x')), /ended with exit code 5/)
    await on.close(id)
  })

  it('takes no input', async () => {
    const id = await on.job('cat; sleep 600')
    assert.match(await refusedWith('tool_failed', on.type(id, 'x')), /is a job/)
    assert.deepEqual((await on.close(id)).ended, { exitCode: null, signal: 'SIGTERM' })
  })

  it('may clean up when it is closed, and leaves nothing: no child, no daemon', async () => {
    const id = await on.job(
      `trap 'echo cleaned > /shared/cleaned; exit 9' TERM; exec -a kin sleep 600 & ${daemon('kept')}; ${waitFor('kept')}; echo up; wait`,
    )
    await on.seen(id, /up\n/)
    assert.deepEqual((await on.close(id)).ended, { exitCode: 9, signal: null })
    assert.equal(await on.exec('cat /shared/cleaned'), 'cleaned\n')
    assert.deepEqual([await count('kin'), await count('kept')], [0, 0])
  })

  it('gets SIGTERM once, with all its processes, even if the first one exits before the others', async () => {
    const told = (name: string, ms: string) => `trap 'echo ${name} >> /shared/told; sleep ${ms}; exit' TERM`
    const turn = 'while :; do sleep 0.02; done'
    const id = await on.job(`${told('first', '0.05')}; (${told('other', '0.2')}; echo up; ${turn}) & ${turn}`)
    await on.seen(id, /up\n/)
    await on.close(id)
    assert.equal(await on.exec('sort /shared/told | uniq -d'), '')
  })

  it('that ends leaves nothing, and neither does a shell', async () => {
    const job = await on.job(`${daemon('left')}; ${waitFor('left')}; exec -a stray sleep 600 & true`)
    assert.deepEqual((await on.read(job)).ended, { exitCode: 0, signal: null })
    assert.deepEqual([await count('left'), await count('stray')], [0, 0])
    await on.close(job)
    for (const terminal of [false, true]) {
      const id = await on.shell(terminal)
      await on.type(id, `rm -f /tmp/gone; ${daemon('gone')}; ${waitFor('gone')}`)
      await on.type(id, '(exec -a drop sleep 600) & true')
      await on.close(id)
      assert.deepEqual([await count('gone'), await count('drop')], [0, 0], `terminal: ${terminal}`)
    }
  })

  it('or child of a shell may clean up too, though the shell itself is gone at once', async () => {
    for (const terminal of [false, true]) {
      const id = await on.shell(terminal)
      const slow = `trap '' HUP; trap 'sleep 0.1; echo cleaned > /shared/slow; exit' TERM; echo up; while :; do sleep 0.02; done`
      await on.type(id, `rm -f /shared/slow; (${slow}) &`, { until: 'output', quietMs: 100 })
      await on.seen(id, /up\n/)
      await on.close(id)
      assert.equal(await on.exec('cat /shared/slow'), 'cleaned\n', `terminal: ${terminal}`)
    }
  })

  it('and a shell are spared by commands and sessions that end', async () => {
    const job = await on.job('exec -a spared sleep 600')
    const shell = await on.shell(true)
    await on.type(shell, '(exec -a safer sleep 600) & true')
    const other = await on.shell()
    await on.close(other)
    assert.deepEqual([await count('spared'), await count('safer')], [1, 1])
    await on.close(job)
    assert.deepEqual([await count('spared'), await count('safer')], [0, 1])
    await on.close(shell)
  })

  it('has what its daemons have started spared with them, also while that shows no environment', async () => {
    const shed = 'env -i bash -c "exec -a shed sleep 600" & echo up; wait'
    const job = await on.job(`(setsid bash -c '${shed}' &); sleep 600`)
    await on.seen(job, /up\n/)
    await on.exec(`until [ "$(${living('shed')})" = 1 ]; do sleep 0.02; done`)
    assert.equal(await count('shed'), 1)
    await on.close(job)
    assert.equal(await count('shed'), 0)
  })

  it('that floods is slowed down and kept in part; hands stay small and answer', async () => {
    const rss = async () => Number(/VmRSS:\s+(\d+)/.exec(await on.exec('cat /proc/2/status'))![1]) / 1024
    const atFirst = await rss()
    const job = await on.job('head -c 8000000 /dev/zero | tr "\\0" x; echo end')
    const shell = await on.shell(true)
    const drowned = on.type(shell, 'head -c 4000000 /dev/zero | tr "\\0" y', { from: 10_000_000 })
    assert.equal(await on.exec('echo between'), 'between\n')
    const { total, ended } = await on.read(job, { from: 9_000_000 })
    assert.deepEqual([total, ended], [8_000_004, { exitCode: 0, signal: null }])
    const tail = await on.read(job, { from: -9 })
    assert.deepEqual([tail.text, tail.from, tail.next, tail.dropped], ['xxxxxend\n', total - 9, total, 0])
    const first = await on.read(job, { from: 0, maxBytes: 10 })
    assert.deepEqual([first.text, first.dropped], ['x'.repeat(10), total - 1024 * 1024])
    assert.ok((await drowned).total >= 4_000_000)
    const grown = (await rss()) - atFirst
    assert.ok(grown < 60, `hands grew by ${grown} MB`)
    await on.close(job)
    await on.close(shell)
  })

  it('may write binary output: its pages join to all of it, and split no character', async () => {
    const id = await on.job(`for i in $(seq 200); do printf 'ü€🙂\\033[1mx\\033[0m\\r\\n'; done; printf '\\377\\300z'`)
    await on.read(id)
    const sizes = [16, 17, 23, 1000]
    let text = ''
    for (let from = 0, i = 0; ; i += 1) {
      const page = await on.read(id, { from, maxBytes: sizes[i % sizes.length]! })
      assert.ok(page.next > from)
      text += page.text
      from = page.next
      if (from === page.total) break
    }
    assert.equal(text, `${'ü€🙂x\n'.repeat(200)}\uFFFD\uFFFDz`)
    const raw = await on.read(id, { from: 0, maxBytes: 30, plain: false })
    assert.ok(raw.text.startsWith('ü€🙂\u001B[1mx'))
    await on.close(id)
  })

  it('is one of sixteen at most; ended ones are dropped, and their ids still report how they ended', async () => {
    const ids = []
    for (let i = 0; i < 16; i += 1) ids.push(await on.job('exec sleep 600'))
    assert.match(await refusedWith('limit_reached', on.shell()), /All 16/)
    const listed = (await on.ask('sessionList', { owner: 'one' })).sessions
    assert.deepEqual([listed.map((each) => each.id), listed[0]?.command], [ids, 'exec sleep 600'])
    await on.ask('sessionSignal', { owner: 'one', id: ids[0]!, signal: 'SIGTERM', to: 'foreground' })
    assert.deepEqual((await on.read(ids[0]!)).ended, { exitCode: null, signal: 'SIGTERM' })
    const short = []
    for (let i = 0; i < 17; i += 1) {
      short.push(await on.job(`exit ${i}`))
      await on.read(short.at(-1)!)
    }
    assert.match(await refusedWith('not_found', on.read(ids[0]!)), /was ended by SIGTERM/)
    assert.match(await refusedWith('not_found', on.read(short[0]!)), /exit code 0; its output is no longer kept/)
    for (const id of ids.slice(1)) await on.close(id)
  })

  it('dies with hands, which a later request reports', async () => {
    const id = await on.job('exec sleep 600')
    await refusedWith(
      'sandbox_failed',
      on.ask('exec', { command: 'kill -9 2; sleep 5', cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 1_000 }),
    )
    assert.match(await refusedWith('not_found', on.read(id)), /before the sandbox was started again/)
  })
})

describe('the end of a sandbox', () => {
  it('is the end of every session and job in it', async () => {
    const bench = await makeWorkbench()
    const on = sessionBench(bench)
    const name = `oxbow-job-${process.pid}`
    const onHost = async () => {
      const lines = await Promise.all(
        (await readdir('/proc'))
          .filter((each) => /^\d+$/.test(each))
          .map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
      )
      return lines.filter((line) => line.startsWith(name)).length
    }
    const job = await on.job(`(trap '' TERM; exec -a ${name} sleep 600) & ${daemon(name)}; ${waitFor(name)}; echo up; wait`)
    const shell = await on.shell(true)
    await on.seen(job, /up\n/)
    await on.type(shell, `echo up; exec -a ${name} sleep 600`, { until: 'output', quietMs: 100 })
    await on.seen(shell, /up\n/)
    assert.ok((await onHost()) >= 2)
    await bench.sandbox.close()
    assert.equal(await onHost(), 0)
    await bench.remove()
  })

  it('is not needed where there are no commands: without a sandbox there are no sessions', async () => {
    const bench = await makeWorkbench({ insecure: true })
    await refusedWith('sandbox_missing', sessionBench(bench).shell())
    await bench.sandbox.close()
    await bench.remove()
  })
})
