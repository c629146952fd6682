/** The time that a call waits for hands. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sandbox } from '../protocol/index.ts'
import { createFakeSandbox } from './fake/fake-sandbox.ts'
import { timeHands } from './time-hands.ts'

void test('nothing is said of a call that asks no hands, and of another how often, how long, and from when on', async () => {
  let now = 1_000
  const timed = timeHands(() => now)
  assert.deepEqual(timed.took(), {})
  const slow: Sandbox = {
    ...createFakeSandbox(),
    async hands() {
      now += 30
      return {
        async ask() {
          now += 12
          return Promise.reject(new Error('no'))
        },
      }
    },
  }
  now += 5
  const hands = await timed.sandbox(slow).hands('work')
  for (let at = 0; at < 2; at += 1) await assert.rejects(hands.ask('list', {} as never, {} as never), /no/)
  assert.deepEqual(timed.took(), { hands: { requests: 2, ms: 54, after: 5 } })
})
