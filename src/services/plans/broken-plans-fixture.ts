/** For tests: plans whose records somebody has damaged or forged, each of which is listed, shown and applied. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { Json, JsonObject } from '../../base/index.ts'
import type { PlanView } from './plan-calls.ts'
import { put, sent, withPlans } from './plans-fixture.ts'

/** What the digest covers. */
const covered = ['id', 'text', 'home', 'session', 'agent', 'branch', 'base', 'commit', 'files', 'total', 'difference', 'effects'] as const

/** Of so many plans one is also listed and shown. */
const looksEvery = 8

/** What a plan can fail with; `internal_failure` is a fault of ours. */
const expected = new Set(['plan_stale', 'not_found', 'bad_input'])

/** A change of a record: at the place that the numbers lead to, or of its type. */
const damages = fc.record({
  field: fc.constantFrom(...covered),
  way: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 5 }),
  how: fc.constantFrom('replace', 'remove', 'add', 'repeat'),
  value: fc.jsonValue({ maxDepth: 2 }),
})

/** @returns how many of them were refused @throws for one that was done, or that has shown a fault */
export async function applyBrokenPlans(count: number, seed = 31): Promise<number> {
  let refused = 0
  await withPlans(async ({ guest, call, plan, write, read }) => {
    write('a.txt', 'old\n')
    const { applied: _, ...record } = await plan(
      ['file_write', { path: 'a.txt', text: 'new\n' }],
      ['mail_send', { to: 'a', text: 'one' }],
      ['mail_send', { to: 'b', about: ['x', 1] }],
    )
    const applies = ['plan.apply', { plan: record.id, digest: record.digest }] as const
    for (const [n, { field, way, how, value }] of fc.sample(damages, { numRuns: count, seed }).entries()) {
      const broken = structuredClone(record) as unknown as JsonObject
      const holder: JsonObject = { [field]: broken[field]! }
      damage(holder, way, how, value as Json)
      const forged: JsonObject = { ...broken, ...holder }
      if (!(field in holder)) delete (forged as Record<string, unknown>)[field]
      // A damage that is none: the plan is the same.
      const isSame = JSON.stringify(forged) === JSON.stringify(record)
      await put(guest, record.id, isSame ? { ...forged, text: `${record.text} ${n}` } : forged)
      const looks = [
        ['plan.list', {}],
        ['plan.show', { plan: record.id }],
        ['plan.drop', { plan: record.id, dry_run: true }],
      ] as const
      for (const [name, input] of [...(n % looksEvery === 0 ? looks : []), applies]) {
        const outcome = await call(name, input)
        const code = 'failure' in outcome ? outcome.failure.code : ''
        if (code !== '') assert.ok(expected.has(code), `${name} of ${JSON.stringify(forged)}: ${JSON.stringify(outcome)}`)
        if (name === 'plan.apply') assert.notEqual(code, '', `applied: ${JSON.stringify(forged)}`)
        if (name === 'plan.apply') refused += 1
      }
    }
    assert.deepEqual([sent, read('a.txt')], [[], 'old\n'])
    // The same plan, whole, is still one.
    await put(guest, record.id, record)
    const whole = await call('plan.apply', { plan: record.id, digest: record.digest })
    assert.equal((whole as { output?: PlanView }).output?.state, 'applied', JSON.stringify(whole))
  })
  return refused
}

function damage(holder: JsonObject, way: readonly number[], how: string, value: Json): void {
  let at: Record<string, unknown> | unknown[] = holder
  for (const [depth, turn] of way.entries()) {
    const keys = Object.keys(at)
    const key = keys[turn % Math.max(1, keys.length)]
    if (key === undefined) return
    const below = at[key]
    if (depth < way.length - 1 && typeof below === 'object' && below !== null) {
      at = below as Record<string, unknown>
      continue
    }
    if (how === 'replace') at[key] = value
    else if (how === 'remove' && !Array.isArray(at)) delete at[key]
    else if (how === 'remove') (at as unknown as unknown[]).splice(turn % keys.length, 1)
    else if (how === 'add' && !Array.isArray(at)) at[`more${turn}`] = value
    else (Array.isArray(at) ? at : [at]).push(structuredClone(below) as never)
    return
  }
}
