/** Guests that are killed in the middle of an answer under a budget: what was reserved is charged, once, and the budget holds. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesPerToken, minReservedTokens } from '../../src/services/models/limits.ts'
import { openSqliteStore } from '../../src/store/index.ts'
import type { Charged, Spend } from '../../src/protocol/index.ts'
import { chatPiece, provider } from '../engine/answers.ts'
import { startEndpoint } from '../engine/plain-endpoint.ts'
import { openConversation } from '../support/conversation.ts'
import { startGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { openReady } from '../support/ready.ts'
import { makeWorkspace, user } from '../support/workspace.ts'

const limit = 400_000
const piece = 'words '.repeat(20)

/** @param kills number of SIGKILLs, each at a random moment of a turn */
export async function killUnderBudget(kills: number): Promise<void> {
  using workspace = makeWorkspace()
  await using endless = await startEndpoint(() => ({ after: { repeat: chatPiece(piece) } }))
  const config = { model: { name: 'mine/m' }, providers: { mine: provider(endless, { maxOutputTokens: 2_000 }) } }
  for (let kill = 0; kill < kills; kill += 1) {
    const guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    if (kill === 0) {
      const input = { scope: 'user', window: 'total', tokens: limit }
      const { result } = await terminal.expect('result', 'call', { name: 'budget.set', input })
      assert.equal((result as { status: string }).status, 'ok', JSON.stringify(result))
    }
    const conversation = await openConversation(terminal)
    await conversation.send('Go on.')
    await sleep(Math.random() * 150)
    await guest.kill()
  }
  // The turns that the kills interrupted resume here, and end when the budget does.
  {
    await using guest = startGuest({ workspace, config })
    using terminal = await openReady(guest, workspace)
    const conversation = await openConversation(terminal)
    for (let turn = 0; turn < 3; turn += 1) {
      const { failure } = await conversation.say('More.')
      assert.equal(failure?.code, 'budget_exhausted', JSON.stringify(failure))
    }
    // On a busy machine they may still be at it.
    const now = async (): Promise<string> => JSON.stringify(await terminal.expect('result', 'call', { name: 'system.now', input: {} }))
    while (!(await now()).includes('"turns":[]')) await sleep(50)
    const { result } = await terminal.expect('result', 'call', { name: 'audit.verify', input: {} })
    assert.doesNotMatch(JSON.stringify(result), /and the journal says/)
    await guest.stop()
  }
  const ledger = await readLedger(workspace)
  assertNothingOpen(ledger)
  let tokens = 0
  for (const { name, call, phase, body } of ledger.entries) {
    if (name === 'model.generate' && phase === 'intent') {
      const ends = ledger.of(call).filter((entry) => entry.phase === 'outcome' || entry.phase === 'reconciled')
      const [spent] = ends.map((entry) => (entry.body as { spent?: Spend }).spent)
      assert.ok(ends.length === 1 && (spent?.tokens ?? 0) > 0, `${call} is charged once: ${JSON.stringify(ends)}`)
    }
    const { spent, charged } = body as { spent?: Spend; charged?: Charged }
    if (phase !== 'intent' && charged?.to.some(([budget]) => budget === 'user/total')) tokens += spent?.tokens ?? 0
  }
  const store = await openSqliteStore({ path: workspace.database, user, durability: 'normal', readOnly: true })
  assert.equal((await store.used('user/total'))?.tokens, tokens)
  await store.close()
  // What is read of the network at once is kept and paid, although nothing was known of it before.
  const readAtOnce = (64 * 1024 * piece.length) / chatPiece(piece).length
  const bound = limit + minReservedTokens + (2 * readAtOnce) / bytesPerToken
  assert.ok(tokens > 0 && tokens <= bound, `${tokens} of ${limit}, bound ${bound}`)
}
