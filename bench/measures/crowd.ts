/** 500 connected terminals, 64 of them busy: how long the event loop is held, by what the others follow and how many turns run at once. */
import type { Measure } from '../measure.ts'
import { bounded, ms, perSecond, type Row, shown } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, type RunningGuest, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const connected = 500
const busy = 64
const connectAtOnce = 50
/** Long enough for a queue, short enough for a quick bench. */
const rounds = 2
const turnsOfRound = 16

export const crowd: Measure = {
  name: 'crowd',
  title: '500 terminals, 64 of them busy',
  how: 'Interleaved rounds: 64 terminals each send turns with one tool call, as fast as they are answered, to a guest in its default configuration, which lets 10 turns run at once; 436 others are connected and follow a session of their own. In the same rounds, a guest whose 436 follow the sessions of the 64, about seven each, and receive everything that happens there; and one that lets all 64 turns run (`turn.max_running`).',
  async run({ programs, modelUrl }) {
    await using stack = new AsyncDisposableStack()
    const start = async (config: object, followsBusy: boolean): Promise<Side> => {
      const workspace = stack.use(makeWorkspace())
      const guest = stack.use(await startGuest({ program: programs.usual, workspace, modelUrl, probe: true, config }))
      const terminals: GatewayClient[] = []
      while (terminals.length < connected)
        terminals.push(...(await Promise.all(Array.from({ length: connectAtOnce }, () => guest.connect()))))
      for (const terminal of terminals) stack.use(terminal)
      const sessions = await Promise.all(terminals.slice(0, busy).map((terminal) => terminal.open()))
      const others = terminals.slice(busy)
      await Promise.all(others.map((terminal, i) => (followsBusy ? terminal.follow(sessions[i % busy]!, 0) : terminal.open())))
      const turn = (i: number): Promise<number> => terminals[i]!.turn(sessions[i]!, prompts.oneTool)
      return { guest, turn, delays: [], rates: [] }
    }
    const usual = await start({}, false)
    const followed = await start({}, true)
    const all = await start({ turn: { max_running: busy } }, false)
    // The first round warms the sides up.
    for (let round = -1; round < rounds; round += 1) for (const side of [usual, followed, all]) await measureRound(side, round >= 0)
    return rows(usual, followed, all)
  },
}

interface Side {
  readonly guest: RunningGuest
  readonly turn: (terminal: number) => Promise<number>
  readonly delays: number[]
  readonly rates: number[]
}

async function measureRound({ guest, turn, delays, rates }: Side, counts: boolean): Promise<void> {
  await guest.loopDelay()
  const began = performance.now()
  await Promise.all(
    Array.from({ length: busy }, async (_, i) => {
      for (let sent = 0; sent < turnsOfRound; sent += 1) await turn(i)
    }),
  )
  const seconds = (performance.now() - began) / 1_000
  const { p99 } = await guest.loopDelay()
  if (!counts) return
  delays.push(p99)
  rates.push((busy * turnsOfRound) / seconds)
}

function rows(usual: Side, followed: Side, all: Side): readonly Row[] {
  const worst = (side: Side): number => Math.max(...side.delays)
  const beside = `followed ${ms(worst(followed))}, 64 at once ${ms(worst(all))}`
  const rateBeside = `followed ${perSecond(median(followed.rates))}, 64 at once ${perSecond(median(all.rates))}`
  return [
    bounded('event-loop delay, p99, worst round', ms(worst(usual)), beside, '< 50 ms', worst(usual) < 50),
    shown(
      'event-loop delay, p99, median round',
      ms(median(usual.delays)),
      `followed ${ms(median(followed.delays))}, 64 at once ${ms(median(all.delays))}`,
    ),
    shown('turns per second', perSecond(median(usual.rates)), rateBeside),
  ]
}
