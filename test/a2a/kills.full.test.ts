/**
 * Two guests killed at random in the middle of streams, while one asks the agent that the other has published: every answer arrives,
 * no command of the published agent runs twice, and no task is left running.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signCard } from '../../src/runner/heads/head-signing.ts'
import { openHome } from '../../src/runner/home.ts'
import { derivedId } from '../../src/base/index.ts'
import type { HostQuestion } from '../../src/config/index.ts'
import { createChance, overSeeds } from '../recovery/side-by-side.ts'
import { startGuest, type TestGuest } from '../support/guest-process.ts'
import { assertNothingOpen, readLedger } from '../support/ledger.ts'
import { startModel } from '../support/model.ts'
import { openReady, outputOf, readyUrl } from '../support/ready.ts'
import { scaled } from '../support/scale.ts'
import { emptied, makeWorkspace, type TestWorkspace } from '../support/workspace.ts'

const kills = scaled(200, 8)
const killsInOnePair = 8
const tasksInOneLife = 2
const tasks = tasksInOneLife * (killsInOnePair + 1)
/** Below those that the system gives out: while a guest is down, no other one takes its port. */
const firstPort = 21_000
const ports = 5_000
/** No further pair is begun then. */
const seriesMs = scaled(110_000, 30_000)

const tool = (name: string, input: object) => ({ events: [{ tool_call: { name, arguments: input as never } }] })
const word = (text: string) => [{ text }, { delay_ms: 30 }]

const asking = {
  turns: Array.from({ length: tasks }, (_, i) => ({
    match: `Ask ${i}.`,
    steps: [tool('a2a_helper', { goal: `Work ${i}.` }), { events: [{ text: `Asked ${i}.` }] }],
  })),
}
const helping = {
  turns: Array.from({ length: tasks }, (_, i) => ({
    match: `Work ${i}.`,
    steps: [tool('shell_exec', { command: `echo ${i} >> log.txt` }), { events: [...word('Worked '), ...word('on '), { text: `${i}.` }] }],
  })),
}

const allowed = { approval: { side_effecting: 'allow', privileged: 'allow' }, memory: { embedder: 'none' } }

interface Side {
  readonly workspace: TestWorkspace
  start(): TestGuest
  guest: TestGuest
}

async function revive(side: Side): Promise<void> {
  await side.guest.kill()
  await emptied(side.workspace)
  side.guest = side.start()
  const started = await side.guest.started
  if (started.type === 'fatal') throw new Error(JSON.stringify(started))
}

async function sendTasks({ guest, workspace }: Side, seed: number, life: number): Promise<void> {
  using terminal = await openReady(guest, workspace)
  for (let i = life * tasksInOneLife; i < (life + 1) * tasksInOneLife; i += 1) {
    const session = derivedId('session', seed, i).replace(/^(.{14})8/, '$14')
    await terminal.expect('result', 'create_session', { client_id: session })
    await terminal.expect('ack', 'send_turn', { session, client_id: derivedId('turn', seed, i), text: `Ask ${i}.` })
  }
}

async function untilQuiet({ guest, workspace }: Side): Promise<void> {
  using terminal = await openReady(guest, workspace)
  for (;;) {
    const sessions = await outputOf<readonly { busy: boolean }[]>(terminal, 'session.list', { limit: 500 })
    if (sessions.every(({ busy }) => !busy)) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** @returns how many tasks arrived */
async function ordeal(seed: number): Promise<number> {
  const chance = createChance(seed)
  using here = makeWorkspace()
  using there = makeWorkspace()
  const home = openHome({ HOME: there.home, OXBOW_HOME: there.home })
  await using asker = await startModel(asking)
  await using helper = await startModel(helping)
  const published = { helper: { description: 'Works.', rights: ['shell.run'] } }
  const answer = (question: HostQuestion): unknown =>
    question.ask === 'sign_card' ? signCard(home, question.card, question.key_address) : null
  const startThere = (): TestGuest =>
    startGuest({
      workspace: there,
      config: { ...allowed, model: helper.config, a2a: { agents: published }, gateway: { port: firstPort + (seed % ports) } },
      answer,
    })
  const b: Side = { workspace: there, start: startThere, guest: startThere() }
  const url = (await readyUrl(b.guest)).replace('ws:', 'http:').replace('/ws', '')
  const key = await (async () => {
    using terminal = await openReady(b.guest, there)
    return (await outputOf<{ key: string }>(terminal, 'key.create', { name: 'asker', rights: ['task.send'] })).key
  })()
  const remotes = { helper: { url, headers: { authorization: 'Bearer $HELPER_KEY' }, allow: [new URL(url).host], timeout_s: 60 } }
  const startHere = (): TestGuest =>
    startGuest({
      workspace: here,
      config: { ...allowed, model: asker.config, a2a: { remotes }, agent: { rights: ['a2a.helper'] } },
      keys: { HELPER_KEY: key },
    })
  const a: Side = { workspace: here, start: startHere, guest: startHere() }
  try {
    await (async () => {
      using terminal = await openReady(a.guest, here)
      const { digest } = await outputOf<{ digest: string }>(terminal, 'remote.diff', { remote: 'helper' })
      await outputOf(terminal, 'remote.approve', { remote: 'helper', digest })
    })()
    for (let life = 0; life < killsInOnePair; life += 1) {
      await sendTasks(a, seed, life)
      await new Promise((resolve) => setTimeout(resolve, chance() * 300))
      await revive(chance() < 0.5 ? a : b)
    }
    await sendTasks(a, seed, killsInOnePair)
    await untilQuiet(a)
    await untilQuiet(b)
    await Promise.all([a.guest.stop(), b.guest.stop()])
    return await assertSides(a, b)
  } finally {
    await Promise.all([a.guest.kill(), b.guest.kill()])
  }
}

/** A guest that takes longer to come back than its caller waits gives a call that failed, and then has nothing of it. */
async function assertSides(a: Side, b: Side): Promise<number> {
  const [asked, helped] = await Promise.all([readLedger(a.workspace), readLedger(b.workspace)])
  assertNothingOpen(asked)
  assertNothingOpen(helped)
  const texts = (name: string, phase: string, entries: typeof asked.entries): readonly string[] =>
    entries.filter((entry) => entry.name === name && entry.phase === phase).map(({ body }) => JSON.stringify(body))
  const turns = texts('turn.send', 'intent', helped.entries)
  const answers = texts('a2a.helper', 'outcome', asked.entries)
  assert.equal(answers.length, tasks, 'each call has one end')
  for (let i = 0; i < tasks; i += 1) {
    const begun = turns.filter((text) => text.includes(`Work ${i}.`)).length
    const answered = answers.filter((text) => text.includes(`Worked on ${i}.`)).length
    assert.ok(begun <= 1, `task ${i} is ${begun} turns`)
    assert.equal(answered, begun, `task ${i} has an answer: ${answers.join()}`)
    const runs = b.workspace.lines('log.txt').filter((line) => line === String(i)).length
    assert.ok(runs <= begun, `command ${i} ran ${runs} times`)
  }
  return turns.length
}

test(`${kills} kills in the middle of streams lose no answer, repeat no command and leave no task`, { timeout: 180_000 }, async (t) => {
  const arrived = await overSeeds(t, { count: kills / killsInOnePair, boundMs: seriesMs, ordeal })
  const [sent, total] = [arrived.length * tasks, arrived.reduce((sum, each) => sum + each, 0)]
  t.diagnostic(`${arrived.length * killsInOnePair} kills, ${total} of ${sent} tasks arrived`)
  assert.ok(total >= sent / 2)
})
