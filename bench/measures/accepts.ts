/** How many messages a second the gateway takes for good while nothing else can happen: every session waits for its model. */
import type { SessionId } from '../../src/types/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, perSecond } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const connections = 64
/** Messages on their way for each connection, under the gateway's limit of 256. */
const inFlight = 32

export const accepts: Measure = {
  name: 'accepts',
  title: 'Durable messages',
  how: '64 connections send messages to sessions whose model stalls; a message counts when its acknowledgement has come back, which is after its commit.',
  async run({ plan, programs, modelUrl }) {
    const rates = { normal: [] as number[], full: [] as number[] }
    for (const durability of ['normal', 'full'] as const) {
      using workspace = makeWorkspace()
      await using guest = await startGuest({ program: programs.usual, workspace, modelUrl, config: { store: { durability } } })
      const terminals = await Promise.all(Array.from({ length: connections }, () => guest.connect()))
      // The first round warms up.
      for (let round = -1; round < plan.acceptRounds; round++) {
        const sessions = await Promise.all(terminals.map((terminal) => terminal.open()))
        await Promise.all(terminals.map((terminal, i) => terminal.send(sessions[i]!, prompts.stall)))
        const began = performance.now()
        await Promise.all(terminals.map((terminal, i) => sendAll(terminal, sessions[i]!, plan.acceptsPerConnection)))
        const seconds = (performance.now() - began) / 1000
        if (round >= 0) rates[durability].push((connections * plan.acceptsPerConnection) / seconds)
        await Promise.all(terminals.map((terminal, i) => terminal.unfollow(sessions[i]!)))
      }
      for (const terminal of terminals) terminal[Symbol.dispose]()
    }
    const normal = median(rates.normal)
    return [
      bounded('messages accepted, durability normal', perSecond(normal), '', '≥ 10 000/s', normal >= 10_000),
      { what: 'messages accepted, durability full', measured: perSecond(median(rates.full)), beside: '', bound: '', met: null },
    ]
  },
}

async function sendAll(terminal: GatewayClient, session: SessionId, count: number): Promise<void> {
  let left = count
  const sendNext = async (): Promise<void> => {
    while (left-- > 0) await terminal.send(session, 'one more message')
  }
  await Promise.all(Array.from({ length: inFlight }, sendNext))
}
