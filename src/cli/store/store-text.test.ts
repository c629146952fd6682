import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { Terminal } from '../terminal.ts'
import { openProgress } from './store-text.ts'

void test('a progress bar is never wider than the terminal', () => {
  for (const columns of [20, 40, 80, 120]) {
    const errors = Object.assign(new PassThrough(), { isTTY: true, columns })
    const bar = openProgress({ errors } as unknown as Terminal, false)
    bar.show({ progress: 'journal', done: 1_234_567, total: 9_876_543 })
    const shown = String(errors.read()).replace('\r\u001b[K', '')
    assert.ok(shown.startsWith('journal') && shown.length < columns, shown)
  }
})
