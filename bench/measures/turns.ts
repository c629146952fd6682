/** One turn at a time, with messages as people write them: what a person waits for, what it costs, and whether memory was delivered. */
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, figure, ms, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { settleTree, treeProcessorMs } from '../subjects/child-process.ts'
import { type ModelServer, monotonicMs, type SeenRequest, toolMarks } from '../subjects/model-server.ts'
import { deliveredRows, judgeDelivered } from '../talk/delivered.ts'
import { differentMessages, type TalkMessage, toldTalk } from '../talk/lifelike-talk.ts'
import { startGuestSide, startPiSide, startRelaySide, type TalkSide } from '../talk/talk-sides.ts'

const kinds = ['plain', 'oneTool', 'fiveTools'] as const
type Kind = (typeof kinds)[number]

interface Side extends TalkSide {
  readonly kinds: readonly Kind[]
  readonly messages: Iterator<TalkMessage>
  /** Something follows its turns that is waited for. */
  readonly settles: boolean
  readonly samples: Samples
}

interface Samples {
  readonly times: Record<Kind, number[]>
  /** From sending a message until the model has read the request. */
  readonly untilAsked: number[]
  /** Processor time of all its turns without tools and of what follows them. */
  processorMs: number
  /** Messages of turns without tools, and their requests. */
  readonly plain: TalkMessage[]
  readonly seen: Map<string, SeenRequest>
}

type Sides = Record<'relay' | 'guest' | 'without' | 'large', Side> & { readonly pi: Side | null }

export const turns: Measure = {
  name: 'turns',
  title: 'One turn at a time',
  how: "Interleaved rounds through the relay, guests and pi's agent core, all warm. No two messages are alike: every second one asks about one of the passages of lifelike talk that the memory was told before, the others tell something new; eight turns in a session. Guests are started by `oxbow serve` in the default configuration. Processor time counts all processes (launcher, guest, hands), including what follows a turn. Of what the memory before has for a message, what is told in an earlier turn of the session counts as carried.",
  async run(context) {
    const { plan } = context
    const [usual, large] = plan.toldPassages
    await using stack = new AsyncDisposableStack()
    const rounds = Math.ceil(plan.turns / plan.turnsPerRound)
    // The first quarter is warm-up and is discarded.
    const warmUp = Math.ceil(rounds / 4)
    const count = (warmUp + rounds) * plan.turnsPerRound * kinds.length
    const side = (started: TalkSide, passages: number, settles: boolean, of: readonly Kind[] = kinds): Side => {
      const messages = differentMessages(toldTalk(passages), count).values()
      return { ...stack.use(started), kinds: of, messages, settles, samples: noSamples() }
    }
    const pi = await startPiSide(context)
    const sides: Sides = {
      relay: side(await startRelaySide(context), usual, false),
      guest: side(await startGuestSide(context, { passages: usual }), usual, true),
      without: side(await startGuestSide(context, { passages: usual, recalls: false }), usual, true),
      large: side(await startGuestSide(context, { passages: large }), large, true, ['plain']),
      pi: pi === null ? null : side(pi, usual, false),
    }
    for (let round = -warmUp; round < rounds; round++) {
      for (const kind of kinds) {
        for (const each of Object.values(sides)) {
          if (each?.kinds.includes(kind) === true) await measureRound(each, kind, context, round >= 0)
        }
      }
    }
    return [...rows(sides, large), ...(await recallRows(sides.guest, usual, '')), ...(await recallRows(sides.large, large, among(large)))]
  },
}

function noSamples(): Samples {
  return { times: { plain: [], oneTool: [], fiveTools: [] }, untilAsked: [], processorMs: 0, plain: [], seen: new Map() }
}

