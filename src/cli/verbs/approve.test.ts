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
  return { gateway: { listSessions, follow }, guest: { owned: false }, setup: {} } as unknown as Connection
}

void test('waiting calls are listed, however many sessions wait', async () => {
  assert.equal((await listPending(busyGateway(3))).length, 3)
  assert.equal((await listPending(busyGateway(200))).length, 200)
})
