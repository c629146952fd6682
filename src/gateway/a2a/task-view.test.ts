import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Kernel } from '../../kernel/index.ts'
import type { CallId, SessionId } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { createRelease } from './task-view.ts'

const place = { task: 'turn', context: 'session' as SessionId, cursor: 0 }
const failed = (status: 'failed' | 'refused', code: 'cancelled' | 'denied' | 'not_found'): CallOutcome => ({
  status,
  failure: { code, message: '', hint: '' },
  text: '',
})
const released: CallOutcome = { status: 'ok', ok: true, output: { released: true }, text: '' }

/** A kernel that answers the calls in this order. @returns what is released, and the ids under which it was asked */
async function ask(...outcomes: readonly CallOutcome[]): Promise<readonly [boolean | null, number]> {
  const ids = new Set<CallId | undefined>()
  const kernel = {
    call: (async (_name: string, _input: unknown, _session: unknown, id?: CallId) => {
      ids.add(id)
      return outcomes[Math.min(ids.size, outcomes.length) - 1]!
    }) as Kernel['call'],
  }
  return [await createRelease(kernel, new AbortController().signal)(place, 'answer'), ids.size]
}

test('an answer whose release a crash interrupted is judged under the next id, and one that was refused is kept back', async () => {
  // As the gate replays a call that recovery has abandoned.
  assert.deepEqual(await ask(failed('failed', 'cancelled'), released), [true, 2])
  assert.deepEqual(await ask(failed('refused', 'denied'), released), [false, 1])
  assert.deepEqual(await ask(failed('failed', 'not_found'), released), [false, 1])
  assert.deepEqual(await ask(failed('failed', 'cancelled')), [false, 5])
})
