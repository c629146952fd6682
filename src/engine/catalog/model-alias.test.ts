import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { findModelId, nearestIds } from './model-alias.ts'

const ids = new Set([
  'claude-haiku-4-5',
  'claude-haiku-4-5-20251001',
  'claude-3-5-haiku-20240101',
  'claude-3-5-haiku-20241022',
  'gpt-4o',
  'gpt-4o-2024-05-13',
  'gpt-4o-mini',
  'gemini-2.5-pro',
  'gemini-2.0-flash',
  'mistral-large-latest',
  'mistral-large-2512',
])

void test('a model is found by its own name before all others', () => {
  for (const id of ids) assert.equal(findModelId(ids, id), id)
})

void test('a snapshot that is not listed is the model it is a snapshot of', () => {
  assert.equal(findModelId(ids, 'gpt-4o-2024-11-20'), 'gpt-4o')
  assert.equal(findModelId(ids, 'claude-haiku-4-5@20251001'), 'claude-haiku-4-5')
  assert.equal(findModelId(ids, 'gemini-2.0-flash-001'), 'gemini-2.0-flash')
})

void test('the name without a date, or with -latest, is the newest snapshot where only snapshots are listed', () => {
  assert.equal(findModelId(ids, 'claude-3-5-haiku'), 'claude-3-5-haiku-20241022')
  assert.equal(findModelId(ids, 'claude-3-5-haiku-latest'), 'claude-3-5-haiku-20241022')
  assert.equal(findModelId(ids, 'gpt-4o-latest'), 'gpt-4o')
  assert.equal(findModelId(ids, 'mistral-large'), 'mistral-large-latest')
})

void test('models/ before a name is no part of it', () => {
  assert.equal(findModelId(ids, 'models/gemini-2.5-pro'), 'gemini-2.5-pro')
})

void test('another version, size or date is another model', () => {
  const others = ['gpt-4o-nano', 'gpt-4', 'gemini-2.5', 'claude-haiku-4', 'mistral-large-2411', 'claude-3-5-haiku-20250505', '', '-latest']
  for (const name of others) assert.equal(findModelId(ids, name), null, name)
})

void test('the nearest names come first, three at most, and none that is not like it', () => {
  assert.deepEqual(nearestIds(ids, 'gpt4o-mini')[0], 'gpt-4o-mini')
  assert.deepEqual(nearestIds(ids, 'gemini-2.5-prro')[0], 'gemini-2.5-pro')
  assert.deepEqual(nearestIds(ids, 'zzz'), [])
  assert.ok(nearestIds(ids, 'claude-haiku').length === 3)
})

void test('any name is looked up and compared without an exception, and only listed ids come back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ maxLength: 400 }), fc.constantFrom('__proto__', 'constructor', 'toString')), (name) => {
      const found = findModelId(ids, name)
      assert.ok(found === null || ids.has(found))
      const near = nearestIds(ids, name)
      assert.ok(near.length <= 3 && near.every((id) => ids.has(id)))
    }),
  )
})
