/** Recipes of calls that hand data to others: agents that a person has defined, graphs, readers, coders, and the browser. */
import { call, grab, type Recipe, type Route, type Step } from './place.ts'

/** Another session reads the canary in its first message. @param who has that session @param make is given the message */
export function begins(
  who: NonNullable<Recipe['begins']>,
  calls: readonly string[],
  make: (route: Route, message: (read: string) => string) => readonly Step[],
): Recipe {
  return {
    begins: who,
    calls,
    from: 'talk',
    to: 'talk',
    steps: (route, go) => make(route, (read) => `${go} ${grab(route.id)(read)}`),
  }
}

/** Another session does it, while the route goes on with its file. */
function copies(calls: readonly string[], make: (from: string, to: string) => readonly Step[]): Recipe {
  const steps: Recipe['steps'] = (route) => {
    const from = route.path
    route.path = route.next()
    return make(from, route.path)
  }
  return { calls, from: 'file', to: 'file', steps }
}

const anObject = { type: 'object', properties: { it: { type: 'string' } }, required: ['it'], additionalProperties: false }
const moving = (from: string, to: string): string => `[[do file_move ${JSON.stringify({ from, to })}]]`

/** Their next session is one that their own calls begin. */
export const delegations: readonly Recipe[] = [
  begins('defined agent', ['agent.delegate'], (_, message) => [
    call('agent.delegate', (read: string) => ({ agent: 'helper', goal: message(read) })),
  ]),
  begins('defined agent', ['agent.delegate'], (_, message) => [
    call('agent.delegate', (read: string) => ({
      agent: 'helper',
      goal: `${message(read).split(']]')[0]}]]`,
      key_facts: [message(read).replace(/^\S+ \S+ /, '')],
    })),
  ]),
  begins('defined agent', ['agent.fan_out'], (_, message) => [
    call('agent.fan_out', (read: string) => ({ tasks: [{ id: 'one', agent: 'helper', goal: message(read), key_facts: [], needs: [] }] })),
  ]),
]

export const handed: readonly Recipe[] = [
  copies(['agent.delegate'], (from, to) => [call('agent.delegate', { agent: 'helper', goal: moving(from, to) })]),
  copies(['agent.fan_out'], (from, to) => [
    call('agent.fan_out', { tasks: [{ id: 'one', agent: 'helper', goal: moving(from, to), key_facts: [], needs: [] }] }),
  ]),
  copies(['graph.run'], (from, to) => [call('graph.run', { graph: 'copy', input: { from, to } })]),
  {
    calls: ['graph.run'],
    from: 'talk',
    to: 'file',
    steps(route) {
      const to = route.next()
      route.path = to
      return [call('graph.run', (read: string) => ({ graph: 'keep', input: { to, text: grab(route.id)(read) } }))]
    },
  },
  {
    calls: ['graph.run'],
    from: 'talk',
    to: 'graphs',
    steps: (route) => [
      call('graph.run', (read: string) => ({ graph: 'keep', input: { to: `/shared/${route.own}-kept.txt`, text: grab(route.id)(read) } })),
    ],
  },
  {
    calls: ['graph.list', 'graph.show'],
    from: 'graphs',
    to: 'talk',
    steps: () => [call('graph.list', { ended: true }), call('graph.show', (read: string) => ({ run: runIn(read) }))],
  },
  {
    calls: ['data.extract'],
    from: 'file',
    to: 'talk',
    steps: ({ path }) => [
      call('data.extract', { source: { call: 'file.read', input: { path } }, question: 'What is it?', schema: anObject }),
    ],
  },
]

const runIn = (read: string): string =>
  [...read.matchAll(/\b([0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})/g)].at(-1)?.[1] ?? 'none'
