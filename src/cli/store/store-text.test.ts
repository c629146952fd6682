import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { Terminal } from '../terminal.ts'
import type { RestorePreview } from '../../config/index.ts'
import { describeLeft, describePreview, openProgress } from './store-text.ts'

void test('a progress bar is never wider than the terminal', () => {
  for (const columns of [20, 40, 80, 120]) {
    const errors = Object.assign(new PassThrough(), { isTTY: true, columns })
    const bar = openProgress({ errors } as unknown as Terminal, false)
    bar.show({ progress: 'journal', done: 1_234_567, total: 9_876_543 })
    const shown = String(errors.read()).replace('\r\u001b[K', '')
    assert.ok(shown.startsWith('journal') && shown.length < columns, shown)
  }
})

void test('a restore says beforehand that it brings back revoked keys and forgets what was spent', () => {
  const preview = (head: number, hasRows = true): string => {
    const manifest = {
      format: 'oxbow.backup.3',
      user: 'default',
      schema: 1,
      head: { seq: 5, hash: '' },
      rows: {},
      madeAt: 0,
      bytes: 9,
      hash: '',
    }
    return describePreview({ manifest, where: 'oxbow.db', head, hasRows, unopened: [], files: [], problems: [] } as RestorePreview)
  }
  assert.match(
    preview(9),
    /records 6 to 9 are not in the backup[^]*revoked after the backup are valid again[^]*What was spent after the backup/,
  )
  assert.doesNotMatch(preview(5) + preview(0, false), /revoked|spent/)
})

test('a move names the other users of the home, and what is to be typed for each', () => {
  assert.deepEqual(describeLeft('env:URL', []), [])
  assert.deepEqual(describeLeft('env:URL', ['ann', 'bob']).slice(1), [
    '  oxbow store move env:URL --user ann',
    '  oxbow store move env:URL --user bob',
  ])
})
