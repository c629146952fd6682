import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ownScope } from './start-change.ts'

test('a change that a service of systemd starts leaves its control group, and no other one needs to', () => {
  const systemd = (path: string): boolean => path === '/run/systemd/system'
  assert.deepEqual(ownScope({ INVOCATION_ID: 'x' }, systemd).slice(0, 3), ['systemd-run', '--user', '--scope'])
  assert.deepEqual(ownScope({}, systemd), [], 'started by hand')
  assert.deepEqual(
    ownScope({ INVOCATION_ID: 'x' }, () => false),
    [],
    'in a container without systemd',
  )
})
