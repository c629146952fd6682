/** One turn at a time: what stands between a person's message and the model's answer, beside a relay that does nothing. */
import { request } from 'undici'
import type { SessionId } from '../../src/types/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, type Row, shown, times } from '../report.ts'
import { median, quantile } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest, withoutRecall } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'
import { connectRelay, startRelay } from '../relay/relay-client.ts'

/** A session is left after this many turns, so that short conversations are measured; `history` measures long ones. */
const turnsPerSession = 10

type Turn = (prompt: string) => Promise<unknown>
type SessionTurn = Turn & { prepare(): Promise<void> }
type Side = 'guest' | 'reminded' | 'relay' | 'journaling' | 'bare'
type Samples = Record<Side, Record<Kind, number[]>>
type Kind = 'plain' | 'oneTool' | 'fiveTools'
const kinds: readonly Kind[] = ['plain', 'oneTool', 'fiveTools']

export const turns: Measure = {
  name: 'turns',
  title: 'One turn at a time',
  how: 'Interleaved rounds of the same prompts through the gateway and through the relay, both warm; a session of the guest has at most ten turns. A relay that journals sends the request that a guest sends and commits what it commits, and does nothing else. Conversations are indexed behind the turns; the last row is of a guest that also recalls from its other sessions before each turn.',
  async run(context) {
    using workspace = makeWorkspace()
    using secondWorkspace = makeWorkspace()
    using thirdWorkspace = makeWorkspace()
    const same = { program: context.programs.usual, modelUrl: context.modelUrl }
    await using guest = await startGuest({ ...same, workspace, config: { memory: withoutRecall } })
    await using remindedGuest = await startGuest({ ...same, workspace: secondWorkspace })
    await using relay = await startRelay(context.modelUrl)
    await using journaling = await startRelay(context.modelUrl, thirdWorkspace.database)
    using terminal = await guest.connect()
    using relayTerminal = await connectRelay(relay.firstLine)
    using journalingTerminal = await connectRelay(journaling.firstLine)
    using secondTerminal = await remindedGuest.connect()
    const [own, reminded] = [await sessionTurns(terminal), await sessionTurns(secondTerminal)]
    const relays = { relay: relayTerminal.turn, journaling: journalingTerminal.turn, bare: bareTurn(context.modelUrl) }
    const sides = { guest: own, reminded, ...relays }
    return rows(await measureSides(sides, context))
  },
}

/** Turns in sessions that are made outside of what is timed. */
async function sessionTurns(terminal: GatewayClient): Promise<SessionTurn> {
  let session: SessionId = await terminal.open()
  let taken = 0
  const turn = (prompt: string): Promise<unknown> => {
    taken += 1
    return terminal.turn(session, prompt)
  }
  const prepare = async (): Promise<void> => {
    if (taken < turnsPerSession) return
    await terminal.unfollow(session)
    session = await terminal.open()
    taken = 0
  }
  return Object.assign(turn, { prepare })
}

async function measureSides(
  sides: Record<'guest' | 'reminded', SessionTurn> & Record<'relay' | 'journaling' | 'bare', Turn>,
  { plan }: BenchContext,
): Promise<Samples> {
  const empty = (): Record<Kind, number[]> => ({ plain: [], oneTool: [], fiveTools: [] })
  const samples: Samples = { guest: empty(), reminded: empty(), relay: empty(), journaling: empty(), bare: empty() }
  const rounds = Math.ceil(plan.turns / plan.turnsPerRound)
  // The first quarter warms both sides up and is thrown away.
  for (let round = -Math.ceil(rounds / 4); round < rounds; round++) {
    for (const kind of kinds) {
      for (const side of ['relay', 'guest', 'reminded', 'journaling', 'bare'] as const) {
        if ((side === 'bare' || side === 'reminded') && kind !== 'plain') continue
        for (let i = 0; i < plan.turnsPerRound; i++) {
          await sides.guest.prepare()
          await sides.reminded.prepare()
          const began = performance.now()
          await sides[side](prompts[kind])
          if (round >= 0) samples[side][kind].push(performance.now() - began)
        }
      }
    }
  }
  return samples
}

/** The model asked by a bare undici client, its answer read to the end. */
function bareTurn(modelUrl: string): Turn {
  return async (prompt) => {
    const answer = await request(`${modelUrl}/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'bench', stream: true, messages: [{ role: 'user', content: prompt }] }),
    })
    return answer.body.text()
  }
}

function rows({ guest, reminded, relay, journaling, bare }: Samples): readonly Row[] {
  const ratio = median(guest.plain) / median(relay.plain)
  const further = (side: Record<Kind, number[]>): number => (median(side.fiveTools) - median(side.oneTool)) / 4
  return [
    bounded(
      'turn without tools, p50',
      `${ms(median(guest.plain))}, ${times(ratio)}`,
      `relay ${ms(median(relay.plain))}, bare undici ${ms(median(bare.plain))}`,
      '≤ 2.5 × the relay',
      ratio <= 2.5,
    ),
    shown('the same of a relay that journals', `${ms(median(journaling.plain))}, ${times(median(journaling.plain) / median(relay.plain))}`),
    shown('turn without tools, p99', ms(quantile(guest.plain, 0.99)), `relay ${ms(quantile(relay.plain, 0.99))}`),
    shown('turn with one tool call, p50', ms(median(guest.oneTool)), `relay ${ms(median(relay.oneTool))}`),
    bounded(
      'each further tool call, its model request included',
      ms(further(guest)),
      `relay ${ms(further(relay))}`,
      '≤ 1 ms',
      further(guest) <= 1,
    ),
    shown(
      'turn without tools that recalls from other sessions, p50',
      ms(median(reminded.plain)),
      times(median(reminded.plain) / median(relay.plain)),
    ),
  ]
}
