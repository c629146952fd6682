import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createRecentMap, createWriteThrough, once, joinLists } from './cache.ts'

test('what all need is made once, however many ask meanwhile', async () => {
  let times = 0
  const thing = once(async () => ({ number: (times += 1) }))
  assert.equal(thing.made(), null)
  const [first, second] = await Promise.all([thing(), thing()])
  assert.equal(first, second)
  assert.equal(await thing.made(), first)
  assert.equal(times, 1)
})

test('what could not be made is made by the next one who asks', async () => {
  let times = 0
  const thing = once(async () => {
    if ((times += 1) === 1) throw new Error('too many open files')
    return times
  })
  const both = await Promise.allSettled([thing(), thing()])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['rejected', 'rejected'],
  )
  assert.equal(thing.made(), null)
  assert.equal(await thing(), 2)
})

void test('what was used longest ago makes room, and looking is use', () => {
  const map = createRecentMap<string, number>(2)
  map.put('a', 1)
  map.put('b', 2)
  assert.equal(map.get('a'), 1)
  map.put('c', 3)
  assert.deepEqual(
    [...map.entries()],
    [
      ['a', 1],
      ['c', 3],
    ],
  )
  map.put('a', 4)
  map.put('d', 5)
  assert.deepEqual(
    [...map.entries()],
    [
      ['a', 4],
      ['d', 5],
    ],
  )
})

void test('the newest entry stays however much it weighs, and all others go for it', () => {
  const map = createRecentMap<string, string>(10, (text) => text.length)
  map.put('a', 'four')
  map.put('b', 'four')
  map.put('c', 'heavier than all')
  assert.deepEqual([...map.entries()], [['c', 'heavier than all']])
  map.put('d', 'light')
  assert.deepEqual([...map.entries()], [['d', 'light']])
})

void test('a value that has grown is weighed anew when it is put again, and what it weighed before is free', () => {
  const map = createRecentMap<string, { size: number }>(10, ({ size }) => size)
  const [grows, other] = [{ size: 1 }, { size: 6 }]
  map.put('grows', grows)
  map.put('other', other)
  grows.size = 5
  map.put('grows', grows)
  assert.deepEqual([...map.entries()], [['grows', grows]])
  map.delete('grows')
  map.put('a', { size: 10 })
  assert.equal(map.get('a')?.size, 10)
})

void test('whatever is done, the limit holds, and nothing goes as long as all fits', () => {
  const step = fc.record({ does: fc.constantFrom('put', 'get', 'delete', 'clear'), key: fc.nat(6), weight: fc.nat(5) })
  fc.assert(
    fc.property(fc.array(step), fc.integer({ min: 0, max: 12 }), (steps, most) => {
      const map = createRecentMap<number, number>(most, (weight) => weight)
      // By the words of the contract, and slowly: oldest first.
      let model: [number, number][] = []
      for (const { does, key, weight } of steps) {
        const rest = model.filter(([other]) => other !== key)
        const known = model.find(([other]) => other === key)
        if (does === 'clear') model = []
        else if (does === 'delete') model = rest
        else if (does === 'get') model = known === undefined ? model : [...rest, known]
        else {
          model = [...rest, [key, weight]]
          while (model.length > 1 && model.reduce((sum, [, each]) => sum + each, 0) > most) model.shift()
        }
        if (does === 'put') map.put(key, weight)
        else if (does === 'get') assert.equal(map.get(key), known?.[1])
        else if (does === 'delete') map.delete(key)
        else map.clear()
        assert.deepEqual([...map.entries()], model)
      }
    }),
  )
})

test('joined lists are the same array until one of them is another', () => {
  let lists: readonly (readonly number[])[] = [[1], [2, 3]]
  const joined = joinLists(() => lists)
  const first = joined()
  assert.deepEqual(first, [1, 2, 3])
  lists = [...lists]
  assert.equal(joined(), first)
  lists = [lists[0]!, [2, 3]]
  assert.notEqual(joined(), first)
  lists = [[1]]
  assert.deepEqual(joined(), [1])
})

function writeThrough() {
  const asked: PromiseWithResolvers<string>[] = []
  const cache = createWriteThrough<string>(
    () => {
      const next = Promise.withResolvers<string>()
      asked.push(next)
      return next.promise
    },
    () => 1,
    { maxWeight: 10, weigh: (value) => value.length },
  )
  return { asked, cache }
}

void test('a value is read once, and is what was written last, whichever comes first', async () => {
  const { asked, cache } = writeThrough()
  const both = Promise.all([cache.get('a'), cache.get('a')])
  asked[0]!.resolve('one')
  assert.deepEqual(await both, ['one', 'one'])
  cache.set('a', 'three', 3)
  cache.set('a', 'two', 2)
  assert.equal(await cache.get('a'), 'three')
  assert.equal(asked.length, 1)
})

void test('what was read before a write, and comes after it, is not held; what failed is read again', async () => {
  const { asked, cache } = writeThrough()
  const early = cache.get('a')
  cache.set('a', 'two', 2)
  asked[0]!.resolve('one')
  assert.equal(await early, 'one')
  assert.equal(await cache.get('a'), 'two')
  const late = cache.get('b')
  cache.drop('b')
  asked[1]!.resolve('old')
  assert.equal(await late, 'old')
  const failing = cache.get('b')
  asked[2]!.reject(new Error('gone'))
  await assert.rejects(failing, /gone/)
  cache.clear()
  void cache.get('a')
  void cache.get('b')
  assert.equal(asked.length, 5)
})
