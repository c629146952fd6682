/** What is learned after turns: a fact that was told once arrives ten sessions later, nothing is invented, and small talk costs nothing. */
import type { Measure } from '../measure.ts'
import { says } from '../../src/kernel/kernel-fixture.ts'
import { type GenerateRequest, learnCall, type ModelEvent, textOf } from '../../src/protocol/index.ts'
import { openMemoryFixture } from '../../test/memory/memory-fixture.ts'
import { bounded, type Row, shown } from '../report.ts'
import { fresh } from './turns/fresh.ts'
import { heldOut } from './turns/held-out.ts'
import { idleTurns } from './turns/idle-turns.ts'
import type { TurnSet } from './turns/turn-set.ts'

const sessionsBetween = 9

const isLearning = ({ system }: GenerateRequest): boolean => system.startsWith('List lasting facts')

/** Of each message one fact in its own words, one with a number that was not said, and one that was not said at all. */
function factsOf({ messages }: GenerateRequest): string {
  const lines = messages.flatMap((message) => textOf(message).match(/^\d+: .+$/gmu) ?? [])
  return lines
    .flatMap((line) => {
      const [, n, text = ''] = /^(\d+): (.+)$/u.exec(line) ?? []
      const fact = { n: Number(n), type: 'fact', subject: 'me', attribute: 'told', single: false }
      const value = text.split(' ').slice(-3).join(' ').replace(/[.!]$/u, '')
      return [
        { ...fact, value, text },
        { ...fact, attribute: 'told of it', value, text: `${text} That was in 1887.` },
        { ...fact, attribute: 'owns', value: 'a red zeppelin', text: 'The user owns a red zeppelin.' },
      ].map((each) => JSON.stringify(each))
    })
    .join('\n')
}

async function* costly(): AsyncGenerator<readonly ModelEvent[]> {
  yield [{ type: 'text', text: 'I see.' }]
  yield [{ type: 'finish', reason: 'stop', usage: { inputTokens: 12_000, outputTokens: 50, estimated: false } }]
}

async function learn({ facts, tongues }: TurnSet, enabled: boolean) {
  await using guest = await openMemoryFixture({
    config: { memory: { learn: { enabled } } },
    play: (request) => (isLearning(request) ? says(factsOf(request)) : costly()),
  })
  const told = [...facts.map(({ told: text, direct: ask }) => ({ text, ask })), ...tongues.map(({ told: text, ask }) => ({ text, ask }))]
  for (const { text } of told) await guest.say(text)
  for (let i = 0; i < sessionsBetween; i++) await guest.say(`What is ${i + 2} times ${i + 7}?`)
  // What is learned follows the replies.
  while ((await guest.store.documents({ category: 'system/learn', limit: 1 })).length > 0)
    await new Promise((resolve) => setTimeout(resolve, 20))
  const entries = await guest.store.memory.items((await guest.store.memory.list({ kinds: ['fact'] }, 500)).map(({ id }) => id))
  const texts = entries.map(({ passages }) => passages.map((passage) => passage.text).join(' '))
  let arrived = 0
  for (const { text, ask } of told) {
    await guest.say(ask)
    const request = guest.asked.findLast((each) => !isLearning(each))
    if (
      request?.messages.some(
        (message) => message.role === 'user' && message.recalled === true && textOf(message).includes(text.slice(0, 40)),
      )
    )
      arrived++
  }
  const invented = texts.filter((text) => /1887|zeppelin/.test(text)).length
  return { told: told.length, arrived, invented, learned: new Set(texts).size, requests: guest.asked.filter(isLearning).length }
}

/** @returns how many calls of learning follow these turns */
async function idle(): Promise<number> {
  await using guest = await openMemoryFixture({ play: (request) => (isLearning(request) ? says('') : costly()) })
  for (const text of idleTurns) await guest.turn(text)
  await guest.memory.caughtUp()
  const records = await guest.store.records({ phases: ['intent'], order: 'oldest_first', limit: 10_000, hydrate: true })
  return records.filter(({ name, body }) => name === learnCall && body.includes('"ask":false')).length
}

export const learned: Measure = {
  name: 'learned',
  title: 'What is learned after turns',
  how: `Facts, each told once in a session of its own, ${sessionsBetween} other sessions, then a question in one more: how many of the requests to the model have the fact. The scripted model states each message in its own words, with a number that was not said, and with a fact that was not. Two sets of which none was used to write the rules. And ${idleTurns.length} turns of small talk and chores.`,
  async run() {
    const rows: Row[] = []
    for (const [half, set] of [
      ['held out', heldOut],
      ['fresh', fresh],
    ] as const) {
      const [without, done] = [await learn(set, false), await learn(set, true)]
      rows.push(
        shown(`${half}: facts that arrive`, `${done.arrived} of ${done.told}`, `${without.arrived} without learning`),
        shown(`${half}: facts learned`, `${done.learned} of ${done.told}`, `${done.requests} requests to a model`),
        bounded(`${half}: facts invented`, String(done.invented), 'of two for each message', '0', done.invented === 0),
      )
    }
    rows.push(shown(`calls after ${idleTurns.length} turns without a fact`, String(await idle())))
    return rows
  },
}
