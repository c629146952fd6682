import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { isOxbowError } from '../../base/index.ts'
import { type Ordered, orderLoadable, orderPlugins } from './order.ts'

const plugin = (name: string, dependencies: readonly string[] = [], more: Partial<Ordered> = {}): Ordered => ({
  name,
  dependencies,
  optional: [],
  priority: 0,
  ...more,
})
const names = (plugins: readonly Ordered[]): string => plugins.map(({ name }) => name).join(' ')
const problem = (plugins: readonly Ordered[]): string => {
  try {
    return names(orderPlugins(plugins))
  } catch (error) {
    assert.ok(isOxbowError(error, 'bad_input'))
    return error.message
  }
}

test('plugins are ordered by level, then priority, then name', () => {
  const plugins = [plugin('z', ['a']), plugin('b'), plugin('late', [], { priority: 5 }), plugin('a'), plugin('y', ['a'], { priority: -1 })]
  assert.equal(names(orderPlugins(plugins)), 'a b late y z')
  assert.equal(names(orderPlugins(plugins.toReversed())), 'a b late y z')
})

test('an optional dependency counts only when it is there', () => {
  assert.equal(names(orderPlugins([plugin('a', [], { optional: ['sql'] }), plugin('b')])), 'a b')
  assert.equal(names(orderPlugins([plugin('a', [], { optional: ['sql'] }), plugin('sql')])), 'sql a')
})

test('missing, cyclic and self dependencies print the path', () => {
  assert.match(problem([plugin('a', ['b']), plugin('b', ['c'])]), /c is not installed or not enabled: a → b → c/)
  assert.match(problem([plugin('x', ['a']), plugin('a', ['b']), plugin('b', ['a'])]), /: a → b → a/)
  assert.match(problem([plugin('a', ['a'])]), /a depends on itself: a → a/)
})

test('a cycle of a hundred plugins is printed, and the others are loaded', () => {
  const ring = Array.from({ length: 100 }, (_, at) => plugin(`p${at}`, [`p${(at + 1) % 100}`]))
  assert.match(problem(ring), /p0 → p1 → .* → p99 → p0/)
  const left: string[] = []
  const loaded = orderLoadable([...ring, plugin('ok'), plugin('needs', ['p7']), plugin('lost', ['nothing'])], (name) => left.push(name))
  assert.equal(names(loaded), 'ok')
  assert.equal(left.length, 102)
})

test('each plugin comes after those that it needs, whatever the order of the list', () => {
  const graph = fc.array(fc.record({ needs: fc.array(fc.nat(30), { maxLength: 3 }), priority: fc.integer({ min: -3, max: 3 }) }), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(graph, (nodes) => {
      const plugins = nodes.map(({ needs, priority }, at) =>
        plugin(
          `n${at}`,
          needs.filter((need) => need < at).map((need) => `n${need}`),
          { priority },
        ),
      )
      const order = orderPlugins(plugins).map(({ name }) => name)
      assert.deepEqual(
        orderPlugins(plugins.toReversed()).map(({ name }) => name),
        order,
      )
      for (const { name, dependencies } of plugins)
        for (const need of dependencies) assert.ok(order.indexOf(need) < order.indexOf(name), `${need} before ${name}`)
    }),
    { numRuns: 100 },
  )
})
