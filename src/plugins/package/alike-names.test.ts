import assert from 'node:assert/strict'
import { test } from 'node:test'
import { alikeNames } from './alike-names.ts'

test('names that look like another are found, and others are not', () => {
  const others = ['weather', 'memory', 'mail', 'notes', 'git']
  for (const name of ['weathr', 'weatherr', 'wether', 'waether', 'we-ather', 'vveather'])
    assert.deepEqual(alikeNames(name, others), ['weather'], name)
  assert.deepEqual(alikeNames('mernory', others), ['memory'])
  assert.deepEqual(alikeNames('mai1', others), ['mail'])
  assert.deepEqual(alikeNames('files', ['file', 'mail']), ['file'])
  for (const name of [
    'weather-1',
    'weather2',
    'weather-plugin',
    'the-weather',
    'oxbow-weather',
    'weather-official',
    'my-weather',
    'weathers',
  ])
    assert.deepEqual(alikeNames(name, others), ['weather'], name)
  for (const name of ['shell-exec', 'exec-shell', 'shell2', 'shel-1'])
    assert.deepEqual(alikeNames(name, ['shell', 'exec']).length > 0, true, name)
  for (const name of ['oxbow', '0xbow', 'oxb0w', 'oxbow-core', 'oxbows']) assert.deepEqual(alikeNames(name, others), ['oxbow'], name)
  assert.deepEqual(alikeNames('weather', ['weather-1']), ['weather-1'], 'either way')
  for (const name of ['weather-map', 'git-notes-sync-tool', 'mailbox', 'profile'])
    assert.deepEqual(alikeNames(name, ['weather', 'file']), [], name)
  for (const name of ['weather', 'tides', 'gif', 'forecast', 'notebook']) assert.deepEqual(alikeNames(name, others), [], name)
})
