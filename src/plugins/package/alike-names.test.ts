import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alikeNames } from './alike-names.ts'

test('names that look like another are found, and others are not', () => {
  const others = ['weather', 'memory', 'mail', 'notes', 'git']
  for (const name of ['weathr', 'weatherr', 'wether', 'waether', 'we-ather', 'vveather'])
    assert.deepEqual(alikeNames(name, others), ['weather'], name)
  assert.deepEqual(alikeNames('mernory', others), ['memory'])
  assert.deepEqual(alikeNames('mai1', others), ['mail'])
  for (const name of ['weather', 'tides', 'gif', 'forecast', 'notebook']) assert.deepEqual(alikeNames(name, others), [], name)
})
