/** 64 sessions at once with messages as people write them, one tool call in each turn. */
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, perSecond, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import { settleTree, treeProcessorMs } from '../subjects/child-process.ts'
import { type SeenRequest, toolMarks } from '../subjects/model-server.ts'
import { type Delivered, deliveredRows, judgeDelivered } from '../talk/delivered.ts'
import { differentMessages, type TalkMessage, toldTalk } from '../talk/lifelike-talk.ts'
import { startGuestSide, startPiSide, startRelaySide, type TalkSide } from '../talk/talk-sides.ts'

const sessionsAtOnce = 64
/** Messages whose requests are judged: asking the search takes long. */
const mostJudged = 400

interface Side {
  readonly side: TalkSide
  readonly messages: Iterator<TalkMessage>
  readonly rounds: Round[]
  readonly judged: TalkMessage[]
  readonly seen: Map<string, SeenRequest>
}

interface Round {
  readonly perSecond: number
  /** Of a turn, of all processes, including what follows. */
  readonly processorMs: number
  readonly p95: number
}

type Sides = Record<'relay' | 'guest' | 'without', Side> & { readonly pi: Side | null }

export const load: Measure = {
  name: 'load',
  title: '64 sessions at once',
  how: "Interleaved rounds: 64 connections, each with its own session, send turns with one tool call as fast as they are answered; no two messages are alike, the memory was told lifelike talk before, and some of the messages ask about it. Guests are started by `oxbow serve` in the default configuration. Processor time counts all processes, including what follows the last turn. pi's agent core has one agent for each connection, keeps nothing, and has one tool.",
  async run(context) {
    const { plan } = context
    const [passages] = plan.toldPassages
    await using stack = new AsyncDisposableStack()
    const count = (plan.loadRounds + 1) * plan.loadTurns * sessionsAtOnce
    const messages = differentMessages(toldTalk(passages), count)
    const use = (side: TalkSide): Side => ({
      side: stack.use(side),
      messages: messages.values(),
      rounds: [],
      judged: [],
      seen: new Map(),
    })
    const pi = await startPiSide(context, sessionsAtOnce)
    const sides: Sides = {
      relay: use(await startRelaySide(context, sessionsAtOnce)),
      guest: use(await startGuestSide(context, { passages, lines: sessionsAtOnce })),
      without: use(await startGuestSide(context, { passages, recalls: false, lines: sessionsAtOnce })),
      pi: pi === null ? null : use(pi),
    }
    // The first round warms all sides up.
    for (let round = -1; round < plan.loadRounds; round++) {
      for (const side of Object.values(sides)) if (side !== null) await measureRound(side, context, round >= 0)
    }
    const { judged, seen, side } = sides.guest
    return rows(sides, await judgeDelivered({ passages, database: side.database ?? '', messages: judged, seen }))
  },
}

async function measureRound({ side, messages, rounds, judged, seen }: Side, { plan, model }: BenchContext, counts: boolean): Promise<void> {
  await settleTree(side.pid)
  await model.seen()
  const taken: number[] = []
  const used = treeProcessorMs(side.pid)
  const sent: TalkMessage[] = []
  const began = performance.now()
  await Promise.all(
    side.lines.map(async (line) => {
      for (let i = 0; i < plan.loadTurns; i++) {
        await line.prepare()
        const message = messages.next().value as TalkMessage
        sent.push(message)
        const from = performance.now()
        await line.turn(message.text + toolMarks.oneTool)
        taken.push(performance.now() - from)
      }
    }),
  )
  const seconds = (performance.now() - began) / 1000
  await settleTree(side.pid)
  if (!counts) return
  const processorMs = (treeProcessorMs(side.pid) - used) / taken.length
  rounds.push({ perSecond: taken.length / seconds, processorMs, p95: quantile(taken, 0.95) })
  for (const each of await model.seen()) seen.set(each.text.trimEnd(), each)
  judged.push(...sent.filter(({ answers }) => answers.length > 0).slice(0, mostJudged - judged.length))
}

function rows({ relay, guest, without, pi }: Sides, delivered: Delivered): readonly Row[] {
  const of = (side: Side, value: keyof Round): number => median(side.rounds.map((round) => round[value]))
  const share = (side: Side): number => of(side, 'perSecond') / of(relay, 'perSecond')
  const rate = (side: Side): string => `${perSecond(of(side, 'perSecond'))}, ${(share(side) * 100).toFixed(1)} %`
  const cost = (side: Side): string => ms(of(side, 'processorMs'))
  const relayRate = `relay ${perSecond(of(relay, 'perSecond'))}`
  const toPi = pi === null ? Number.NaN : of(guest, 'perSecond') / of(pi, 'perSecond')
  const piName = "turns per second, compared with pi's agent core"
  return [
    bounded('turns per second', rate(guest), relayRate, '≥ 20 % of the relay', share(guest) >= 0.2),
    bounded('turns per second, without recall', rate(without), relayRate, '≥ 28 % of the relay', share(without) >= 0.28),
    pi === null
      ? shown(piName, 'pi is not installed', '`--pi FOLDER`: where `npm install @earendil-works/pi-agent-core` ran')
      : bounded(piName, times(toPi), `pi ${rate(pi)}, ${cost(pi)} of processor time`, '≥ 1.2 ×', toPi >= 1.2),
    ...deliveredRows(delivered, ' under load'),
    shown('processor time of a turn', cost(guest), `relay ${cost(relay)}; without recall ${cost(without)}`),
    shown('latency of a turn, p95', ms(of(guest, 'p95')), `relay ${ms(of(relay, 'p95'))}; without recall ${ms(of(without, 'p95'))}`),
  ]
}
