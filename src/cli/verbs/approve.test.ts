import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CallId, SessionId } from '../../base/index.ts'
import type { PendingApproval } from '../../protocol/index.ts'
import type { FollowHandler } from '../../client/index.ts'
import type { Connection } from '../guest-connection.ts'
import { listPending } from './approve.ts'

/** A gateway with busy sessions, each waiting for a person. */
function busyGateway(sessions: number): Connection {
  let followed = 0
  const follow = async (session: SessionId, _: number, handler: FollowHandler) => {
    followed += 1
    await new Promise(setImmediate)
    const pending = [{ session, call: `${session}.0` as CallId }] as unknown as readonly PendingApproval[]
    handler({ type: 'caught_up', cursor: 0, turn: null, pending })
    return { cursor: () => 0, stop: () => void followed-- }
  }
  const listSessions = async () => Array.from({ length: sessions }, (_, i) => ({ id: `s${i}`, busy: true }))
  // What runs of programs ask, as the guest lists it, with what the sessions ask.
  const call = async () => ({
    status: 'ok',
    output: [
      { session: 's0', call: 's0.0', turn: 't' },
      { session: 'of a run', call: 'run.2', turn: 'run' },
    ],
  })
  return { gateway: { listSessions, follow, call }, guest: { owned: false }, setup: {} } as unknown as Connection
}

void test('waiting calls are listed, however many sessions wait', async () => {
  const few = await listPending(busyGateway(3))
  assert.deepEqual(
    few.map(({ call }) => call),
    ['s0.0', 's1.0', 's2.0', 'run.2'],
  )
  assert.equal(few.at(-1)?.turn, '', 'no turn can be followed')
  assert.equal((await listPending(busyGateway(200))).length, 201)
})
