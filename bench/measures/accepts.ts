/** Messages per second that the gateway accepts durably while every session waits for its model. */
import type { SessionId } from '../../src/base/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, perSecond, shown } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const connections = 64
/** Unacknowledged messages of each connection, below the gateway's limit of 256. */
const inFlight = 32
/** Below the kernel's limit of 1 000 waiting messages in a session. */
const maxPerSession = 900

export const accepts: Measure = {
  name: 'accepts',
  title: 'Durable messages',
  how: '64 connections send messages to sessions whose model stalls; a message counts when it is acknowledged, which is after its commit.',
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
        const until = began + plan.acceptSeconds * 1000
        const accepted = await Promise.all(terminals.map((terminal, i) => sendMany(terminal, sessions[i]!, until)))
        const seconds = (performance.now() - began) / 1000
        if (round >= 0) rates[durability].push(accepted.reduce((sum, count) => sum + count, 0) / seconds)
        await Promise.all(terminals.map((terminal, i) => terminal.unfollow(sessions[i]!)))
      }
      for (const terminal of terminals) terminal[Symbol.dispose]()
    }
    const normal = median(rates.normal)
    return [
      bounded('messages accepted, durability normal', perSecond(normal), '', '≥ 10 000/s', normal >= 10_000),
      shown('messages accepted, durability full', perSecond(median(rates.full))),
    ]
  },
}

/** @returns the number of acknowledged messages. */
async function sendMany(terminal: GatewayClient, session: SessionId, until: number): Promise<number> {
  let sent = 0
  const sendNext = async (): Promise<void> => {
    while (performance.now() < until && sent < maxPerSession) {
      sent += 1
      await terminal.send(session, 'one more message')
    }
  }
  await Promise.all(Array.from({ length: inFlight }, sendNext))
  return sent
}
