/** A job in a real guest: it outlives the turn that started it, belongs to its conversation, and ends with the guest. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import { emptied, makeWorkspace, processesInside } from '../support/workspace.ts'

const command = ': > up; until [ -e go ]; do sleep 0.02; done; : > went; exec sleep 600'

test('a background job survives the cancellation of its turn, belongs to its conversation, and ends with the guest', async () => {
  using workspace = makeWorkspace()
  const list = { events: [{ tool_call: { name: 'shell_session_list', arguments: {} } }] }
  await using model = await startModel({
    turns: [
      { match: 'Start', steps: [{ events: [{ tool_call: { name: 'shell_background', arguments: { command, wait_s: 120 } } }] }] },
      { match: 'Look', steps: [list, { events: [{ text: 'Seen.' }] }] },
    ],
  })
  const config = { model: model.config, approval: { privileged: 'allow' } }
  await using guest = startGuest({ workspace, config })
  {
    using terminal = await openReady(guest, workspace)
    const own = await openConversation(terminal)
    const turn = await own.send('Start.')
    await workspace.appears('up')
    await terminal.expect('result', 'cancel_turn', { session: own.session })
    assert.equal((await own.ended(turn)).status, 'cancelled')

    writeFileSync(join(workspace.shared, 'go'), '')
    await workspace.appears('went')
    assert.equal((await own.say('Look.')).status, 'ok')
    assert.match(model.results().at(-1) ?? '', /job-1-\w+: .* still running; 0 bytes of output/)

    const other = await openConversation(terminal)
    assert.equal((await other.say('Look.')).status, 'ok')
    assert.match(model.results().at(-1) ?? '', /No session is open and no job is running\./)
    assert.doesNotMatch(model.results().at(-1) ?? '', /job-1/)
  }
  assert.notEqual(processesInside(workspace).length, 0)
  await guest.stop()
  await emptied(workspace)
  assertNothingOpen(await readLedger(workspace))
})
