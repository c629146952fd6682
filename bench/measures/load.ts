/** 64 sessions at once, one tool call in each turn. */
import type { Measure } from '../measure.ts'
import { bounded, ms, perSecond, shown, times } from '../report.ts'
import { median } from '../statistics.ts'
import { processorMs } from '../subjects/child-process.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest, withoutRecall } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { connectRelay, type RelayClient, startRelay } from '../relay/relay-client.ts'

const sessionsAtOnce = 64
/** A connection goes on to its next session after this many turns, so that conversations stay short. */
const turnsPerSession = 8

type Worker = (() => Promise<unknown>)[]
type Side = 'guest' | 'relay' | 'journaling'

interface Round {
  readonly perSecond: number
  readonly processorMs: number
}

export const load: Measure = {
  name: 'load',
  title: '64 sessions at once',
  how: 'Interleaved rounds: 64 connections, each with its own session, send turns with one tool call as fast as they are answered; processor time of the guest or relay process alone. A relay that journals sends the requests that a guest sends and commits what it commits, and does nothing else. Nothing is recalled: see the turns that recall.',
  async run({ plan, programs, modelUrl }) {
    using workspace = makeWorkspace()
    using otherWorkspace = makeWorkspace()
    await using guest = await startGuest({ program: programs.usual, workspace, modelUrl, probe: true, config: { memory: withoutRecall } })
    await using relay = await startRelay(modelUrl)
    const terminals = await Promise.all(Array.from({ length: sessionsAtOnce }, () => guest.connect()))
    await using journaling = await startRelay(modelUrl, otherWorkspace.database)
    const relays = await connectMany(relay.firstLine)
    const journalings = await connectMany(journaling.firstLine)
    const seen: Record<Side, Round[]> = { guest: [], relay: [], journaling: [] }
    const delays: number[] = []
    for (let round = -1; round < plan.loadRounds; round++) {
      const relayed = await measureRound(relay.pid, relayTurns(relays, plan.loadTurns))
      const journaled = await measureRound(journaling.pid, relayTurns(journalings, plan.loadTurns))
      const { turns, leave } = await guestTurns(terminals, plan.loadTurns)
      await guest.loopDelay()
      const guested = await measureRound(guest.pid, turns)
      const delay = await guest.loopDelay()
      await leave()
      // The first round warms both sides up.
      if (round < 0) continue
      seen.relay.push(relayed)
      seen.journaling.push(journaled)
      seen.guest.push(guested)
      delays.push(delay.p99)
    }
    for (const client of [...terminals, ...relays, ...journalings]) client[Symbol.dispose]()
    return rows(seen, delays)
  },
}

function connectMany(url: string): Promise<readonly RelayClient[]> {
  return Promise.all(Array.from({ length: sessionsAtOnce }, () => connectRelay(url)))
}

function relayTurns(clients: readonly RelayClient[], turns: number): readonly Worker[] {
  return clients.map((client) => Array.from({ length: turns }, () => () => client.turn(prompts.oneTool)))
}

/** Sessions are made and followed before the round, left after it. */
async function guestTurns(terminals: readonly GatewayClient[], turns: number) {
  const sessions = await Promise.all(
    terminals.map((terminal) => Promise.all(Array.from({ length: Math.ceil(turns / turnsPerSession) }, () => terminal.open()))),
  )
  const workers = terminals.map((terminal, t) =>
    Array.from({ length: turns }, (_, i) => () => terminal.turn(sessions[t]![Math.floor(i / turnsPerSession)]!, prompts.oneTool)),
  )
  const leave = (): Promise<unknown> =>
    Promise.all(terminals.map((terminal, t) => Promise.all(sessions[t]!.map((session) => terminal.unfollow(session)))))
  return { turns: workers, leave }
}

async function measureRound(pid: number, workers: readonly Worker[]): Promise<Round> {
  const turns = workers.reduce((sum, worker) => sum + worker.length, 0)
  const used = processorMs(pid)
  const began = performance.now()
  await Promise.all(
    workers.map(async (worker) => {
      for (const turn of worker) await turn()
    }),
  )
  const seconds = (performance.now() - began) / 1000
  return { perSecond: turns / seconds, processorMs: (processorMs(pid) - used) / turns }
}

function rows(seen: Record<Side, readonly Round[]>, delays: readonly number[]) {
  const rate = (side: Side): number => median(seen[side].map((round) => round.perSecond))
  const cost = (side: Side): number => median(seen[side].map((round) => round.processorMs))
  const shareOf = (side: Side): number => rate(side) / rate('relay')
  const ratioOf = (side: Side): number => cost(side) / cost('relay')
  const [share, ratio] = [shareOf('guest'), ratioOf('guest')]
  const relayCost = `relay ${ms(cost('relay'))}`
  return [
    bounded(
      'turns per second',
      `${perSecond(rate('guest'))}, ${Math.round(share * 100)} %`,
      `relay ${perSecond(rate('relay'))}`,
      '≥ 40 % of the relay',
      share >= 0.4,
    ),
    shown('the same of a relay that journals', `${perSecond(rate('journaling'))}, ${Math.round(shareOf('journaling') * 100)} %`),
    bounded('processor time of a turn', `${ms(cost('guest'))}, ${times(ratio)}`, relayCost, '≤ 2.0 × the relay (stretch 1.5)', ratio <= 2),
    shown('the same of a relay that journals', `${ms(cost('journaling'))}, ${times(ratioOf('journaling'))}`),
    bounded('event-loop delay, p99, worst round', ms(Math.max(...delays)), '', '< 50 ms', Math.max(...delays) < 50),
    shown('event-loop delay, p99, median round', ms(median(delays))),
  ]
}
