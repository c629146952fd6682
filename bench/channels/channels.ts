/** Channels: from a message of a platform to its turn, and back; how much memory the process that speaks to platforms takes. */
import { setTimeout as pause } from 'node:timers/promises'
import type { ChannelFake } from '../../src/channels/channel-contract.ts'
import { startPlatform } from '../../test/channels/platforms.ts'
import type { Measure } from '../measure.ts'
import { bounded, megabytes, ms, perSecond, type Row } from '../report.ts'
import { median } from '../statistics.ts'
import { type BenchChannels, startChannels } from './channel-guest.ts'

type TelegramFake = Awaited<ReturnType<(typeof startPlatform)['telegram']>>

/** Each has an owner: none is over the rate. */
const people = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `person${index}`)
const quiet = 60
const crowd = 100
const perSecondSaid = 200
const missed = 1_000

export const channels: Measure = {
  name: 'channels',
  title: 'Channels',
  how: 'A runner, its guest and its process of channels as a person has them, before fake platforms on this machine which the official clients speak to; the model answers at once.',
  async run({ modelUrl, programs }) {
    const rows: Row[] = []
    await using bench = await startChannels(modelUrl, programs.bundle?.at(-1) ?? null)
    rows.push(
      bounded('processes of channels where none is configured', String(bench.processes().length), '', '0', bench.processes().length === 0),
    )
    await using telegram = await opened('telegram')
    await bench.add(telegram.fake)
    await pause(2_000)
    rows.push(memoryRow('with Telegram', bench, 70e6))
    for (const name of people(crowd)) await bench.link('telegram', telegram.fake.idOf(name))
    rows.push(
      ...(await journaled(telegram.fake)),
      ...(await shown(telegram.fake)),
      await flood(bench, telegram.fake),
      await caughtUp(bench, telegram.fake),
    )
    await using slack = await opened('slack')
    await using discord = await opened('discord')
    await bench.add(slack.fake)
    await bench.add(discord.fake)
    await pause(2_000)
    rows.push(memoryRow('with Telegram, Slack and Discord', bench, 130e6))
    return rows
  },
}

async function opened<Kind extends keyof typeof startPlatform>(kind: Kind) {
  const fake = await (startPlatform[kind]() as ReturnType<(typeof startPlatform)[Kind]>)
  return { fake, [Symbol.asyncDispose]: () => (fake as ChannelFake).close() }
}

function memoryRow(what: string, bench: BenchChannels, most: number): Row {
  const bytes = bench.residentBytes()
  return bounded(`process of channels ${what}`, megabytes(bytes), '', `< ${megabytes(most)}`, bytes < most)
}

/** Telegram is told of a message with the next poll, when it is in the journal. */
async function journaled(fake: TelegramFake): Promise<readonly Row[]> {
  const times: number[] = []
  for (const name of people(quiet)) {
    const began = performance.now()
    const { message } = await fake.say({ from: name, text: '/help' })
    while (!fake.acknowledged().includes(message)) await pause(0.5)
    times.push(performance.now() - began)
    await pause(20)
  }
  const half = median(times)
  return [bounded('message to journal, with both ways over the loopback, median', ms(half), '', '< 5 ms', half < 5)]
}

/** The placeholder has its time in the rate; what is measured is the first edit behind the end of it. */
async function shown(fake: TelegramFake): Promise<readonly Row[]> {
  const times: number[] = []
  const rateMs = 1_500
  for (const name of people(10)) {
    const chat = fake.idOf(name)
    const before = new Set(fake.standing().map(({ id }) => id))
    await fake.say({ from: name, text: 'hello' })
    const own = () => fake.standing().find((each) => each.chat === chat && !before.has(each.id) && (each.text === '…' || each.edits > 0))
    while (own() === undefined) await pause(2)
    const placed = performance.now()
    while ((own()?.edits ?? 0) === 0) await pause(2)
    times.push(performance.now() - placed - rateMs)
  }
  const half = median(times)
  return [bounded('first text to first visible edit, beyond the rate, median', ms(half), '', '< 300 ms', half < 300)]
}

/** Two messages of each in a second. */
async function flood(bench: BenchChannels, fake: TelegramFake): Promise<Row> {
  const turns = await bench.turns()
  const began = performance.now()
  const said: string[] = []
  const rounds = 10
  for (let round = 0; round < rounds; round += 1) {
    for (const name of people(crowd)) said.push((await fake.say({ from: name, text: `message ${round}` })).message)
    const due = began + ((round + 1) * crowd * 1_000) / perSecondSaid
    if (due > performance.now()) await pause(due - performance.now())
  }
  const saidMs = performance.now() - began
  const taken = (): number => {
    const known = new Set(fake.acknowledged())
    return said.filter((message) => known.has(message)).length
  }
  while (taken() < said.length && performance.now() - began < 120_000) await pause(50)
  const took = performance.now() - began
  for (const late = performance.now() + 240_000; (await bench.turns()) - turns < said.length && performance.now() < late;) await pause(500)
  const lost = said.length - ((await bench.turns()) - turns)
  const rate = (said.length * 1_000) / took
  return bounded(
    `messages over ${crowd} chats, ${perSecond((said.length * 1_000) / saidMs)} for ${ms(saidMs)}: taken, and turns that are missing`,
    `${perSecond(rate)}, ${lost} missing`,
    '',
    `≥ ${perSecond(perSecondSaid * 0.9)}, 0`,
    lost === 0 && rate >= perSecondSaid * 0.9,
  )
}

async function caughtUp(bench: BenchChannels, fake: TelegramFake): Promise<Row> {
  await bench.pause('telegram')
  const said: string[] = []
  for (let count = 0; count < missed; count += 1) said.push((await fake.say({ from: 'eve', text: `missed ${count}`, group: true })).message)
  const began = performance.now()
  await bench.resume('telegram')
  const last = said.at(-1)!
  while (!fake.acknowledged().includes(last) && performance.now() - began < 60_000) await pause(5)
  const took = performance.now() - began
  return bounded(
    `catch-up of ${missed} messages`,
    ms(took),
    '',
    '< 10 s',
    took < 10_000 && said.every((each) => fake.acknowledged().includes(each)),
  )
}
