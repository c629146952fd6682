/** Budgets in a real guest: an answer that is stopped in its stream, an agent with a budget of its own, and the verbs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startGuest } from '../support/guest-process.ts'
import { openConversation } from '../support/conversation.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady } from '../support/ready.ts'
import type { Terminal } from '../support/terminal.ts'
import { makeWorkspace } from '../support/workspace.ts'
import { chatPiece, provider } from '../engine/answers.ts'
import { startEndpoint } from '../engine/plain-endpoint.ts'

interface Line {
  readonly scope: string
  readonly spent: { readonly tokens: number; readonly seconds: number; readonly calls: number }
  readonly reserved: { readonly tokens: number }
}

async function ask<Output>(terminal: Terminal, name: string, input: object): Promise<Output> {
  const { result } = await terminal.expect('result', 'call', { name, input })
  const outcome = result as { readonly status: string; readonly output: Output; readonly text: string }
  assert.equal(outcome.status, 'ok', outcome.text)
  return outcome.output
}

const lineOf = async (terminal: Terminal, scope: string): Promise<Line | undefined> =>
  (await ask<{ budgets: readonly Line[] }>(terminal, 'budget.show', {})).budgets.find((line) => line.scope === scope)

test('an endless answer is stopped when a budget has no time left, and what was streamed is kept and paid', async () => {
  using workspace = makeWorkspace()
  await using endless = await startEndpoint(() => ({ after: { repeat: chatPiece('words ') } }))
  const config = { model: { name: 'mine/m' }, providers: { mine: provider(endless, { maxOutputTokens: 30_000 }) } }
  await using guest = startGuest({ workspace, config })
  {
    using terminal = await openReady(guest, workspace)
    await ask(terminal, 'budget.set', { scope: 'session', window: 'hour', seconds: 1 })
    const conversation = await openConversation(terminal)
    const { status, failure, reply } = await conversation.say('Go on.')
    assert.deepEqual([status, failure?.code], ['failed', 'budget_exhausted'], JSON.stringify(failure))
    assert.match(reply, /no time left|no more/)
    const { body } = await terminal.record((record) => record.name === 'model.generate' && record.phase === 'outcome')
    const { spent, charged } = body as unknown as { spent: { tokens: number }; charged: { ms: number } }
    assert.ok(spent.tokens > 0 && charged.ms <= 1_000, JSON.stringify({ spent, charged }))
  }
  await guest.stop()
  assertNothingOpen(await readLedger(workspace))
})

test('an agent with a budget of its own is refused when it is used up, and the rest of its parent’s is free again', async () => {
  using workspace = makeWorkspace()
  await using model = await startModel({ turns: [{ match: 'Work', steps: [{ events: [{ text: 'Done.' }] }] }] })
  await using guest = startGuest({ workspace, config: { model: model.config } })
  {
    using terminal = await openReady(guest, workspace)
    await ask(terminal, 'budget.set', { scope: 'user', tokens: 1_000_000 })
    const spawn = (tokens: number) => ask<{ id: string }>(terminal, 'agent.spawn', { task: 'Work.', name: 'worker', budget: { tokens } })
    const wait = (id: string) =>
      ask<{ agents: readonly { state: string; reason: string }[] }>(terminal, 'agent.wait', { agents: [id], timeout_s: 20 })
    const poor = await wait((await spawn(10)).id)
    assert.equal(poor.agents[0]?.state, 'failed')
    assert.match(poor.agents[0].reason, /budget child:/)
    const rich = await wait((await spawn(500_000)).id)
    assert.equal(rich.agents[0]?.state, 'done')
    const line = await lineOf(terminal, 'user')
    assert.ok(line !== undefined && line.spent.tokens > 0 && line.spent.tokens < 500_000)
    assert.equal(line.reserved.tokens, 0)
  }
  await guest.stop()
  assertNothingOpen(await readLedger(workspace))
})
