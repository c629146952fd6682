/** A long answer: throughput to the terminal, and memory. */
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, megabytes, perSecond, type Row, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { peakBytes } from '../subjects/child-process.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'

const charactersPerToken = 'word '.length
/** The work after such a turn takes less than a second. */
const settleMs = 2_000

export const stream: Measure = {
  name: 'stream',
  title: 'A long streamed answer',
  how: "Interleaved rounds; the model sends every token as a chunk of its own, and tokens count when they are at the terminal and the turn has ended. Peak memory is a fresh process's with all its threads, from its start to the end of the turn; what follows is the index of the text and the count of its tokens, which decides on a summary.",
  async run(context) {
    const { plan, programs, modelUrl } = context
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
      ...(await measurePeak(context)),
    ]
  },
}

async function tokensPerSecond(turn: () => Promise<number>, expected: number): Promise<number> {
  const began = performance.now()
  const tokens = (await turn()) / charactersPerToken
  if (tokens !== expected) throw new Error(`${expected} tokens were sent and ${tokens} came`)
  return (tokens / (performance.now() - began)) * 1000
}

async function measurePeak({ plan, programs, modelUrl }: BenchContext): Promise<readonly Row[]> {
  const peaks: Record<'guest' | 'relay' | 'later', number[]> = { guest: [], relay: [], later: [] }
  for (let round = 0; round < plan.streamPeaks; round++) {
    await using relay = await startRelay(modelUrl)
    using relayTerminal = await connectRelay(relay.firstLine)
    await tokensPerSecond(() => relayTerminal.turn(prompts.long), plan.streamTokens)
    peaks.relay.push(peakBytes(relay.pid))

    using workspace = makeWorkspace()
    await using guest = await startGuest({ program: programs.usual, workspace, modelUrl })
    using terminal = await guest.connect()
    const session = await terminal.open()
    await tokensPerSecond(() => terminal.turn(session, prompts.long), plan.streamTokens)
    peaks.guest.push(peakBytes(guest.pid))
    await pause(settleMs)
    peaks.later.push(peakBytes(guest.pid))
  }
  const peak = median(peaks.guest)
  const name = `peak memory in an answer of ${figure(plan.streamTokens)} tokens`
  return [
    bounded(name, megabytes(peak), `relay ${megabytes(median(peaks.relay))}`, '≤ 220 MB', peak <= 220e6),
    shown(`${name}, with what follows the turn`, megabytes(median(peaks.later))),
  ]
}
