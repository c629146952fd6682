/** One turn at a time: the time between a message and the model's answer, compared with a relay that does nothing. */
import { request } from 'undici'
import type { BenchContext, Measure } from '../measure.ts'
import { fillAlike } from './alike-memories.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'
import { bounded, figure, ms, type Row, shown, times, unsearched } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { processorMs } from '../subjects/child-process.ts'
import { sessionTurns } from '../subjects/gateway-client.ts'
import { makeWorkspace, type RunningGuest, startGuest, withoutRecall } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const turnsPerSession = 10

const kinds = ['plain', 'oneTool', 'fiveTools'] as const
type Kind = (typeof kinds)[number]

interface Side {
  /** Name in the report's rows; a guest with a filled memory has the number of its messages. */
  readonly name: string
  readonly kinds: readonly Kind[]
  /** Null for a side that runs in this process. */
  readonly pid: number | null
  /** Prepares the next turn, untimed. */
  readonly prepare?: () => Promise<void>
  turn(prompt: string): Promise<unknown>
}

interface Samples {
  readonly times: Record<Kind, number[]>
  /** Processor time of all its turns without tools. */
  processorMs: number
}

export const turnsAlike: Measure = {
  name: 'turns-alike',
  title: 'One turn at a time, messages alike',
  how: 'Interleaved rounds of the same prompts through gateways and relays, all warm; a session of a guest has at most ten turns. The guest has the default configuration: conversations are indexed behind the turns, and each turn recalls from the other sessions. In the memories that are filled before, all messages are alike: every word of a prompt is in each of them. A relay that journals sends the request that a guest sends and commits what it commits, and does nothing else.',
  async run(context) {
    const { modelUrl, plan } = context
    await using stack = new AsyncDisposableStack()
    const sides: Side[] = []
    const relays = { relay: [], journaling: [stack.use(makeWorkspace()).database] }
    for (const [name, file] of Object.entries(relays)) {
      const relay = stack.use(await startRelay(modelUrl, ...file))
      const { turn } = stack.use(await connectRelay(relay.firstLine))
      sides.push({ name, kinds, pid: relay.pid, turn })
    }
    sides.push(await guestSide(context, stack, 'guest', kinds, {}))
    sides.push(await guestSide(context, stack, 'without', kinds, { forgets: true }))
    for (const messages of plan.alikeMessages)
      sides.push(await guestSide(context, stack, String(messages), ['plain', 'oneTool'], { messages }))
    sides.push({ name: 'bare', kinds: ['plain'], pid: null, turn: bareTurn(modelUrl) })
    return rows(await measureSides(sides, context), plan.alikeMessages)
  },
}

async function guestSide(
  { programs, modelUrl }: BenchContext,
  stack: AsyncDisposableStack,
  name: string,
  kindsOf: readonly Kind[],
  { messages = 0, forgets = false }: { readonly messages?: number; readonly forgets?: boolean },
): Promise<Side> {
  const workspace = stack.use(makeWorkspace())
  if (messages > 0) await fillAlike(workspace, messages)
  const config = forgets ? { memory: withoutRecall } : {}
  const guest: RunningGuest = stack.use(await startGuest({ program: programs.usual, workspace, modelUrl, config }))
  const terminal = stack.use(await guest.connect())
  return { name, kinds: kindsOf, pid: guest.pid, ...(await sessionTurns(terminal, turnsPerSession)) }
}

async function measureSides(sides: readonly Side[], { plan }: BenchContext): Promise<ReadonlyMap<string, Samples>> {
  const samples = new Map(
    sides.map(({ name }): [string, Samples] => [name, { times: { plain: [], oneTool: [], fiveTools: [] }, processorMs: 0 }]),
  )
  const rounds = Math.ceil(plan.turns / plan.turnsPerRound)
  // The first quarter is warm-up and is discarded.
  for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
    for (const kind of kinds) {
      for (const side of sides.filter((each) => each.kinds.includes(kind))) {
        const used = side.pid === null ? 0 : processorMs(side.pid)
        const taken = await measureRound(side, prompts[kind], plan.turnsPerRound)
        const seen = samples.get(side.name)
        if (round < 0 || seen === undefined) continue
        seen.times[kind].push(...taken)
        if (kind === 'plain' && side.pid !== null) seen.processorMs += processorMs(side.pid) - used
      }
    }
  }
  return samples
}

async function measureRound(side: Side, prompt: string, count: number): Promise<readonly number[]> {
  const taken: number[] = []
  for (let i = 0; i < count; i++) {
    await side.prepare?.()
    const began = performance.now()
    await side.turn(prompt)
    taken.push(performance.now() - began)
  }
  return taken
}

