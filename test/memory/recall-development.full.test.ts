/** What is told in one session stands in the first request of another that needs it, and in none that needs nothing. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { development } from '../../bench/recall/turns/development.ts'
import { user } from '../../src/kernel/kernel-fixture.ts'
import { openMemoryStore } from '../../src/store/index.ts'
import { newId } from '../support/conversation.ts'
import { type FrontDoor, openFrontDoor } from './front-door.ts'
import { openMemoryFixture } from './memory-fixture.ts'
import { measureTurns, recallsOf } from './turn-figures.ts'

/** Of the turns that need nothing, every fifth: the other file has them all. */
const sample = { ...development, chores: development.chores.filter((_, i) => i % 5 === 0) }

const cello = 'My sister Clara plays the cello in Lisbon.'
const dog = 'We adopted an old greyhound called Biscuit.'

void test('the first request of a turn has the fact that it needs, or no fact after a greeting or a chore', async () => {
  await using door = await openFrontDoor()
  const { direct, reworded, tongues, chores, late } = await measureTurns(door, sample)
  // On a machine that does much else a search may be late: then it is counted.
  assert.ok(direct.answered + late >= 19, JSON.stringify({ direct, late }))
  assert.ok(reworded.answered + late >= 14, JSON.stringify({ reworded, late }))
  assert.ok(tongues.answered + late >= tongues.asked - 1, JSON.stringify({ tongues, late }))
  assert.ok(chores.given <= 1, JSON.stringify(chores))
  const { in_time: inTime } = await recallsOf(door)
  assert.ok(inTime >= direct.given + reworded.given)
  const { started } = await metricsOf(door.workspace.root)
  assert.match(started, new RegExp(`^oxbow_recalls_total\\{result="in_time"\\} ${inTime}$`, 'm'))
  assert.match(started, /^oxbow_recalls_total\{result="late"\} \d+$/m)
})

async function metricsOf(root: string): Promise<{ readonly started: string }> {
  const { url } = JSON.parse(readFileSync(join(root, 'ipc', 'gateway.json'), 'utf8')) as { url: string }
  const authorization = `Bearer ${readFileSync(join(root, 'ipc', 'token'), 'utf8').trim()}`
  const answer = await fetch(new URL('/metrics', url.replace('ws:', 'http:')), { headers: { authorization } })
  return { started: await answer.text() }
}

void test('a session is shown a memory once, also by the next guest, and never what was said in it', async () => {
  await using door = await openFrontDoor()
  await door.say(cello)
  await door.say(dog)
  await door.indexed()
  const asked = [
    'Where does Clara play the cello?',
    'What is our greyhound called?',
    'So where does Clara play the cello?',
    'My boat is called Petrel.',
  ]
  const { session, shown } = await door.talk([...asked, 'What is my boat called?'])
  // What came late stands in the next turns.
  assert.equal(timesIn(shown, cello), 1)
  assert.ok(timesIn(shown, dog) === 1 || (await untilLate(door)), shown)
  assert.doesNotMatch(shown, /Petrel/)
  await door.restart()
  const again = await door.resume(session, 'Where did I say Clara plays the cello, and what is our greyhound called?')
  assert.deepEqual([timesIn(again, cello), timesIn(again, dog)], [1, 1])
})

void test('what a session says itself is not recalled from another session, while its window shows it', async () => {
  await using door = await openFrontDoor()
  await door.say(cello)
  await door.say(dog)
  await door.indexed()
  const { shown } = await door.talk([cello, 'Where does Clara play the cello, and what is our greyhound called?'])
  assert.doesNotMatch(shown, /cello/)
})

void test('a guest that ends has read what was said last', async () => {
  const opened = await openMemoryStore({ user })
  await using ended = { [Symbol.asyncDispose]: () => opened.close() }
  const fixture = await openMemoryFixture({ store: { ...opened, close: async () => {} } })
  const { id } = await fixture.kernel.createSession()
  const said = Promise.withResolvers<void>()
  await fixture.kernel.follow(id, 0, (event) => {
    if (event.type === 'record' && event.record.name === 'turn.send' && event.record.phase === 'outcome') said.resolve()
  })
  await fixture.kernel.sendTurn({ session: id, clientId: newId() as never, text: cello })
  await said.promise
  await fixture.kernel.close()
  assert.ok(ended)
  const kept = await opened.memory.list({}, 10)
  assert.ok(kept.some(({ author, session }) => author === 'user' && session === id))
})

void test('the next guest recalls what was said just before the one before it ended', async () => {
  await using door = await openFrontDoor()
  await door.say(cello)
  await door.restart()
  const shown = await door.say('Where does Clara play the cello?')
  assert.ok(shown.includes(cello) || (await untilLate(door)), shown)
})

/** A late result is counted when it is there. */
async function untilLate(door: FrontDoor): Promise<boolean> {
  for (let left = 50; left > 0; left -= 1) {
    if ((await recallsOf(door)).late > 0) return true
    await sleep(100)
  }
  return false
}

function timesIn(text: string, part: string): number {
  return text.split(part).length - 1
}
