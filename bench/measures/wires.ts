/** Reading a long answer: each wire's reader against the vendor's client and the AI SDK, on the same bytes. */
import type { Measure } from '../measure.ts'
import { bounded, figure, ms, type Row, times } from '../report.ts'
import { median } from '../statistics.ts'
import type { Read, WireReaders } from '../subjects/wire-readers.ts'
import { longAnswer, type WireName } from '../subjects/wire-streams.ts'

const names: readonly WireName[] = ['openai-chat', 'openai-responses', 'anthropic', 'gemini']
const sides: readonly (keyof WireReaders)[] = ['baseline', 'ours', 'official', 'aiSdk']

/** Few rounds, because the clients take seconds, and more change nothing. */
const maxRounds = 3

export const wires: Measure = {
  name: 'wires',
  title: 'Reading the answer of each wire',
  how: 'Interleaved rounds in process over the same bytes in pieces of 16 KiB, one event a token; the bare way splits them into lines and parses the JSON, the clients get them from a fetch without a socket.',
  async run({ plan }) {
    // Loaded here, because the vendors' packages take half a second.
    const { readersOf } = await import('../subjects/wire-readers.ts')
    const rows: Row[] = []
    for (const name of names) rows.push(...rowsOf(name, plan.streamTokens, await measureWire(name, readersOf(name), plan)))
    return rows
  },
}

type Times = Readonly<Record<keyof WireReaders, number>>

async function measureWire(name: WireName, readers: WireReaders, plan: { streamRounds: number; streamTokens: number }): Promise<Times> {
  const { pieces, chars } = longAnswer(name, plan.streamTokens)
  const took: Record<keyof WireReaders, number[]> = { baseline: [], ours: [], official: [], aiSdk: [] }
  // The first round warms up.
  for (let round = -1; round < Math.min(plan.streamRounds, maxRounds); round += 1) {
    for (const side of sides) {
      const time = await timeOf(readers[side], pieces, side === 'baseline' ? null : chars)
      if (round >= 0) took[side].push(time)
    }
  }
  return { baseline: median(took.baseline), ours: median(took.ours), official: median(took.official), aiSdk: median(took.aiSdk) }
}

async function timeOf(read: Read, pieces: readonly Uint8Array[], expected: number | null): Promise<number> {
  const began = performance.now()
  const chars = await read(pieces)
  const time = performance.now() - began
  if (expected !== null && chars !== expected) throw new Error(`${expected} characters were sent and ${chars} came`)
  return time
}

function rowsOf(name: WireName, tokens: number, { baseline, ours, official, aiSdk }: Times): Row[] {
  const share = ours / baseline
  const quickest = Math.min(official, aiSdk)
  return [
    bounded(
      `${name}, ${figure(tokens)} tokens`,
      `${ms(ours)}, ${times(share)}`,
      `lines and JSON alone ${ms(baseline)}`,
      '≤ 3 × lines and JSON',
      share <= 3,
    ),
    bounded(
      `${name}, against the clients`,
      `${times(quickest / ours)} as fast`,
      `official SDK ${ms(official)}, AI SDK ${ms(aiSdk)}`,
      'faster than both',
      ours < quickest,
    ),
  ]
}
