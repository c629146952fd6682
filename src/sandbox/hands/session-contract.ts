/** What sessions and jobs do in every tier, whatever shell its image has. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Workbench } from '../sandbox-fixture.ts'
import { sessionBench } from './session-fixture.ts'
import type { SessionBench } from './session-fixture.ts'

export function describeSessionContract(name: string, make: () => Promise<Workbench>): void {
  describe(`session contract: ${name}`, () => {
    let bench: Workbench
    let on: SessionBench
    before(async () => {
      bench = await make()
      on = sessionBench(bench)
    })
    after(async () => {
      await bench.sandbox.close()
      await bench.remove()
    })

    for (const terminal of [false, true]) {
      it(`keeps a shell with ${terminal ? 'a terminal' : 'pipes'}, and tells how its commands ended`, async () => {
        const id = await on.shell(terminal)
        assert.equal((await on.ask('sessionList', { owner: 'one' })).sessions[0]?.terminal, terminal)
        await on.type(id, 'mkdir -p kept; cd kept; x=42')
        const { text, prompt } = await on.type(id, 'echo "$x in $PWD"; [ -t 0 ] && echo terminal; false')
        assert.match(text, /^42 in \/shared\/kept$/m)
        assert.equal(/^terminal$/m.test(text), terminal)
        assert.deepEqual(prompt, { exitCode: 1 })
        await on.type(id, 'echo began; sleep 600', { until: 'output', quietMs: 200 })
        await on.seen(id, /began\n/)
        assert.deepEqual((await on.press(id, 'ctrl_c')).prompt, { exitCode: 130 })
        assert.deepEqual((await on.type(id, 'exit 3')).ended, { exitCode: 3, signal: null })
        await on.close(id)
      })
    }

    it('tells a terminal of its new size', async () => {
      const id = await on.shell(true)
      await on.ask('sessionResize', { owner: 'one', id, columns: 90, rows: 20 })
      assert.match((await on.type(id, 'stty size')).text, /^20 90$/m)
      await on.close(id)
    })

    it('runs a job alongside other commands, and leaves nothing of it when it is closed', async () => {
      const id = await on.job('sleep 613 & echo up; until [ -e /shared/never ]; do sleep 0.1; done')
      await on.seen(id, /up\n/)
      const count = `grep -l 'sleep.61[3]' /proc/[0-9]*/cmdline 2>/dev/null | wc -l`
      assert.ok(Number(await on.exec(count)) > 0)
      assert.equal((await on.read(id, { waitMs: 0 })).ended, null)
      assert.deepEqual((await on.close(id)).ended, { exitCode: null, signal: 'SIGTERM' })
      assert.equal(Number(await on.exec(count)), 0)
    })
  })
}
