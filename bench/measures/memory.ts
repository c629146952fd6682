/** Resident memory of a long-lived guest, and the cost of idle and of busy sessions. */
import { setTimeout as pause } from 'node:timers/promises'
import type { SessionId } from '../../src/base/index.ts'
import type { Config } from '../../src/config/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, megabytes, ms, perSecond, type Row, shown } from '../report.ts'
import { residentBytes, type TreeMemory, treeMemory } from '../subjects/child-process.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { type BenchGuestOptions, makeWorkspace, type RunningGuest, startGuest, withoutRecall } from '../subjects/guest.ts'
import { prompts, toolMarks } from '../subjects/model-server.ts'
import { startRunner } from '../subjects/runner.ts'
import { fillLifelike } from '../talk/lifelike-memory.ts'
import { differentMessages, type TalkMessage, toldTalk } from '../talk/lifelike-talk.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'

const settleMs = 2_000
/** Sessions with concurrent turns while memory is filled. */
const width = 8
const turnsPerSession = 20
const busySessions = 500
/** Duration of a turn in a busy session. */
const spreadMs = 2_000
/** Below the gateway's limit of 64 sessions for each connection. */
const followedPerConnection = 50

export const memory: Measure = {
  name: 'memory',
  title: 'Memory and busy sessions',
  how: 'Resident memory of all processes together (launcher, guest, hands), and of the guest and the runner that started it, two seconds after the last turn with one tool call; no two messages are alike, in a memory that was told lifelike talk before; the compile cache is warm, as in normal use, unless it says "first ever". Each busy session makes a tool call, waits two seconds for the model, streams an answer, and begins again. Each turn recalls from the other sessions, but where a row says so.',
  async run(context) {
    const busy = [await measureBusy(context, undefined, ''), await measureBusy(context, withoutRecall, ', without recall')]
    return [...(await measureMemory(context)), ...busy.flat()]
  },
}

async function measureMemory({ plan, programs, modelUrl }: BenchContext): Promise<readonly Row[]> {
  using workspace = makeWorkspace()
  const firstEver = await settledOnce({ program: programs.usual, workspace, modelUrl })
  const [passages] = plan.toldPassages
  await using pair = await startRunner(modelUrl, { fill: (database) => fillLifelike(database, passages) })
  const guest = { pid: pair.guestPid }
  const idle = await settled(guest)
  const ready = { all: treeMemory(pair.runnerPid), runner: residentBytes(pair.runnerPid) }
  using terminal = await pair.connect()
  const messages = differentMessages(toldTalk(passages), plan.memoryTurns + plan.idleSessions).values()
  await manyTurns(terminal, plan.memoryTurns, turnsPerSession, messages)
  const used = await settled(guest)
  const after = { all: treeMemory(pair.runnerPid), runner: residentBytes(pair.runnerPid) }
  await pause(plan.idleSeconds * 1_000)
  const rested = treeMemory(pair.runnerPid)
  await manyTurns(terminal, plan.idleSessions, 1, messages)
  const full = await settled(guest)
  const each = (full - used) / plan.idleSessions
  const forgetting = await usedWithoutRecall({ program: programs.usual, workspace, modelUrl }, plan.memoryTurns)
  const relay = await relayMemory(plan.memoryTurns, modelUrl)
  const afterTurns = `after ${figure(plan.memoryTurns)} turns`
  const all = (what: string, { resident, proportional }: TreeMemory, most: number): Row =>
    bounded(
      `all processes ${what}`,
      megabytes(resident),
      `shared pages once: ${megabytes(proportional)}`,
      `≤ ${most} MB`,
      resident <= most * 1e6,
    )
  return [
    all('ready', ready.all, 150),
    all(`${afterTurns} in ${Math.ceil(plan.memoryTurns / turnsPerSession)} sessions`, after.all, 240),
    all(`idle ${plan.idleSeconds} s after`, rested, 170),
    bounded('idle guest', megabytes(idle), `relay idle ${megabytes(relay.idle)}`, '≤ 80 MB', idle <= 80e6),
    bounded('the runner', megabytes(ready.runner), '', '≤ 45 MB', ready.runner <= 45e6),
    shown('idle guest, first start ever', megabytes(firstEver)),
    bounded(`guest ${afterTurns}`, megabytes(used), `relay ${megabytes(relay.used)}`, '≤ 180 MB', used <= 180e6),
    bounded(`the runner ${afterTurns}`, megabytes(after.runner), '', '≤ 45 MB', after.runner <= 45e6),
    shown(`guest after ${figure(plan.idleSessions)} further sessions of one turn`, megabytes(full)),
    bounded('each idle session', `${figure(each / 1000)} kB`, '', '< 100 kB', each < 100_000),
    shown(`guest ${afterTurns}, without recall`, megabytes(forgetting)),
  ]
}

