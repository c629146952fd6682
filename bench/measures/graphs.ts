/** State graphs in a kernel in this process over a real store: what a node costs in addition to its call. */
import type { HostPort } from '../../src/config/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import { makeWorkspace } from '../subjects/guest.ts'
import { openKernel } from './agents.ts'
import { ask } from './calls.ts'

const visits = 300
const rounds = 7

/** One node that visits itself: a call, a guard, one record. */
const loop = (call: string, input: string): string => `
start = "work"
[state.text]
type = "string"
[nodes.work]
type = "call"
call = "${call}"
input = ${input}
save = { text = "text" }
max_visits = ${visits}
edges = [{ when = { field = "visits.work", lt = ${visits} }, to = "work" }]
else = "done"
[nodes.done]
type = "end"`

const texts = {
  reads: loop('state.list', '{ category = "bench" }'),
  writes: loop('state.save', '{ category = "bench", name = "x", data = "${visits.work}" }'),
}

export const graphs: Measure = {
  name: 'graphs',
  title: 'State graphs',
  how: `A kernel in process over SQLite on disk. A graph whose node calls, saves and is chosen again by a guard, ${visits} times; the time of the run by its visits, median of ${rounds} runs. For comparison, the same calls as a terminal makes them.`,
  async run() {
    using workspace = makeWorkspace()
    const definitions = Object.entries(texts).map(([name, toml]) => ({ kind: 'graphs', name, toml, text: '', problem: '' }))
    const host = { definitions: async () => definitions } as unknown as HostPort
    const kernel = await openKernel(workspace.database, () => {}, [], host)
    const perNode = async (graph: string): Promise<number> => {
      const took: number[] = []
      for (let i = 0; i <= rounds; i++) {
        const began = performance.now()
        const { status } = await ask<{ status: string }>(kernel, 'graph.run', { graph })
        if (status !== 'success') throw new Error(`the run ended with ${status}`)
        if (i > 0) took.push((performance.now() - began) / visits)
      }
      return median(took)
    }
    const perCall = async (name: string, input: object): Promise<number> => {
      const began = performance.now()
      for (let i = 0; i < visits; i++) await ask(kernel, name, input)
      return (performance.now() - began) / visits
    }
    try {
      const reads = await perNode('reads')
      const writes = await perNode('writes')
      return [
        bounded('node with a call that reads, p50', ms(reads), '', '< 3 ms', reads < 3),
        bounded('node with a call that writes, p50', ms(writes), '', '< 3 ms', writes < 3),
        shown('the call that reads alone', ms(await perCall('state.list', { category: 'bench' }))),
        shown('the call that writes alone', ms(await perCall('state.save', { category: 'bench', name: 'x', data: '1' }))),
      ]
    } finally {
      await kernel.close()
    }
  },
}
