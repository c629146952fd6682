/** What `oxbow run` does with the keys that answer a question, in a real terminal. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { program } from '../../../test/support/built.ts'
import { openPty, withHome } from '../chat/pty-fixture.ts'

test('ending the input at a question means no, and the turn continues', async () => {
  await withHome(async (home) => {
    mkdirSync(join(home, 'oxbow'), { recursive: true })
    writeFileSync(join(home, 'oxbow/config.toml'), '[approval.calls]\n"time.now" = "ask"\n')
    for (const key of ['\u0004', '\u0003']) {
      const pty = openPty(home, ['run', 'what time is it'])
      await pty.see('allow? [y/N] ')
      pty.type(key)
      await pty.see('refused')
      assert.equal(await pty.exit, 0)
    }
  })
})

test('a call that was allowed is not asked about again when its guest is killed, and the person hears that it may be partial', async () => {
  await withHome(async (home) => {
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: join(home, 'oxbow'), CI: '1' }
    const server = spawn(process.execPath, [program, 'serve'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
    await once(server.stdout, 'data')
    const pty = openPty(home, ['run', 'run touch begun; sleep 60'])
    await pty.see('allow? [y/N] ')
    pty.type('y\r')
    const begun = join(home, 'oxbow/users/default/shared/begun')
    while (!existsSync(begun)) await sleep(50)
    server.kill('SIGKILL')
    await pty.see('starting another to finish the turn')
    // The answer is on standard output, and the notice on the other.
    await pty.see(
      'shell.exec was decided before the guest ended. If it had begun, its effect may be partial',
      'The guest stopped while shell.exec ran',
    )
    assert.equal(await pty.exit, 0)
  })
})

test('why a turn stopped is said once where both streams go to one place, and on each where they do not', async () => {
  await withHome(async (home) => {
    mkdirSync(join(home, 'oxbow'), { recursive: true })
    writeFileSync(join(home, 'oxbow/config.toml'), '[budget.session]\ntokens = 10\n')
    const env = { PATH: process.env['PATH'], HOME: home, OXBOW_HOME: join(home, 'oxbow') }
    const said = (more: string): Promise<string> =>
      new Promise((resolve) =>
        execFile('sh', ['-c', `"$0" "$1" run "what time is it" ${more}`, process.execPath, program], { env }, (_, out) => resolve(out)),
      )
    const reason = /does not cover this/g
    assert.equal((await said('> "$HOME/both" 2>&1; cat "$HOME/both"')).match(reason)?.length, 1)
    assert.equal((await said('2> "$HOME/err" > "$HOME/out"; cat "$HOME/out" "$HOME/err"')).match(reason)?.length, 2)
  })
})
