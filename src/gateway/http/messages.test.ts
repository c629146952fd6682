import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kernel, KernelEvent } from '../../kernel/index.ts'
import type { Json, SessionId, TurnId } from '../../base/index.ts'
import type { Phase, RecordView } from '../../protocol/index.ts'
import { followTurn } from './messages.ts'

const turn = 'a' as TurnId
const started = { session: 's' as SessionId, turn, cursor: 0 }

function sent(call: string, phase: Phase, body: Json): KernelEvent {
  const record = { seq: 1, at: 0, actor: 'user:ada', session: 's', turn, call, name: 'turn.send', phase, body }
  return { type: 'record', record: record as unknown as RecordView }
}

/** A kernel whose session has these events behind it. */
function past(...events: readonly KernelEvent[]): Kernel {
  const follow: Kernel['follow'] = async (_session, _cursor, listener) => {
    for (const event of events) listener(event)
    return () => {}
  }
  return { follow } as Kernel
}

const never = new AbortController().signal

void test('a turn ends with its own message, not with one that it took in before a restart', async () => {
  const merged = sent('b', 'outcome', { status: 'merged', into: turn, reply: '' })
  const own = sent('a', 'outcome', { status: 'ok', turn, reply: 'Done.' })
  const { end } = await followTurn(past(merged, own), started, never)
  assert.deepEqual([end.status, end.reply], ['ok', 'Done.'])
})

void test('a turn that a start gave up ends for who follows it', async () => {
  const given = sent('a', 'reconciled', { status: 'abandoned', code: 'cancelled', text: 'turn.send was running when the guest died.' })
  const { end } = await followTurn(past(given), started, AbortSignal.timeout(5_000))
  assert.deepEqual([end.status, end.failure?.code], ['failed', 'cancelled'])
})
