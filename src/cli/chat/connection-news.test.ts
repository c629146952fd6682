import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConnectionState } from '../../client/index.ts'
import { createConnectionNews } from './connection-news.ts'

const state = (type: ConnectionState['type']): ConnectionState => ({ type }) as ConnectionState

void test('a loss is told once however many tries it takes, and so is the return', () => {
  const told: string[] = []
  const take = createConnectionNews((text) => told.push(text.trim().split(/[ ;]/).slice(1, 4).join(' ')))
  for (const type of ['reconnecting', 'reconnecting', 'connected', 'connected', 'reconnecting', 'gone'] as const) take(state(type))
  assert.deepEqual(told, ['the connection to', 'connected again —', 'the connection to'])
})
