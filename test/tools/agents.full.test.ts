/** Agents in a real guest with real hands: killed with all that they run, held back by the limit of running ones, alive after a SIGKILL. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { emptied, makeWorkspace, processesInside, type TestWorkspace } from '../support/workspace.ts'

interface Agent {
  readonly id: string
  readonly state: string
  readonly reply: string
  readonly waiting_for: string | null
}

async function ask<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const { result } = await terminal.expect('result', 'call', { name, input })
  const outcome = result as { readonly status: string; readonly output: Output; readonly text: string }
  assert.equal(outcome.status, 'ok', outcome.text)
  return outcome.output
}

const commandsIn = (workspace: TestWorkspace): readonly string[] =>
  processesInside(workspace).map((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
    } catch {
      return ''
    }
  })

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })

test('killing an agent ends its running command and its background job within seconds, and a wait ends with it, not before', async () => {
  using workspace = makeWorkspace()
  await using model = await startModel({
    turns: [
      {
        match: 'Work',
        steps: [
          tool('shell_background', { command: '(sleep 601 & sleep 602 & wait)', wait_s: 0 }),
          tool('shell_exec', { command: ': > up; (setsid sleep 603 &) ; sleep 604', timeout_s: 600 }),
        ],
      },
    ],
  })
  const config = { model: model.config, approval: { privileged: 'allow' } }
  await using guest = startGuest({ workspace, config })
  {
    using terminal = await openReady(guest, workspace)
    const { id } = await ask<Agent>(terminal, 'agent.spawn', { task: 'Work.', name: 'worker' })
    await workspace.appears('up')
    assert.ok(commandsIn(workspace).some((command) => command.includes('sleep 604')))
    assert.ok(commandsIn(workspace).some((command) => command.includes('sleep 601')))
    const { agents: listed } = await ask<{ agents: readonly { usage: Record<string, number> | null }[] }>(terminal, 'agent.list', {})
    const usage = listed[0]!.usage
    assert.ok(usage !== null && usage['processes']! >= 6 && usage['memory_mb']! > 0, JSON.stringify(usage))
    using other = await openReady(guest, workspace)
    const waiting = ask<{ agents: readonly Agent[]; timed_out: boolean }>(other, 'agent.wait', { agents: [id], timeout_s: 60 })
    const early = await ask<{ timed_out: boolean }>(terminal, 'agent.wait', { agents: [id], timeout_s: 0 })
    assert.equal(early.timed_out, true)
    await ask(terminal, 'agent.kill', { agent: 'worker' })
    assert.deepEqual(
      commandsIn(workspace).filter((command) => command.includes('sleep')),
      [],
    )
    const { agents, timed_out: isLate } = await waiting
    assert.deepEqual([agents[0]!.state, isLate], ['killed', false])
  }
  await guest.stop()
  await emptied(workspace)
  assertNothingOpen(await readLedger(workspace))
})

test('a sixth agent waits, the rate delays and drops nothing, and a killed guest goes on with all of them', async () => {
  using workspace = makeWorkspace()
  const steps = [
    tool('shell_exec', { command: ': > "up$$"; until [ -e go ]; do sleep 0.05; done', timeout_s: 100 }),
    { events: [{ text: 'Done.' }] },
  ]
  await using model = await startModel({ turns: [{ match: 'Work', steps }] })
  const config = { model: model.config, approval: { privileged: 'allow' }, agents: { max_starts_per_minute: 60 } }
  const ids: string[] = []
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    for (let i = 0; i < 7; i++) ids.push((await ask<Agent>(terminal, 'agent.spawn', { task: `Work ${i}.` })).id)
    const { agents } = await ask<{ agents: readonly Agent[] }>(terminal, 'agent.list', {})
    assert.deepEqual(
      agents.map(({ waiting_for: waitingFor }) => waitingFor),
      [null, null, null, null, null, 'admission', 'admission'],
    )
    await guest.kill()
  }
  await emptied(workspace)
  await using guest = startGuest({ workspace, config })
  {
    using terminal = await openReady(guest, workspace)
    const again = await ask<{ agents: readonly Agent[] }>(terminal, 'agent.list', { ended: true })
    assert.deepEqual(
      again.agents.map(({ id }) => id),
      ids,
    )
    // A command whose end a crash hid is not repeated: each agent is told so and answers.
    writeFileSync(`${workspace.shared}/go`, '')
    const { agents } = await ask<{ agents: readonly Agent[] }>(terminal, 'agent.wait', { agents: ids, timeout_s: 60 })
    assert.deepEqual(
      agents.map(({ state, reply }) => [state, reply]),
      ids.map(() => ['done', 'Done.']),
    )
  }
  await guest.stop()
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  const spawned = ledger.entries.filter(({ name, phase }) => name === 'event.agent_created' && phase === 'exchange')
  assert.equal(spawned.length, ids.length)
})
