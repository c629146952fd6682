/** Checks the graphs of `examples/graphs`, approves one in the workspace, and runs it. Run it while a guest runs: `node examples/run-a-graph.ts`. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'oxbow/client'

const { OXBOW_URL: url = '', OXBOW_TOKEN: token = '' } = process.env
const client = await connect({ url, token, client: 'example' })
const call = async <Output>(name: string, input: Parameters<typeof client.call>[1]): Promise<Output> => {
  const outcome = await client.call(name, input)
  assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
  return (outcome as unknown as { output: Output }).output
}
const folder = new URL('graphs/', import.meta.url)
for (const file of readdirSync(folder)) {
  const { ok, problems } = await call<{ ok: boolean; problems: unknown }>('graph.check', {
    toml: readFileSync(new URL(file, folder), 'utf8'),
  })
  assert.ok(ok, `${file}: ${JSON.stringify(problems)}`)
}

const place = { kind: 'graphs', name: 'collect' } as const
await call('file.write', { path: 'one.txt', text: 'one' })
await call('file.write', { path: 'two.txt', text: 'two' })
await call('file.write', { path: '/shared/.oxbow/graphs/collect.toml', text: readFileSync(new URL('collect.toml', folder), 'utf8') })
const before = await client.call('graph.run', { graph: 'collect', input: { paths: ['one.txt'] } })
assert.notEqual(before.status, 'ok', 'a graph of the workspace counts once a person has approved it')
const { hash } = await call<{ hash: string }>('definition.show', place)
await call('definition.approve', { ...place, hash })

const run = await call<{ status: string; output: { texts: string[] } }>('graph.run', {
  graph: 'collect',
  input: { paths: ['one.txt', 'missing.txt', 'two.txt'], target: '/shared/both.txt' },
})
assert.equal(run.status, 'success', JSON.stringify(run))
assert.equal(run.output.texts.length, 2)
console.log(`${run.status}: ${run.output.texts.length} of 3 files`)
await client.close()
