/** All recipes, and pairs and triples of them, from private files to all sinks: none of 10 000 paths arrives. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { series } from '../support/scale.ts'
import { openFlowWorld } from './flow-world.ts'
import { nameOf, runPath, samplePaths, shortestPaths, sinks } from './paths.ts'

/** What one world does before it is closed: its versions and labels grow. */
const pathsInWorld = 100
const lengths = [2, 3, 4]

test('every recipe carries where nothing is held back', async () => {
  await using world = await openFlowWorld(true)
  for (const path of shortestPaths()) assert.ok(await runPath(world, path), `it carries nothing: ${nameOf(path)}`)
})

test('of pairs and triples of recipes none brings private data to a sink', async () => {
  const paths = shortestPaths().flatMap((path) => sinks.filter(({ from }) => from === path.sink.from).map((sink) => ({ ...path, sink })))
  const count = series(10_000)
  paths.push(...samplePaths(lengths, Math.max(0, count - paths.length), Math.random))
  const arrived: string[] = []
  const left = paths.slice(0, count)
  const lane = async (): Promise<void> => {
    for (let own = left.splice(0, pathsInWorld); own.length > 0; own = left.splice(0, pathsInWorld)) {
      await using world = await openFlowWorld(false)
      for (const path of own) if (await runPath(world, path)) arrived.push(nameOf(path))
    }
  }
  await Promise.all([lane(), lane()])
  assert.deepEqual(arrived, [])
})
