/** `oxbow spawn`, `ps`, `top`, `wait` and `kill` from end to end: the real program beside a real guest. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/types/index.ts'
import { type Home, openHome } from '../support/program.ts'

interface Listed {
  readonly id: string
  readonly name: string
  readonly state: string
}

let home: Home

before(async () => {
  home = await openHome(
    '[memory]\nembedder = "none"\n[agents]\nmax_running = 1\n[resources]\ncpu_percent = 100\nload_per_processor = 1000\n',
  )
})

after(async () => {
  await home[Symbol.asyncDispose]()
})

void test('an agent is spawned, waited for and listed, and its answer is printed', async () => {
  assert.match((await home.oxbow(['ps'])).out, /No agent is live/)
  const spawned = await home.oxbow(['spawn', '--wait', '--name', 'guide', '--read-only', 'help'])
  assert.equal(spawned.exit, 0, spawned.err)
  assert.match(spawned.out, /file/)
  const [agent] = await home.json<Listed>('ps', '--all')
  assert.deepEqual([agent!.name, agent!.state], ['guide', 'done'])
  assert.match((await home.oxbow(['ps', '--tree', '--all'])).out, /^ID +NAME +STATE .*\n\S+ +guide +done /)
  assert.equal((await home.oxbow(['wait', 'guide', '--timeout', '5'])).out, spawned.out)
  const top = await home.oxbow(['top', '--once'])
  assert.equal(top.exit, 0)
  assert.match(top.out, /agents: 0 live, 0 of 1 running, 0 queued/)
})

void test('an agent that stays is killed, and what does not exist is named', async () => {
  const started = await home.oxbow(['spawn', '--keep', '--name', 'stayer', 'help'])
  assert.match(started.out, /^Started stayer, /)
  assert.equal((await home.oxbow(['wait', 'stayer'])).exit, 0)
  assert.equal((await home.json<Listed>('ps'))[0]!.state, 'idle')
  assert.equal((await home.oxbow(['kill', 'stayer', '--reason', 'enough'])).out, 'Killed it.\n')
  assert.equal((await home.oxbow(['kill', 'stayer'])).out, 'It was killed already.\n')
  const waited = await home.oxbow(['wait', 'stayer'])
  assert.equal(waited.exit, errorTable.cancelled.exit)
  assert.match(waited.err, /was killed: enough/)
  const unknown = await home.oxbow(['kill', 'nobody'])
  assert.equal(unknown.exit, errorTable.not_found.exit)
  assert.equal((await home.oxbow(['spawn', '--priority', 'urgent', 'x'])).exit, errorTable.bad_input.exit)
  assert.equal((await home.oxbow(['spawn', '--right', '*', 'x'])).exit, errorTable.denied.exit)
})
