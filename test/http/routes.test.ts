/** The addresses that calls have: every address has a call that takes its fields, and matches itself. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { matcherOf, routesOf } from '../../src/gateway/http/routes.ts'
import { describedCalls } from '../../src/guest/offline.ts'
import { describeCall } from '../../src/kernel/index.ts'
import { parseConfig } from '../../src/services/index.ts'

test('every route has a call of terminals, whose input has the fields of the path', async () => {
  const calls = new Map((await describedCalls(parseConfig({}, 'the defaults'))).map((call) => [call.name, describeCall(call)]))
  const seen = new Set<string>()
  const routes = routesOf(calls.values())
  assert.ok(routes.length > 100)
  for (const { method, path, call } of routes) {
    const found = calls.get(call)
    assert.ok(found?.audience.includes('terminal') === true, `${method} ${path}: ${call}`)
    const fields = Object.keys((found.input['properties'] ?? {}) as object)
    for (const [, field = ''] of path.matchAll(/\{(\w+)\+?\}/g)) {
      // Of a message, the session is where it is sent.
      if (call !== 'turn.send') assert.ok(fields.includes(field), `${method} ${path}: ${call} has no ${field}`)
    }
    assert.ok(method !== 'GET' || found.tier === 'read_only', `${method} ${path} changes something`)
    assert.ok(!seen.has(`${method} ${path}`), `${method} ${path} is there twice`)
    seen.add(`${method} ${path}`)
    const matched = matcherOf(routes)(method, path.replaceAll(/\{\w+\+?\}/g, 'one'))
    assert.ok('route' in matched && matched.route.call === call, `${method} ${path} leads to another call`)
  }
})