async function measureRound(side: Side, kind: Kind, { plan, model }: BenchContext, counts: boolean): Promise<void> {
  const [line] = side.lines
  if (side.settles) await settleTree(side.pid)
  await model.seen()
  const used = treeProcessorMs(side.pid)
  const taken: { readonly message: TalkMessage; readonly sent: number; readonly ms: number }[] = []
  for (let i = 0; i < plan.turnsPerRound; i++) {
    const message = side.messages.next().value as TalkMessage
    await line!.prepare()
    const sent = monotonicMs()
    await line!.turn(message.text + toolMarks[kind])
    taken.push({ message, sent, ms: monotonicMs() - sent })
  }
  if (side.settles) await settleTree(side.pid)
  if (!counts) return
  side.samples.times[kind].push(...taken.map((each) => each.ms))
  if (kind !== 'plain') return
  side.samples.processorMs += treeProcessorMs(side.pid) - used
  await readSeen(side, taken, model)
}

async function readSeen({ samples }: Side, taken: readonly { message: TalkMessage; sent: number }[], model: ModelServer): Promise<void> {
  const seen = new Map((await model.seen()).map((each) => [each.text, each]))
  for (const { message, sent } of taken) {
    const request = seen.get(message.text)
    if (request === undefined) throw new Error(`the model was not asked: ${message.text}`)
    samples.untilAsked.push(request.at - sent)
    samples.plain.push(message)
    samples.seen.set(message.text, request)
  }
}

async function recallRows({ samples, database }: Side, passages: number, where: string): Promise<readonly Row[]> {
  const { plain: messages, seen } = samples
  return deliveredRows(await judgeDelivered({ passages, database: database ?? '', messages, seen }), where)
}

const among = (passages: number): string => ` among ${figure(passages)} passages`

function rows({ relay, guest, without, large, pi }: Sides, largePassages: number): readonly Row[] {
  const p50 = (side: Side, kind: Kind): number => median(side.samples.times[kind])
  const ratio = (side: Side): number => p50(side, 'plain') / p50(relay, 'plain')
  const further = (side: Side): number => (p50(side, 'fiveTools') - p50(side, 'oneTool')) / 4
  const processor = (side: Side): number => side.samples.processorMs / side.samples.times.plain.length
  const turn = (side: Side): string => `${ms(p50(side, 'plain'))}, ${times(ratio(side))}`
  const tail = (side: Side): string => ms(quantile(side.samples.times.plain, 0.99))
  const asked = (side: Side): string => ms(median(side.samples.untilAsked))
  const piTurn = pi === null ? '' : `, pi's agent core ${ms(p50(pi, 'plain'))}`
  return [
    bounded('turn without tools, p50', turn(guest), `relay ${ms(p50(relay, 'plain'))}${piTurn}`, '≤ 5 × the relay', ratio(guest) <= 5),
    bounded('turn without tools, without recall, p50', turn(without), '', '≤ 3 × the relay', ratio(without) <= 3),
    shown(`turn without tools${among(largePassages)}, p50`, turn(large)),
    shown('turn without tools, p99', tail(guest), `relay ${tail(relay)}; without recall ${tail(without)}`),
    shown('message sent until the model has the request, p50', asked(guest), `relay ${asked(relay)}; without recall ${asked(without)}`),
    bounded(
      'processor time of a turn without tools',
      ms(processor(guest)),
      `relay ${ms(processor(relay))}`,
      '≤ 4 ms',
      processor(guest) <= 4,
    ),
    bounded('processor time of it, without recall', ms(processor(without)), '', '≤ 3 ms', processor(without) <= 3),
    shown(`processor time of it${among(largePassages)}`, ms(processor(large))),
    shown('turn with one tool call, p50', ms(p50(guest, 'oneTool')), `relay ${ms(p50(relay, 'oneTool'))}`),
    bounded(
      'each further tool call, its model request included',
      ms(further(guest)),
      `relay ${ms(further(relay))}; without recall ${ms(further(without))}`,
      '≤ 0.9 ms',
      further(guest) <= 0.9,
    ),
  ]
}
