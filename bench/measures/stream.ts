/** A long answer: how fast its tokens reach the person. */
import type { Measure } from '../measure.ts'
import { bounded, figure, perSecond } from '../report.ts'
import { median } from '../statistics.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'

const charactersPerToken = 'word '.length

export const stream: Measure = {
  name: 'stream',
  title: 'A long streamed answer',
  how: 'Interleaved rounds; the model sends every token as a chunk of its own, and tokens count when they are at the terminal and the turn has ended.',
  async run({ plan, programs, modelUrl }) {
    using workspace = makeWorkspace()
    await using guest = await startGuest({ program: programs.usual, workspace, modelUrl })
    await using relay = await startRelay(modelUrl)
    using terminal = await guest.connect()
    using relayTerminal = await connectRelay(relay.firstLine)
    const rates: Record<'guest' | 'relay', number[]> = { guest: [], relay: [] }
    // The first round warms up.
    for (let round = -1; round < plan.streamRounds; round++) {
      const relayed = await tokensPerSecond(() => relayTerminal.turn(prompts.long), plan.streamTokens)
      const session = await terminal.open()
      const guested = await tokensPerSecond(() => terminal.turn(session, prompts.long), plan.streamTokens)
      if (round < 0) continue
      rates.relay.push(relayed)
      rates.guest.push(guested)
    }
    const share = median(rates.guest) / median(rates.relay)
    return [
      bounded(
        `tokens per second of an answer of ${figure(plan.streamTokens)}`,
        `${perSecond(median(rates.guest))}, ${Math.round(share * 100)} %`,
        `relay ${perSecond(median(rates.relay))}`,
        '≥ 50 % of the relay',
        share >= 0.5,
      ),
    ]
  },
}

async function tokensPerSecond(turn: () => Promise<number>, expected: number): Promise<number> {
  const began = performance.now()
  const tokens = (await turn()) / charactersPerToken
  if (tokens !== expected) throw new Error(`${expected} tokens were sent and ${tokens} came`)
  return (tokens / (performance.now() - began)) * 1000
}
