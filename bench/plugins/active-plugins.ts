/** Turns of a guest with ten active plugins compared with one that has no plugins, as people start them. */
import { setTimeout as pause } from 'node:timers/promises'
import { makeHostBench } from '../../src/plugins/host/host-fixture.ts'
import type { HostedPlugin } from '../../src/protocol/index.ts'
import { parseConfig } from '../../src/services/index.ts'
import type { BenchContext, Measure } from '../measure.ts'
import { bounded, ms, type Row, times } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { prompts } from '../subjects/model-server.ts'

const names = Array.from({ length: 10 }, (_, i) => `active-${i}`)
const rounds = 100
const warm = 20
const turnsPerSession = 10

/** What a plugin of every day has: all of it runs in each turn but the action, which the model is told of. */
const activeParts = {
  actions: `actions: [{ name: 'look', description: 'Looks something up.', parameters: [{ name: 'what', type: 'string' }], handler: () => ({ success: true, text: JSON.stringify(seen) }) }]`,
  providers: `providers: [{ name: 'now', get: () => (seen.asked++, { text: 'It is a quarter past.' }) }]`,
  evaluators: `evaluators: [{ name: 'count', alwaysRun: true, handler: () => void seen.evaluated++ }]`,
  events: `events: { MESSAGE_RECEIVED: [() => void seen.events++], MESSAGE_SENT: [() => void seen.events++] }`,
}

export const activePlugins: Measure = {
  name: 'active',
  title: 'Turns with active plugins',
  how: 'Turns of a guest with ten plugins, each with an action, a provider, an evaluator and two events, alternate with turns of a guest that has no plugins; the default configuration, all warm, a new session after ten turns.',
  async run(context) {
    const { none, ten, seen } = await measureTurns(context, Object.values(activeParts))
    const ratio = median(ten) / median(none)
    return [
      bounded(
        'a turn with ten active plugins, p50',
        times(ratio),
        `${ms(median(ten))}, and ${ms(median(none))} with none; for each turn a plugin was asked ${seen.asked}, evaluated ${seen.evaluated} and told ${seen.events} times`,
        '≤ 1.3 ×',
        ratio <= 1.3,
      ),
    ] satisfies readonly Row[]
  },
}

/** Of the plugin that has the least, for each turn. */
interface Seen {
  readonly asked: number
  readonly evaluated: number
  readonly events: number
}

async function measureTurns(
  context: BenchContext,
  parts: readonly string[],
): Promise<Record<'none' | 'ten', number[]> & { readonly seen: Seen }> {
  await using stack = new AsyncDisposableStack()
  const bench = stack.use(await makeHostBench({ plugins: {} }))
  const installed: HostedPlugin[] = []
  for (const name of names) installed.push(await bench.plugin(name, sourceOf(name, parts)))
  const sides = { none: await openSide(stack, context, []), ten: await openSide(stack, context, installed) }
  const took: Record<'none' | 'ten', number[]> = { none: [], ten: [] }
  for (let round = -warm; round < rounds; round += 1)
    for (const kind of ['none', 'ten'] as const) {
      const ended = await sides[kind].turn()
      if (round >= 0) took[kind].push(ended)
      // Work behind one side's turn must not slow the other's.
      await pause(150)
    }
  return { ...took, seen: await seenBy(sides.ten.terminal) }
}

/** What was delivered is part of the figure: turns are fast that tell nobody. */
async function seenBy(terminal: GatewayClient): Promise<Seen> {
  const counts = await Promise.all(
    names.map(async (name) => {
      const outcome = await terminal.call(`${name}.look`, {})
      const [json = '{}'] = /\{.*\}/.exec(outcome.text) ?? []
      return JSON.parse(json) as Seen
    }),
  )
  const least = (of: keyof Seen): number => Number((Math.min(...counts.map((seen) => seen[of])) / (warm + rounds)).toFixed(2))
  return { asked: least('asked'), evaluated: least('evaluated'), events: least('events') }
}

const sourceOf = (name: string, parts: readonly string[]): string =>
  `import { definePlugin } from 'oxbow/plugin'\nconst seen = { asked: 0, evaluated: 0, events: 0 }\nexport default definePlugin({ name: '${name}', ${parts.join(', ')} })`

interface Side {
  readonly terminal: GatewayClient
  /** Takes one turn, with a message that no other turn has. @returns how long it took */
  turn(): Promise<number>
}

async function openSide(
  stack: AsyncDisposableStack,
  { programs, modelUrl }: BenchContext,
  plugins: readonly HostedPlugin[],
): Promise<Side> {
  const workspace = stack.use(makeWorkspace())
  const { agent } = parseConfig({}, 'the bench')
  const config = { agent: { rights: [...agent.rights, ...plugins.map(({ name }) => `plugin.${name}`)] } }
  const guest = stack.use(await startGuest({ program: programs.usual, workspace, modelUrl, config, plugins }))
  const terminal: GatewayClient = stack.use(await guest.connect())
  let session = await terminal.open()
  let taken = 0
  let all = 0
  const turn = async (): Promise<number> => {
    if (taken === turnsPerSession) {
      await terminal.unfollow(session)
      session = await terminal.open()
      taken = 0
    }
    taken += 1
    const began = performance.now()
    await terminal.turn(session, `${prompts.plain}, number ${all++}`)
    return performance.now() - began
  }
  return { terminal, turn }
}
