import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Json } from '../../base/index.ts'
import { type Guard, guardSchema, holds, patternProblem, type ReadField } from './guards.ts'
import { maxGraphDepth, maxMatchedCharacters } from './limits.ts'
import { partOf } from './templates.ts'

const reader =
  (state: Readonly<Record<string, Json>>): ReadField =>
  (path) =>
    partOf(state, path.split('.'))

const scalar = fc.oneof(fc.constantFrom('a', 'b', 'draft one', ''), fc.integer({ min: -2, max: 2 }), fc.boolean())
const field = fc.constantFrom('x', 'y', 'list', 'deep.part', 'absent')
const leaf: fc.Arbitrary<Guard> = fc.oneof(
  fc
    .tuple(field, fc.constantFrom('eq', 'ne', 'lt', 'lte', 'gt', 'gte'), fc.oneof(scalar, fc.record({ field })))
    .map(([name, operator, value]) => ({ field: name, [operator]: value })),
  fc.tuple(field, fc.oneof(fc.array(scalar, { maxLength: 4 }), fc.record({ field }))).map(([name, list]) => ({ field: name, in: list })),
  fc.tuple(field, fc.boolean()).map(([name, exists]) => ({ field: name, exists })),
  fc.tuple(field, fc.constantFrom('^a', 'b$', 'd.*e', '')).map(([name, matches]) => ({ field: name, matches })),
)
const { guard } = fc.letrec<{ guard: Guard }>((tie) => ({
  guard: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('guard'), { minLength: 1, maxLength: 3 }).map((and) => ({ and })),
    fc.array(tie('guard'), { minLength: 1, maxLength: 3 }).map((or) => ({ or })),
    tie('guard').map((not) => ({ not })),
  ),
}))
const state = fc.record(
  { x: scalar, y: scalar, list: fc.array(scalar, { maxLength: 3 }), deep: fc.record({ part: scalar }) },
  { requiredKeys: [] },
)

void test('a guard holds or does not for every state, and `not` is its complement', async () => {
  await fc.assert(
    fc.asyncProperty(guard, state, async (each, values) => {
      const read = reader(values)
      assert.equal(await holds({ not: each }, read), !(await holds(each, read)))
    }),
    { numRuns: 300 },
  )
})

void test('`and` holds where every part does, `or` where one does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(guard, { minLength: 1, maxLength: 4 }), state, async (parts, values) => {
      const read = reader(values)
      const each = await Promise.all(parts.map((part) => holds(part, read)))
      assert.equal(await holds({ and: parts }, read), each.every(Boolean))
      assert.equal(await holds({ or: parts }, read), each.some(Boolean))
    }),
    { numRuns: 200 },
  )
})

void test('every guard that is built of the forms is taken in as it is', () => {
  fc.assert(
    fc.property(guard, (each) => {
      assert.deepEqual(guardSchema.parse(each), each)
    }),
    { numRuns: 200 },
  )
})

void test('comparisons are of numbers with numbers and texts with texts; what is absent equals nothing', async () => {
  const read = reader({ n: 3, t: 'b', list: ['b', 1], nothing: null })
  const cases: readonly (readonly [Guard, boolean])[] = [
    [{ field: 'n', gte: 3 }, true],
    [{ field: 'n', lt: '4' }, false],
    [{ field: 't', gt: 'a' }, true],
    [{ field: 'absent', eq: 'x' }, false],
    [{ field: 'absent', ne: 'x' }, true],
    [{ field: 'absent', eq: { field: 'missing' } }, false],
    [{ field: 't', in: { field: 'list' } }, true],
    [{ field: 'n', in: [1, 2] }, false],
    [{ field: 'nothing', exists: true }, false],
    [{ field: 'list.1', eq: 1 }, true],
    [{ field: 'list.length', exists: true }, false],
    [{ field: 'n', matches: '3' }, false],
  ]
  for (const [each, expected] of cases) assert.equal(await holds(each, read), expected, JSON.stringify(each))
})

void test('a pattern that other engines need hours for is matched at once, and a long text is refused', async () => {
  const text = `${'a'.repeat(maxMatchedCharacters - 1)}!`
  for (const matches of ['^(a+)+$', '^(a|aa)+$', '^(a|a?)+$', '^(.*)*$x'])
    assert.equal(await holds({ field: 't', matches }, reader({ t: text })), false, matches)
  await assert.rejects(holds({ field: 't', matches: 'a' }, reader({ t: `${text}a` })), { code: 'limit_reached' })
})

void test('a pattern that refers back, or repeats without bound, is refused when it is checked', async () => {
  assert.equal(await patternProblem('^[a-z]+$'), null)
  for (const pattern of ['(a)\\1', '(?<=a)b', '(a{1000}){1000}', '(', '[z-a]'])
    assert.notEqual(await patternProblem(pattern), null, pattern)
})

void test('what is no guard is refused with a reason', () => {
  let deep: unknown = { field: 'x', exists: true }
  for (let i = 0; i <= maxGraphDepth; i++) deep = { not: deep }
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    [{}, /field/],
    [{ field: 'x' }, /exactly one/],
    [{ field: 'x', eq: 1, ne: 2 }, /exactly one/],
    [{ field: 'x', eval: '1' }, /eval|exactly one/],
    [{ and: [] }, /list of 1/],
    [{ and: [{ field: 'x', eq: 1 }], or: [] }, /field|and/],
    [{ field: '__proto__ x', exists: true }, /must name/],
    [{ field: 'x', matches: 'a'.repeat(201) }, /matches/],
    ['x > 1', /condition/],
    [deep, /deeper/],
  ]
  for (const [value, reason] of wrong) {
    const parsed = guardSchema.safeParse(value)
    assert.equal(parsed.success, false, JSON.stringify(value))
    assert.match(parsed.error?.issues[0]?.message ?? '', reason)
  }
})