async function usedWithoutRecall(options: BenchGuestOptions, turns: number): Promise<number> {
  await using guest = await startGuest({ ...options, config: { memory: withoutRecall } })
  using terminal = await guest.connect()
  await manyTurns(terminal, turns, turnsPerSession, differentMessages([], turns).values())
  return await settled(guest)
}

/** A guest without a compile cache, which creates one. */
async function settledOnce(options: BenchGuestOptions): Promise<number> {
  await using guest = await startGuest(options)
  return await settled(guest)
}

async function settled(guest: { readonly pid: number }): Promise<number> {
  await pause(settleMs)
  return residentBytes(guest.pid)
}

async function manyTurns(terminal: GatewayClient, turns: number, perSession: number, messages: Iterator<TalkMessage>): Promise<void> {
  let left = turns
  const work = async (): Promise<void> => {
    while (left > 0) {
      const session = await terminal.open()
      for (let i = 0; i < perSession && left-- > 0; i++)
        await terminal.turn(session, (messages.next().value as TalkMessage).text + toolMarks.oneTool)
      await terminal.unfollow(session)
    }
  }
  await Promise.all(Array.from({ length: width }, work))
}

async function relayMemory(turns: number, modelUrl: string): Promise<{ idle: number; used: number }> {
  await using relay = await startRelay(modelUrl)
  const idle = await settled(relay)
  const clients = await Promise.all(Array.from({ length: width }, () => connectRelay(relay.firstLine)))
  let left = turns
  await Promise.all(
    clients.map(async (client) => {
      while (left-- > 0) await client.turn(prompts.oneTool)
    }),
  )
  const used = await settled(relay)
  for (const client of clients) client[Symbol.dispose]()
  return { idle, used }
}

async function measureBusy(
  { plan, programs, modelUrl }: BenchContext,
  remembers: Config['memory'] | undefined,
  without: string,
): Promise<readonly Row[]> {
  using workspace = makeWorkspace()
  await using guest = await startGuest({
    program: programs.usual,
    workspace,
    modelUrl,
    probe: true,
    // Of as many turns as there are sessions; ten at once are usual.
    config: { turn: { max_running: busySessions }, ...(remembers !== undefined && { memory: remembers }) },
  })
  const terminals = await Promise.all(Array.from({ length: busySessions / followedPerConnection }, () => guest.connect()))
  const sessions: { terminal: GatewayClient; session: SessionId }[] = []
  for (const terminal of terminals) {
    const opened = await Promise.all(Array.from({ length: followedPerConnection }, () => terminal.open()))
    sessions.push(...opened.map((session) => ({ terminal, session })))
  }
  // One turn of each to warm up, not counted.
  await keepBusy(sessions, 0.1)
  const delay = await measureDelay(guest, () => keepBusy(sessions, plan.busySeconds))
  for (const terminal of terminals) terminal[Symbol.dispose]()
  return [
    bounded(`event-loop delay with ${busySessions} busy sessions${without}, p99`, ms(delay.p99), '', '< 50 ms', delay.p99 < 50),
    shown(`event-loop delay with ${busySessions} busy sessions${without}, worst`, ms(delay.max)),
    shown(`turns of ${busySessions} busy sessions${without}`, perSecond(delay.turns / plan.busySeconds)),
  ]
}

async function measureDelay(guest: RunningGuest, work: () => Promise<number>) {
  await guest.loopDelay()
  const turns = await work()
  return { ...(await guest.loopDelay()), turns }
}

/** @returns how many turns ended. */
async function keepBusy(sessions: readonly { terminal: GatewayClient; session: SessionId }[], seconds: number): Promise<number> {
  const began = performance.now()
  const until = began + spreadMs + seconds * 1000
  let turns = 0
  await Promise.all(
    sessions.map(async ({ terminal, session }, i) => {
      // Starts are spread over one turn, as with real users.
      await pause((i / sessions.length) * spreadMs)
      while (performance.now() < until) {
        await terminal.turn(session, prompts.busy)
        turns += 1
      }
    }),
  )
  return turns
}
