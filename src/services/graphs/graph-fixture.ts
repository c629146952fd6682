/** A kernel with graphs of the person, and calls that count how often they ran, for tests. */
import assert from 'node:assert/strict'
import type { CallId, Json, JsonObject } from '../../base/index.ts'
import type { Call, CallOutcome } from '../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../config/index.ts'
import { type Fixture, type FixtureOptions, openFixture, testCall } from '../../kernel/kernel-fixture.ts'
import type { GraphView } from './graph-view.ts'
import { textOf } from './templates.ts'

export interface GraphFixture extends Fixture {
  run(graph: string, input?: JsonObject): Promise<GraphView>
  begin(graph: string, input?: JsonObject): Promise<GraphView>
  ended(run: string): Promise<GraphView>
  until(run: string, fits: (view: GraphView) => boolean): Promise<GraphView>
  ok<Output = JsonObject>(name: string, input: Json, id?: CallId): Promise<Output>
}

/** @param files definitions by kind and name: `graphs/review` */
export async function openGraphs(
  files: Readonly<Record<string, string>>,
  { calls = [], ...options }: FixtureOptions = {},
): Promise<GraphFixture> {
  const host = { definitions: async () => Object.entries(files).map(([path, toml]) => definitionOf(path, toml)) } as unknown as HostPort
  const guest = await openFixture({ host, calls, ...options })
  const outcome = (name: string, input: Json, id?: CallId): Promise<CallOutcome> => guest.kernel.call(name, input, undefined, id)
  const ok = async <Output = JsonObject>(name: string, input: Json, id?: CallId): Promise<Output> => {
    const done = await outcome(name, input, id)
    assert.equal(done.status, 'ok', JSON.stringify(done))
    return (done as { output: Output }).output
  }
  const show = (run: string, seconds: number): Promise<GraphView> => ok<GraphView>('graph.show', { run, wait_s: seconds })
  const until: GraphFixture['until'] = async (run, fits) => {
    for (let left = 400; left > 0; left--) {
      const view = await show(run, 0)
      if (fits(view)) return view
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    throw new Error(`the run never gets there: ${JSON.stringify(await show(run, 0))}`)
  }
  return {
    ...guest,
    ok,
    until,
    run: (graph, input = {}) => ok<GraphView>('graph.run', { graph, input }),
    begin: (graph, input = {}) => ok<GraphView>('graph.run', { graph, input, wait: false }),
    ended: (run) => ok<GraphView>('graph.show', { run, wait_s: 20 }),
    [Symbol.asyncDispose]: () => guest[Symbol.asyncDispose](),
  }
}

function definitionOf(path: string, toml: string): DefinitionText {
  const [kind = '', name = ''] = path.split('/')
  return { kind: kind as DefinitionText['kind'], name, toml, text: '', problem: '' }
}

/** A call whose text is what it was given, and that notes each of its runs. */
export function notedCall(name: string, more: Partial<Call> = {}): { readonly call: Call; readonly seen: Json[] } {
  const seen: Json[] = []
  const call = testCall(
    name,
    async (input: { text?: Json }) => {
      seen.push(input.text ?? null)
      return { output: { value: input.text ?? null }, text: textOf(input.text ?? null) }
    },
    more,
  )
  return { call, seen }
}
