/** How much a sender may say, and that no restart begins it anew. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError, type UserId } from '../../src/base/index.ts'
import { connect } from '../../src/client/index.ts'
import { says } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore, type Store } from '../../src/store/index.ts'
import { type NearRig, startNearRig } from './near-rig.ts'
import { addTelegram } from './rig.ts'

/** A message, as the process of channels hands it over. */
const receive = (rig: NearRig, sender: string, text: string) =>
  rig.call('channel.receive', {
    channel: 'telegram',
    space: '',
    chat: sender,
    thread: '',
    kind: 'direct',
    message: text,
    sender,
    shown: 'Somebody',
    is_bot: false,
    is_verified: true,
    at: 0,
    text,
    change: 'new',
    mentions_us: false,
    replies_to_us: false,
    quoted: [],
    files: [],
    automatic: '',
  })

test('what was counted of a member and of a stranger counts after a restart, and what comes twice counts once', async () => {
  // It outlives the first kernel.
  const kept = await openMemoryStore({ user: 'ada' as UserId })
  const store: Store = { ...kept, close: async () => {} }
  const bob = await (async () => {
    await using rig = await startNearRig({ store, play: () => says('done') })
    await addTelegram(rig)
    await rig.link('bob', 'member')
    const sender = rig.fake.idOf('bob')
    for (let count = 0; count < 20; count += 1)
      for (const became of ['turn', 'refused']) {
        const decided = await receive(rig, sender, count === 0 ? '/help' : `message ${count}`)
        if (count > 0 && became === 'turn') assert.equal(decided.became, 'turn', decided.why)
      }
    for (let count = 0; count < 19; count += 1) assert.equal((await receive(rig, 'eve', `let me in ${count}`)).silent_until, 0)
    return sender
  })()
  await using _ = { [Symbol.asyncDispose]: kept.close }
  await using rig = await startNearRig({ store, play: () => says('done') })
  const now = Date.now()
  const over = await receive(rig, bob, 'one more')
  assert.deepEqual([over.became, over.why], ['refused', 'over the rate'])
  for (let count = 0; count < 18; count += 1) assert.equal((await receive(rig, bob, `and more ${count}`)).silent_until, 0)
  const silent = await receive(rig, bob, 'the last that is on record')
  assert.ok(silent.silent_until > now && silent.silent_until <= now + 10 * 60_000)
  const last = await receive(rig, 'eve', 'let me in')
  assert.equal(last.became, 'stranger')
  assert.ok(last.silent_until > now + 23 * 60 * 60_000, String(last.silent_until))
})

test('a key that a person makes for channels has the usual limit, and the process of channels has none', async () => {
  await using rig = await startNearRig()
  await addTelegram(rig)
  const most = 600
  const asked = async (key: string): Promise<number> => {
    const client = await connect({ url: rig.url, token: key, client: 'test' })
    try {
      for (let count = 0; count < most; count += 1) {
        const outcome = await client.call('channel.outbox', { seen: 0, wait_s: 0 }).catch((error: unknown) => {
          assert.ok(isOxbowError(error, 'limit_reached'), String(error))
          return null
        })
        if (outcome === null || outcome.status !== 'ok') return count
      }
      return most
    } finally {
      await client.close()
    }
  }
  const { key } = await rig.call('key.create', { name: 'mine', rights: ['channel.use'] })
  assert.ok((await asked(key)) < most)
  assert.equal(await asked(rig.key()), most)
})
