/** What a guest has open at its node for hands elsewhere ends with it, so that users who sleep cost nothing. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadFarEnds } from '../../sandbox/index.ts'
import { type HandsHomeDeps, openHandsHome } from './hands-home.ts'

const ask = (path: string, question: object): Promise<unknown> =>
  new Promise((resolve, reject) => {
    const socket = connect(path)
    let text = ''
    socket.on('data', (bytes) => (text += bytes.toString()))
    socket.once('end', () => resolve(JSON.parse(text)))
    socket.once('error', reject)
    socket.write(`${JSON.stringify(question)}\n`)
  })

test('the socket and the requests of a guest end with it, unless the next one has them already', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-hh-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const asked: string[] = []
  const dropped: string[] = []
  const queue: HandsHomeDeps['queue'] = {
    ask: async ({ id }) => void asked.push(id),
    drop: async (id) => void dropped.push(id),
    placeOf: async () => ({ user: 'ann', branch: 'b1', home: 'a', node: 'far', url: 'http://far', since: 7 }),
  }
  const home = openHandsHome({ queue, node: 'a', ends: await loadFarEnds() })
  const first = await home.listen('ann', folder)
  assert.deepEqual(await ask(first.path, { want: 'b1', labels: [] }), { node: 'far', epoch: 7 })
  // A guest that was started again, before the node knew that the one before is gone.
  const second = await home.listen('ann', folder)
  first.end()
  first.end()
  assert.deepEqual(await ask(second.path, { want: 'b2', labels: [] }), { node: 'far', epoch: 7 })
  assert.deepEqual([asked.length, dropped], [2, []])
  second.end()
  // One that comes at once waits until the socket of before is closed.
  const third = await home.listen('ann', folder)
  assert.deepEqual(dropped, asked)
  assert.deepEqual(await ask(third.path, { drop: 'b1' }), { dropped: true })
  third.end()
  await home.close()
  assert.equal(existsSync(third.path), false)
})
