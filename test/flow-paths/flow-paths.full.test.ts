/** All recipes, and pairs and triples of them, from private files to all sinks: none of 10 000 paths arrives. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { longSeries, seed } from '../support/scale.ts'
import { openFlowWorld } from './flow-world.ts'
import { nameOf, type Path, runPath, samplePaths, shortestPaths, sinks, type Where } from './paths.ts'

/** What one world does before it is closed: its versions and labels grow. */
const pathsInWorld = 50
const random = seededNumbers(seed)
const lengths = [2, 3, 4]
const all = longSeries(10_000)
/** With hands in their real sandbox, where a path takes a second, ten times as long as in memory. */
const onDisk = Math.ceil(all / 10)
const inMemory = all - onDisk

/** A test for each world, so that none is silent for long. */
async function runAll(context: TestContext, paths: readonly Path[], where: Where, isOpen: boolean): Promise<void> {
  const arrived: Path[] = []
  for (let at = 0; at < paths.length; at += pathsInWorld) {
    const own = paths.slice(at, at + pathsInWorld)
    await context.test(`${own.length} paths ${where === 'disk' ? 'on disk' : 'in memory'} from number ${at}`, async () => {
      await using world = await openFlowWorld(isOpen, where)
      const before = arrived.length
      for (const path of own) if (await runPath(world, path)) arrived.push(path)
      const here = arrived.slice(before)
      const wrong = isOpen ? own.filter((path) => !here.includes(path)) : here
      assert.deepEqual(wrong.map(nameOf), [], isOpen ? 'nothing arrived' : 'it arrived')
    })
  }
  context.diagnostic(`seed ${seed}: ${arrived.length} of ${paths.length} paths arrived`)
}

/** Each recipe with each sink that fits, then others at random. */
function pathsOnDisk(): readonly Path[] {
  const shortest = shortestPaths()
  const toSinks = shortest.flatMap((path) => sinks.filter(({ from }) => from === path.sink.from).map((sink) => ({ ...path, sink })))
  const from = Math.floor(random() * toSinks.length)
  const some = Array.from({ length: Math.ceil(onDisk / 2) }, (_, at) => toSinks[(from + at * 7) % toSinks.length]!)
  return [...some, ...samplePaths(lengths, onDisk - some.length, random)]
}

/** Programs that see one folder follow no link that leads out of it: alone it carries, in longer paths not always. */
const carrying = ({ recipes }: Path): boolean => recipes.every(({ link }) => link !== true)

test('every recipe carries where nothing is held back', (context) => runAll(context, shortestPaths(), 'disk', true))

for (const [where, isOpen, paths] of [
  ['disk', true, samplePaths(lengths, Math.ceil(onDisk / 8), random).filter(carrying)],
  ['memory', true, samplePaths(lengths, Math.ceil(inMemory / 20), random, 'memory')],
  ['disk', false, pathsOnDisk()],
  ['memory', false, samplePaths(lengths, inMemory, random, 'memory')],
] as const)
  test(`pairs and triples of recipes ${isOpen ? 'carry where nothing is held back' : 'bring nothing to a sink'}: ${where}`, (context) =>
    runAll(context, paths, where, isOpen))
