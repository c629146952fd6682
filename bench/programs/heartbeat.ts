/** The heartbeat where nothing is to be looked after: what a look costs. */
import type { JsonObject } from '../../src/base/index.ts'
import type { OutputOf } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, figure, ms } from '../report.ts'
import { settleTree, treeProcessorMs } from '../subjects/child-process.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'

const looks = 200

export const heartbeat: Measure = {
  name: 'heartbeat',
  title: 'Heartbeat',
  how: `A guest with the heartbeat on, no HEARTBEAT.md and no goal; ${figure(looks)} looks one after another, each begun by a call and waited for with a second one. The processor time is the guest's, with all it has started, less what as many calls take by themselves.`,
  async run({ programs, modelUrl }) {
    using workspace = makeWorkspace()
    await using guest = await startGuest({ program: programs.usual, workspace, modelUrl })
    using terminal = await guest.connect()
    await ask(terminal, 'heartbeat.on', {})
    // The first also starts hands and makes the session.
    await look(terminal)
    await settleTree(guest.pid)
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const before = treeProcessorMs(guest.pid)
      for (let n = 0; n < looks; n += 1) await work()
      return (treeProcessorMs(guest.pid) - before) / looks
    }
    const calls = await timed(async () => {
      await ask(terminal, 'heartbeat.on', {})
      await ask(terminal, 'heartbeat.show', {})
    })
    const all = await timed(() => look(terminal))
    const each = Math.max(0, all - calls)
    const { tokens_today: tokens, last } = await ask(terminal, 'heartbeat.show', {})
    if (last?.came_to !== 'unchanged') throw new Error(`a look came to ${last?.came_to}: ${last?.why}`)
    return [
      bounded('a look that finds nothing, processor time', ms(each), `the two calls ${ms(calls)}`, '< 5 ms', each < 5),
      bounded('the same, tokens', figure(tokens), `of ${figure(looks)} looks`, '0', tokens === 0),
    ]
  },
}

async function look(terminal: GatewayClient): Promise<void> {
  const { last } = await ask(terminal, 'heartbeat.now', {})
  const seen = last?.at ?? 0
  for (let now = seen; now === seen;) now = (await ask(terminal, 'heartbeat.show', { wait_s: 30, seen })).last?.at ?? 0
}

async function ask(terminal: GatewayClient, name: 'heartbeat.on' | 'heartbeat.now' | 'heartbeat.show', input: JsonObject) {
  const outcome = await terminal.call(name, input)
  if (outcome.status !== 'ok') throw new Error(`${name}: ${outcome.text}`)
  return outcome.output as OutputOf<'heartbeat.show'>
}
