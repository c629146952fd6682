/** 64 sessions at once, one tool call in each turn. */
import type { Measure } from '../measure.ts'
import { fillAlike } from './alike-memories.ts'
import { bounded, figure, ms, perSecond, type Row, shown, times, unsearched } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { processorMs } from '../subjects/child-process.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { type BenchGuestOptions, makeWorkspace, type RunningGuest, startGuest, withoutRecall } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { connectRelay, type RelayClient, startRelay } from '../relay/relay-client.ts'

const sessionsAtOnce = 64
/** Turns of a connection in one session before it uses the next, so that conversations stay short. */
const turnsPerSession = 8
/** Maximum processor time that recall may add to a turn. */
const maxRecallProcessorMs = 0.4

type Worker = (() => Promise<unknown>)[]
type Side = 'guest' | 'without' | 'alike' | 'relay' | 'journaling'

interface Round {
  readonly perSecond: number
  readonly processorMs: number
  /** For each turn. */
  readonly p95: number
}

type Seen = Record<Side, Round[]>

export const loadAlike: Measure = {
  name: 'load-alike',
  title: '64 sessions at once, messages alike',
  how: 'Interleaved rounds: 64 connections, each with its own session, send turns with one tool call as fast as they are answered; processor time of the guest or relay process alone. The guest has the default configuration, so that each turn recalls from the other sessions; in the memory that is filled before, all messages are alike. A relay that journals sends the requests that a guest sends and commits what it commits, and does nothing else.',
  async run({ plan, programs, modelUrl }) {
    await using stack = new AsyncDisposableStack()
    const messages = plan.alikeMessages.at(-1) ?? 0
    const startSide = async (config: NonNullable<BenchGuestOptions['config']>, filled: number): Promise<GuestSide> => {
      const workspace = stack.use(makeWorkspace())
      if (filled > 0) await fillAlike(workspace, filled)
      const guest = stack.use(await startGuest({ program: programs.usual, workspace, modelUrl, probe: true, config }))
      const terminals = await Promise.all(Array.from({ length: sessionsAtOnce }, () => guest.connect()))
      for (const terminal of terminals) stack.use(terminal)
      return { guest, terminals, delays: [] }
    }
    const startRelays = async (...file: readonly string[]) => {
      const relay = stack.use(await startRelay(modelUrl, ...file))
      const clients = await connectMany(relay.firstLine)
      for (const client of clients) stack.use(client)
      return { pid: relay.pid, clients }
    }
    const relays = { relay: await startRelays(), journaling: await startRelays(stack.use(makeWorkspace()).database) }
    const guests = {
      guest: await startSide({}, 0),
      without: await startSide({ memory: withoutRecall }, 0),
      alike: await startSide({}, messages),
    }
    const seen: Seen = { guest: [], without: [], alike: [], relay: [], journaling: [] }
    // The first round warms all sides up.
    for (let round = -1; round < plan.loadRounds; round++) {
      for (const side of ['relay', 'journaling'] as const) {
        const measured = await measureRound(relays[side].pid, relayTurns(relays[side].clients, plan.loadTurns))
        if (round >= 0) seen[side].push(measured)
      }
      for (const side of ['guest', 'without', 'alike'] as const) {
        const measured = await measureGuest(guests[side], plan.loadTurns, round >= 0)
        if (round >= 0) seen[side].push(measured)
      }
    }
    return rows(seen, guests.guest.delays, figure(messages))
  },
}

interface GuestSide {
  readonly guest: RunningGuest
  readonly terminals: readonly GatewayClient[]
  /** Delay of the event loop in each measured round, p99. */
  readonly delays: number[]
}

async function measureGuest({ guest, terminals, delays }: GuestSide, turns: number, counts: boolean): Promise<Round> {
  const { turns: workers, leave } = await guestTurns(terminals, turns)
  await guest.loopDelay()
  const measured = await measureRound(guest.pid, workers)
  const delay = await guest.loopDelay()
  await leave()
  if (counts) delays.push(delay.p99)
  return measured
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
  const taken: number[] = []
  const used = processorMs(pid)
  const began = performance.now()
  await Promise.all(
    workers.map(async (worker) => {
      for (const turn of worker) {
        const sent = performance.now()
        await turn()
        taken.push(performance.now() - sent)
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  return { perSecond: taken.length / seconds, processorMs: (processorMs(pid) - used) / taken.length, p95: quantile(taken, 0.95) }
}

function rows(seen: Seen, delays: readonly number[], messages: string): readonly Row[] {
  const of = (side: Side, value: keyof Round): number => median(seen[side].map((round) => round[value]))
  const rate = (side: Side): string =>
    `${perSecond(of(side, 'perSecond'))}, ${Math.round((of(side, 'perSecond') / of('relay', 'perSecond')) * 100)} %`
  const cost = (side: Side): string => `${ms(of(side, 'processorMs'))}, ${times(of(side, 'processorMs') / of('relay', 'processorMs'))}`
  const share = of('guest', 'perSecond') / of('relay', 'perSecond')
  const ratio = of('guest', 'processorMs') / of('relay', 'processorMs')
  const kept = of('alike', 'perSecond') / of('without', 'perSecond')
  const recallRow = (what: string, side: 'guest' | 'alike'): Row => {
    const added = of(side, 'processorMs') - of('without', 'processorMs')
    return unsearched(what, cost(side), `recall adds ${ms(added)}`, `adds ≤ ${maxRecallProcessorMs} ms`)
  }
  const relayCost = `relay ${ms(of('relay', 'processorMs'))}`
  const among = `among ${messages} messages that are alike`
  return [
    bounded('turns per second', rate('guest'), `relay ${perSecond(of('relay', 'perSecond'))}`, '≥ 35 % of the relay', share >= 0.35),
    bounded('processor time of a turn', cost('guest'), relayCost, '≤ 3.0 × the relay', ratio <= 3),
    shown('latency of a turn, p95', ms(of('guest', 'p95')), `relay ${ms(of('relay', 'p95'))}`),
    bounded('event-loop delay, p99, worst round', ms(Math.max(...delays)), '', '< 50 ms', Math.max(...delays) < 50),
    shown('event-loop delay, p99, median round', ms(median(delays))),
    unsearched(`turns per second ${among}`, rate('alike'), `${Math.round(kept * 100)} % of those without recall`, '≥ 85 % of those'),
    recallRow(`processor time of a turn ${among}`, 'alike'),
    shown('turns per second, without recall', rate('without')),
    recallRow('processor time of a turn with recall, compared with one without', 'guest'),
    shown('processor time of a turn, without recall', cost('without')),
    shown('latency of a turn, without recall, p95', ms(of('without', 'p95'))),
    shown('turns per second of a relay that journals', rate('journaling')),
    shown('processor time of a turn of a relay that journals', cost('journaling')),
  ]
}
