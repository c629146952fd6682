/** A terminal through a door, in the middle of a reply, when the machine with the guest loses power: a pause, and no word missing or twice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { connect, type FollowEvent } from '../../src/client/index.ts'
import { clusterSkip, until } from './cluster-fixture.ts'
import { openDoorRig } from './doors-fixture.ts'

const skip = clusterSkip()
const words = Array.from({ length: 60 }, (_, i) => `word${i} `)
const reply = words.join('')

test('a terminal sees a takeover in the middle of a reply as a pause', { skip }, async (t) => {
  const events = words.flatMap((text) => [{ delay_ms: 100 }, { text }])
  await using rig = await openDoorRig({ turns: [{ steps: [{ events }] }] })
  const states: string[] = []
  const client = await connect({
    url: `${rig.address.replace('http', 'ws')}/ws`,
    token: rig.key,
    client: 'test',
    onState: ({ type }) => states.push(type),
  })
  const session = await client.createSession('a long reply')
  // As a screen has it: what is appended, and what starts over.
  const shown = new Map<string, string>()
  const seqs: number[] = []
  let lastAt = performance.now()
  let longestMs = 0
  const see = (event: FollowEvent): void => {
    if (event.type === 'text' || event.type === 'restart') {
      shown.set(event.call ?? '', event.type === 'restart' ? event.text : (shown.get(event.call ?? '') ?? '') + event.text)
      longestMs = Math.max(longestMs, performance.now() - lastAt)
      lastAt = performance.now()
      // Whatever is on the screen is the beginning of the reply, at each moment.
      for (const text of shown.values()) assert.ok(reply.startsWith(text), JSON.stringify(text))
    } else if (event.type === 'record') {
      seqs.push(event.record.seq)
    }
  }
  await client.follow(session.id, 0, see)
  await client.sendTurn({ session: session.id, text: 'say something long' })
  await until(() => [...shown.values()].some((text) => text.includes('word10')))
  rig.home.machine('SIGKILL')
  const killedAt = performance.now()
  await until(() => [...shown.values()].includes(reply))
  t.diagnostic(
    `the longest pause was ${Math.round(longestMs)} ms; complete ${Math.round(performance.now() - killedAt)} ms after the kill; ${states.join(' ')}`,
  )
  assert.ok(states.includes('reconnecting'), states.join())
  assert.deepEqual(
    seqs,
    [...new Set(seqs)].toSorted((a, b) => a - b),
    'each record once, in order',
  )
  const whole = [...shown.values()].filter((text) => text !== '')
  assert.deepEqual(whole.at(-1), reply)
  assert.equal(whole.filter((text) => text === reply).length, 1)
  await client.close()
})
