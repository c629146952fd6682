/** 500 connected terminals, of which 64 are busy: how long the event loop is held, and what the limit of turns at once costs. */
import type { Measure } from '../measure.ts'
import { bounded, ms, perSecond, shown } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const connected = 500
const busy = 64
/** Long enough for a queue, short enough for a quick bench. */
const rounds = 3
const turnsOfRound = 6

export const crowd: Measure = {
  name: 'crowd',
  title: '500 terminals, 64 of them busy',
  how: 'A guest in its default configuration: 64 terminals each send turns with one tool call, as fast as they are answered; 436 others follow their sessions, about seven a session, and receive everything that happens there. `turn.max_running` lets 10 turns run at once; beside it a guest that lets all 64 run.',
  async run({ programs, modelUrl }) {
    await using stack = new AsyncDisposableStack()
    const sides = []
    for (const config of [{}, { turn: { max_running: busy } }]) {
      const workspace = stack.use(makeWorkspace())
      const guest = stack.use(await startGuest({ program: programs.usual, workspace, modelUrl, probe: true, config }))
      const terminals: GatewayClient[] = []
      for (let at = 0; at < connected; at += 50) terminals.push(...(await Promise.all(Array.from({ length: 50 }, () => guest.connect()))))
      for (const terminal of terminals) stack.use(terminal)
      const sessions = await Promise.all(terminals.slice(0, busy).map((terminal) => terminal.open()))
      await Promise.all(terminals.slice(busy).map((terminal, i) => terminal.follow(sessions[i % busy]!, 0)))
      sides.push({ guest, terminals, sessions, delays: [] as number[], rates: [] as number[] })
    }
    // The first round warms both sides up.
    for (let round = -1; round < rounds; round += 1)
      for (const { guest, terminals, sessions, delays, rates } of sides) {
        await guest.loopDelay()
        const began = performance.now()
        await Promise.all(
          sessions.map(async (session, i) => {
            for (let turn = 0; turn < turnsOfRound; turn += 1) await terminals[i]!.turn(session, prompts.oneTool)
          }),
        )
        const seconds = (performance.now() - began) / 1_000
        const { p99 } = await guest.loopDelay()
        if (round < 0) continue
        delays.push(p99)
        rates.push((busy * turnsOfRound) / seconds)
      }
    const [usual, all] = sides
    const worst = Math.max(...usual!.delays)
    return [
      bounded('event-loop delay, p99, worst round', ms(worst), `64 turns at once ${ms(Math.max(...all!.delays))}`, '< 50 ms', worst < 50),
      shown('turns per second', perSecond(median(usual!.rates)), `64 turns at once ${perSecond(median(all!.rates))}`),
    ]
  },
}
