/** The reader of unified diffs, against the writer that the guest uses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTwoFilesPatch } from 'diff'
import * as fc from 'fast-check'
import { parseDiff } from '../../web/src/ui/unified-diff.ts'

const linesOf = (text: string): readonly string[] => text.split('\n').slice(0, -1)

test('what is read of a diff is what was before and after, whatever the lines look like', () => {
  const line = fc.oneof(
    fc.constantFrom('--- a/x', '+++ b/x', '@@ -1 +1 @@', '', '-', '+', ' ', '\\ No newline', 'same'),
    fc.stringMatching(/^[a-c-+ @\\]{0,6}$/),
  )
  const text = fc.array(line, { maxLength: 12 }).map((lines) => lines.map((one) => `${one}\n`).join(''))
  fc.assert(
    fc.property(text, text, (before, after) => {
      fc.pre(before !== after)
      const [file, ...others] = parseDiff(createTwoFilesPatch('a/x', 'b/x', before, after, undefined, undefined, { context: 100 }))
      assert.deepEqual(others, [])
      const side = (without: 'added' | 'removed') => file!.lines.filter(({ kind }) => kind !== without).map((one) => one.text)
      assert.deepEqual([side('added'), side('removed')], [linesOf(before), linesOf(after)])
      assert.deepEqual(
        file!.lines.flatMap((one) => one.after ?? []),
        linesOf(after).map((_, index) => index + 1),
      )
    }),
    { numRuns: 300 },
  )
})

test('files of one diff, their changes and binary ones are told apart', () => {
  const text = [
    '--- /dev/null\n+++ b/shared/new.txt\n@@ -0,0 +1,1 @@\n+hello\n',
    '--- a/shared/old.txt\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-bye\n',
    'Binary or large: shared/logo.png\n',
    'mode 100644 → 100755: shared/run.sh\n--- a/shared/run.sh\n+++ b/shared/run.sh\n@@ -0,0 +1,1 @@\n+ls\n',
    '(The rest is not shown: the diff is too long. Name a path.)\n',
  ].join('')
  assert.deepEqual(
    parseDiff(text).map(({ path, change, lines, notes }) => [path, change, lines.length, notes]),
    [
      ['shared/new.txt', 'added', 1, []],
      ['shared/old.txt', 'deleted', 1, []],
      ['shared/logo.png', 'changed', 0, ['Binary or large']],
      ['shared/run.sh', 'changed', 1, ['mode 100644 → 100755']],
      ['', 'changed', 0, ['(The rest is not shown: the diff is too long. Name a path.)']],
    ],
  )
})
