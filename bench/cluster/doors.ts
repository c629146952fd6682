/** What the door of a node adds to a turn: to its first words, and to the processor time of all that takes part. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type FollowEvent } from '../../src/client/index.ts'
import { clusterSkip } from '../../test/cluster/cluster-fixture.ts'
import { type DoorRig, openDoorRig, user } from '../../test/cluster/doors-fixture.ts'
import { endsTurn } from '../../src/protocol/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, type Row, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { processorMs, repositoryPath } from '../subjects/child-process.ts'

/** By turns, so that what the machine does otherwise is the same for all. */
const rounds = 10
/** Not measured: everything is loaded then. */
const warming = 50

export const doors: Measure = {
  name: 'doors',
  title: 'The doors of a cluster',
  how: 'Two nodes of the built program on this machine, over mutual TLS. A terminal sends messages to the guest directly, through the door of its own node, and through the door of the other one, by turns. Processor time is of the guest and both nodes.',
  async run(context) {
    const skip = clusterSkip()
    if (skip !== false) return [shown('not measured', skip)]
    const program = context.programs.bundle === null ? {} : { program: repositoryPath('dist/oxbow.js') }
    await using rig = await openDoorRig({ ...program, answerMs: 0, sections: ['[gateway]', 'requests_per_minute = 100000'] })
    return await measured(rig, context)
  },
}

interface Way {
  readonly firstMs: number[]
  processorMs: number
  turn(): Promise<number>
  close(): Promise<void>
}

async function measured(rig: DoorRig, { plan }: BenchContext): Promise<readonly Row[]> {
  const { url } = JSON.parse(readFileSync(join(rig.home.env['OXBOW_HOME']!, 'users', user, 'ipc', 'gateway.json'), 'utf8')) as {
    url: string
  }
  const through = (door: string): string => `${door.replace('http', 'ws')}/users/${user}/ws`
  const ways: Way[] = []
  for (const address of [url, through(rig.home.door), through(rig.away.door)]) ways.push(await openWay(address, rig.key))
  const pids = [rig.home.guestPid(user)!, rig.home.pid, rig.away.pid]
  const spent = (): number => pids.reduce((sum, pid) => sum + processorMs(pid), 0)
  for (const way of ways) for (let i = 0; i < warming; i += 1) await way.turn()
  const each = Math.max(5, Math.round(plan.turns / rounds / ways.length))
  for (let round = 0; round < rounds; round += 1) {
    for (const way of ways) {
      const before = spent()
      for (let i = 0; i < each; i += 1) way.firstMs.push(await way.turn())
      way.processorMs += spent() - before
    }
  }
  const [direct, own, other] = ways as [Way, Way, Way]
  for (const way of ways) await way.close()
  const first = (way: Way): number => median(way.firstMs) - median(direct.firstMs)
  const share = (way: Way): number => way.processorMs / direct.processorMs - 1
  const percent = (part: number): string => `${(part * 100).toFixed(1)} %`
  const turns = direct.firstMs.length
  return [
    shown('sent until the first words, p50, without a door', ms(median(direct.firstMs)), `${turns} turns`),
    bounded('the door of its own node adds', ms(first(own)), ms(median(own.firstMs)), '< 1 ms', first(own) < 1),
    bounded('the door of another node adds', ms(first(other)), ms(median(other.firstMs)), '< 1 ms', first(other) < 1),
    shown('processor time of a turn without a door', ms(direct.processorMs / turns)),
    bounded('the door of its own node adds', percent(share(own)), ms(own.processorMs / turns), '< 5 %', share(own) < 0.05),
    bounded('the door of another node adds', percent(share(other)), ms(other.processorMs / turns), '< 5 %', share(other) < 0.05),
  ]
}

/** A terminal at an address, which sends one message after the other. */
async function openWay(url: string, token: string): Promise<Way> {
  const client = await connect({ url, token, client: 'bench' })
  const { id: session } = await client.createSession('doors')
  let seen: (event: FollowEvent) => void = () => {}
  await client.follow(session, 0, (event) => seen(event))
  let sent = 0
  return {
    firstMs: [],
    processorMs: 0,
    async turn() {
      sent += 1
      const text = `message ${sent} of this terminal`
      const ended = Promise.withResolvers<void>()
      let firstAt = 0
      seen = (event) => {
        if (event.type === 'text' && firstAt === 0) firstAt = performance.now()
        if (event.type === 'record' && endsTurn(event.record)) ended.resolve()
      }
      const began = performance.now()
      await client.sendTurn({ session, text })
      await ended.promise
      return firstAt - began
    },
    close: () => client.close(),
  }
}
