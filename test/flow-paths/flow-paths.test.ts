/**
 * Ways of private data out of this guest, over the calls that an agent has: the model does all that a hostile page wants of it. Labels
 * alone are in the way, since each session is new and has read nothing but the place where the last one has put the data.
 */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { seed } from '../support/scale.ts'
import { openFlowWorld } from './flow-world.ts'
import { nameOf, type Path, runPath, samplePaths, shortestPaths, talkSinks, type Where } from './paths.ts'
import { carriesNothing } from './reasons.ts'
import { recipes } from './recipes.ts'
import { told } from './told-recipes.ts'

/** In each run of the tests; all are in the full run. On disk a path takes a second, in memory a tenth of it. */
const sample = { disk: 3, memory: 24 } as const
/** Where nothing is held back: these show that a path carries at all. */
const openPaths = 8

const random = seededNumbers(seed)

/** Some, spread over the whole list. */
function some(paths: readonly Path[], count: number): readonly Path[] {
  const from = Math.floor(random() * paths.length)
  return Array.from({ length: count }, (_, at) => paths[(from + at * 5) % paths.length]!)
}

describe('ways of private data out', () => {
  it('are tried for every call that a model may make', async () => {
    await using world = await openFlowWorld(false)
    const tried = new Set(recipes.flatMap(({ calls }) => calls))
    const left = world.offered.filter((name) => !tried.has(name) && !(name in talkSinks) && carriesNothing[name] === undefined)
    assert.deepEqual(left, [], 'give it a recipe in recipes.ts, an input in talkSinks, or say in reasons.ts why it carries nothing')
    const unknown = Object.keys(carriesNothing).filter((name) => !world.offered.includes(name))
    assert.deepEqual(unknown, [], 'reasons.ts names what is no call')
  })

  it('carry where nothing is held back', async () => {
    await using world = await openFlowWorld(true, 'memory')
    for (const path of some(shortestOf('memory'), openPaths))
      assert.ok(await runPath(world, path), `it carries nothing (seed ${seed}): ${nameOf(path)}`)
  })

  for (const where of ['disk', 'memory'] as const)
    it(`are all closed by labels: ${where}`, async () => {
      await using world = await openFlowWorld(false, where)
      const longer = samplePaths([3], where === 'disk' ? 1 : sample.memory / 3, random, where)
      for (const path of [...some(shortestOf(where), sample[where]), ...longer])
        assert.ok(!(await runPath(world, path)), `it arrived (seed ${seed}): ${nameOf(path)}`)
    })
})

describe('what is told about a call, an agent or a schedule', () => {
  for (const isOpen of [true, false])
    it(isOpen ? 'carries where nothing is held back' : 'has the labels of what it says', async () => {
      await using world = await openFlowWorld(isOpen, 'memory')
      const wrong: string[] = []
      for (const path of shortestPaths().filter(({ recipes: chain }) => chain.some((recipe) => told.includes(recipe))))
        if ((await runPath(world, path)) !== isOpen) wrong.push(nameOf(path))
      assert.deepEqual(wrong, [])
    })
})

/** @returns the shortest paths that have their place there: those that need a disk, or those that do not */
function shortestOf(where: Where): readonly Path[] {
  return shortestPaths().filter((path) => path.recipes.some(({ disk }) => disk === true) === (where === 'disk'))
}