/** The model asked by a bare undici client, its answer read to the end. */
function bareTurn(modelUrl: string): Side['turn'] {
  return async (prompt) => {
    const answer = await request(`${modelUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bench', stream: true, messages: [{ role: 'user', content: prompt }] }),
    })
    return answer.body.text()
  }
}

/** Maximum time that recall may add to a turn, and to its processor time. */
const maxRecallMs = 0.6
const maxRecallProcessorMs = 0.4
/** Among so many messages, turns are compared with those that do not recall, whose database is small. */
const manyMessages = 1_000_000
const maxRatio = 1.15

/** What recall costs, and its bound. @param of and @param without milliseconds of a turn */
function cost(messages: number, of: number, without: number, maxMs: number): { beside: string; bound: string } {
  const beside = `recall adds ${ms(of - without)}, ${times(of / without)}`
  if (messages >= manyMessages) return { beside, bound: `≤ ${maxRatio} × without recall` }
  return { beside, bound: `adds ≤ ${maxMs} ms` }
}

function rows(samples: ReadonlyMap<string, Samples>, alikeMessages: readonly number[]): readonly Row[] {
  const timesOf = (side: string): Record<Kind, number[]> => samples.get(side)?.times ?? { plain: [], oneTool: [], fiveTools: [] }
  const p50 = (side: string, kind: Kind): number => median(timesOf(side)[kind])
  const ratio = (side: string): number => p50(side, 'plain') / p50('relay', 'plain')
  const further = (side: string): number => (p50(side, 'fiveTools') - p50(side, 'oneTool')) / 4
  const processor = (side: string): number => (samples.get(side)?.processorMs ?? 0) / timesOf(side).plain.length
  const added = (side: string): number => p50(side, 'plain') - p50('without', 'plain')
  const addedProcessor = (side: string): number => processor(side) - processor('without')
  const relay = `relay ${ms(p50('relay', 'plain'))}, bare undici ${ms(p50('bare', 'plain'))}`
  const remembered = alikeMessages.flatMap((messages): Row[] => {
    const [side, among] = [String(messages), `among ${figure(messages)} messages that are alike`]
    const turn = cost(messages, p50(side, 'plain'), p50('without', 'plain'), maxRecallMs)
    const used = cost(messages, processor(side), processor('without'), maxRecallProcessorMs)
    return [
      unsearched(
        `turn without tools ${among}, p50`,
        `${ms(p50(side, 'plain'))}, p99 ${ms(quantile(timesOf(side).plain, 0.99))}`,
        turn.beside,
        turn.bound,
      ),
      shown(`turn with one tool call ${among}, p50`, ms(p50(side, 'oneTool')), `without recall ${ms(p50('without', 'oneTool'))}`),
      unsearched(`processor time of a turn without tools ${among}`, ms(processor(side)), used.beside, used.bound),
    ]
  })
  return [
    bounded(
      'turn without tools, p50',
      `${ms(p50('guest', 'plain'))}, ${times(ratio('guest'))}`,
      relay,
      '≤ 2.5 × the relay',
      ratio('guest') <= 2.5,
    ),
    shown('turn without tools, p99', ms(quantile(timesOf('guest').plain, 0.99)), `relay ${ms(quantile(timesOf('relay').plain, 0.99))}`),
    shown('turn with one tool call, p50', ms(p50('guest', 'oneTool')), `relay ${ms(p50('relay', 'oneTool'))}`),
    bounded(
      'each further tool call, its model request included',
      ms(further('guest')),
      `relay ${ms(further('relay'))}`,
      '≤ 0.8 ms',
      further('guest') <= 0.8,
    ),
    shown('processor time of a turn without tools', ms(processor('guest')), `relay ${ms(processor('relay'))}`),
    ...remembered,
    unsearched(
      'turn without tools, without recall, p50',
      `${ms(p50('without', 'plain'))}, ${times(ratio('without'))}`,
      `recall adds ${ms(added('guest'))}`,
      `adds ≤ ${maxRecallMs} ms`,
    ),
    shown('turn with one tool call, without recall, p50', ms(p50('without', 'oneTool'))),
    shown('each further tool call, without recall', ms(further('without'))),
    unsearched(
      'processor time of a turn without tools, without recall',
      ms(processor('without')),
      `recall adds ${ms(addedProcessor('guest'))}`,
      `adds ≤ ${maxRecallProcessorMs} ms`,
    ),
    shown('turn without tools of a relay that journals, p50', `${ms(p50('journaling', 'plain'))}, ${times(ratio('journaling'))}`),
    shown('processor time of a turn of a relay that journals', ms(processor('journaling'))),
  ]
}
