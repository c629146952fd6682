/** Shells that are talked to, as the kernel has them, in a real sandbox. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { refusedWith } from '../sandbox-contract.ts'
import { makeWorkbench, type Workbench } from '../sandbox-fixture.ts'
import { sessionBench } from './session-fixture.ts'
import type { SessionBench } from './session-fixture.ts'

describe('a shell session', () => {
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

  for (const terminal of [false, true]) {
    const kind = terminal ? 'a terminal' : 'pipes'
    it(`with ${kind} keeps its folder, variables and functions, and tells how each command ended`, async () => {
      const id = await on.shell(terminal)
      await on.type(id, 'mkdir -p deep; cd deep; x=42; f() { echo "f $x $PWD"; return 7; }')
      const { text, prompt } = await on.type(id, 'f')
      assert.match(text, /^f 42 \/shared\/deep$/m)
      assert.deepEqual(prompt, { exitCode: 7 })
      assert.deepEqual((await on.type(id, 'true')).prompt, { exitCode: 0 })
      assert.match((await on.type(id, 'cat <<X\ninside\nX')).text, /^inside$/m)
      const within = await on.type(id, 'if true')
      assert.deepEqual(within.prompt, { exitCode: null })
      assert.match((await on.type(id, 'then echo then; fi')).text, /^then$/m)
      assert.match((await on.type(id, 'true\nsleep 0.2; echo late')).text, /^late$/m)
      const last = await on.type(id, 'exit 3')
      assert.deepEqual([last.ended, last.prompt], [{ exitCode: 3, signal: null }, null])
      assert.match(await refusedWith('tool_failed', on.type(id, 'x')), /ended with exit code 3/)
      assert.deepEqual((await on.close(id)).ended, { exitCode: 3, signal: null })
      assert.match(await refusedWith('not_found', on.read(id)), /was closed/)
    })

    it(`with ${kind} outlives Ctrl+C, which ends what runs in it, and ends at Ctrl+D`, async () => {
      const id = await on.shell(terminal)
      await on.type(id, 'echo began; sleep 600', { until: 'output', quietMs: 200 })
      await on.seen(id, /began\n/)
      assert.deepEqual((await on.press(id, 'ctrl_c')).prompt, { exitCode: 130 })
      assert.match((await on.type(id, 'echo alive')).text, /^alive$/m)
      assert.deepEqual((await on.press(id, 'ctrl_c')).prompt, { exitCode: 130 }, 'at its prompt')
      await on.type(id, 'echo turns; while :; do :; done', { until: 'output', quietMs: 50 })
      await on.seen(id, /turns\n/)
      assert.deepEqual((await on.press(id, 'ctrl_c')).prompt, { exitCode: 130 }, 'in a loop of its own')
      assert.notEqual((await on.press(id, 'ctrl_d')).ended, null)
      await on.close(id)
    })
  }

  it('with a terminal does not wait for input while it runs what was typed ahead', async () => {
    const id = await on.shell(true)
    await on.type(id, 'sleep 0.2; echo first', { waitMs: 0 })
    const { text, prompt } = await on.type(id, 'sleep 0.2; echo second')
    assert.deepEqual([/^second$/m.test(text), prompt], [true, { exitCode: 0 }], text)
    await on.close(id)
  })

  it('shows nothing of its own when it has pipes', async () => {
    const id = await on.shell()
    const { text, from, total } = await on.type(id, 'echo out; echo err >&2')
    assert.deepEqual([text, from], ['out\nerr\n', 0])
    assert.ok(total > text.length, 'marks are bytes too')
    await on.close(id)
  })

  it('with a terminal stops a job at Ctrl+Z and goes on with it', async () => {
    const id = await on.shell(true)
    await on.type(id, 'cat', { until: 'output', quietMs: 200 })
    await on.type(id, 'to cat', { until: 'output', quietMs: 200 })
    await on.seen(id, /to cat\nto cat\n/)
    assert.deepEqual((await on.press(id, 'ctrl_z')).prompt, { exitCode: 148 })
    assert.match((await on.type(id, 'jobs')).text, /Stopped +cat/)
    await on.type(id, 'fg', { until: 'output', quietMs: 200 })
    await on.type(id, 'again', { until: 'output', quietMs: 200 })
    await on.seen(id, /again\nagain\n/)
    assert.deepEqual((await on.press(id, 'ctrl_d')).prompt, { exitCode: 0 })
    await on.close(id)
  })

  it('with a terminal has its size, and tells programs of a new one', async () => {
    const id = await on.shell(true)
    assert.match((await on.type(id, 'stty size; tty')).text, /^30 120\n\/dev\/pts\/\d+$/m)
    await on.type(id, `trap 'echo resized' WINCH`)
    assert.deepEqual(await on.ask('sessionResize', { owner: 'one', id, columns: 90, rows: 20 }), { columns: 90, rows: 20 })
    await on.seen(id, /resized\n/)
    assert.match((await on.type(id, 'stty size; echo $COLUMNS')).text, /^20 90\n90$/m)
    await refusedWith('bad_input', on.ask('sessionResize', { owner: 'one', id, columns: 0, rows: 20 }))
    await on.close(id)
    const pipes = await on.shell()
    await refusedWith('tool_failed', on.ask('sessionResize', { owner: 'one', id: pipes, columns: 90, rows: 20 }))
    await refusedWith('bad_input', on.press(pipes, 'up'))
    await on.close(pipes)
  })

  it('with a terminal takes no input that a program pushes into it (TIOCSTI)', async () => {
    const id = await on.shell(true)
    const { text } = await on.type(id, `perl -e '$c = "X"; print ioctl(STDIN, 0x5412, $c) ? "open" : "shut: $!", "\\n"'`)
    assert.match(text, /^shut: /m)
    await on.close(id)
  })

  it('with a terminal keeps it to itself: nothing else that is started has its other end', async () => {
    const terminals = [await on.shell(true), await on.shell(true)]
    const other = await on.shell()
    const look = 'ls -l /proc/self/fd | cat'
    for (const seen of [await on.exec(look), (await on.type(other, look)).text, (await on.type(terminals[1]!, look)).text]) {
      assert.match(seen, /\b0 -> /)
      assert.doesNotMatch(seen, /ptmx/)
    }
    for (const id of [...terminals, other]) await on.close(id)
  })

  it('says what its foreground is by what a signal reaches', async () => {
    for (const terminal of [false, true]) {
      const id = await on.shell(terminal)
      const send = async (signal: 'SIGTERM' | 'SIGKILL', to: 'foreground' | 'all') =>
        (await on.ask('sessionSignal', { owner: 'one', id, signal, to })).processes
      assert.equal(await send('SIGKILL', 'foreground'), 0)
      await on.type(id, 'echo began; sleep 600', { until: 'output', quietMs: 200 })
      await on.seen(id, /began\n/)
      assert.equal(await send('SIGTERM', 'foreground'), 1)
      assert.deepEqual((await on.read(id, { from: 100_000 })).prompt, { exitCode: 143 })
      assert.equal(await send('SIGKILL', 'all'), 1)
      // What the shell still said may be read before its end is seen.
      let { ended } = await on.read(id)
      for (let reads = 0; ended === null && reads < 100; reads++) ended = (await on.read(id, { waitMs: 100 })).ended
      assert.deepEqual(ended, { exitCode: null, signal: 'SIGKILL' })
      await on.close(id)
    }
  })

  it('goes on when a read of it is cancelled', async () => {
    const id = await on.shell()
    await on.type(id, 'echo began; sleep 600', { until: 'output', quietMs: 50 })
    const cancel = new AbortController()
    const request = { owner: 'one', id, from: 1_000, maxBytes: 100, waitMs: 60_000, until: 'output', quietMs: 100, plain: true } as const
    const waiting = on.ask('sessionRead', request, { signal: cancel.signal })
    setImmediate(() => cancel.abort())
    await refusedWith('cancelled', waiting)
    assert.equal((await on.read(id, { waitMs: 0 })).ended, null)
    await on.press(id, 'ctrl_c')
    await on.close(id)
  })

  it('refuses input that nothing takes, and input that is too long', async () => {
    const id = await on.shell(true)
    await on.type(id, 'stty raw -echo; sleep 600', { until: 'output', quietMs: 200 })
    const text = 'x'.repeat(60_000)
    await refusedWith('limit_reached', on.ask('sessionWrite', { owner: 'one', id, text: 'x'.repeat(70_000), keys: [] }))
    const write = () => on.ask('sessionWrite', { owner: 'one', id, text, keys: [] })
    const writes = async () => {
      for (let i = 0; i < 8; i += 1) await write()
    }
    assert.match(await refusedWith('limit_reached', writes()), /does not read its input/)
    await on.close(id)
  })

  it('is known to the conversation that opened it, and to the person', async () => {
    const id = await on.shell()
    const asOther = { owner: 'two', id }
    assert.equal(
      await refusedWith('not_found', on.ask('sessionClose', asOther)),
      await refusedWith('not_found', on.ask('sessionClose', { owner: 'two', id: 'nothing' })),
    )
    await refusedWith('not_found', on.ask('sessionWrite', { ...asOther, text: 'x\n', keys: [] }))
    assert.deepEqual((await on.ask('sessionList', { owner: 'two' })).sessions, [])
    assert.deepEqual(
      (await on.ask('sessionList', { owner: '' })).sessions.map((each) => each.id),
      [id],
    )
    await on.ask('sessionClose', { owner: '', id })
  })
})
