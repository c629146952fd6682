/** Files of a branch whose hands are elsewhere, and lie about them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hands } from '../../protocol/index.ts'
import { maxLargeFileBytes } from './limits.ts'
import { takeNamed } from './take-files.ts'
import type { Ask } from './thread/version-questions.ts'

test('a file that never ends has no version, and is not read for ever', async () => {
  const content = new Uint8Array(64 * 1024 * 1024)
  const answers: Readonly<Record<string, object>> = {
    collect: { files: [{ kind: 'large', bytes: 0, stamp: 'one' }], content: new Uint8Array() },
    stat: { kind: 'file', bytes: 2_000_000, executable: false },
    bytes: { content, totalBytes: Number.MAX_SAFE_INTEGER },
  }
  const hands: Hands = { ask: async (op) => answers[op] as never }
  const asked: { offset: number; end: string }[] = []
  const ask = (async (question: string, of: { offset: number; end: string }) => {
    if (question === 'large') asked.push({ offset: of.offset, end: of.end })
  }) as unknown as Ask
  await takeNamed({ branch: 'b', ask, hands, config: { max_file_mb: 1, ignore: [] } as never, signal: AbortSignal.timeout(20_000) }, [
    'endless.bin',
  ])
  assert.ok(asked.every(({ offset }) => offset <= maxLargeFileBytes))
  assert.deepEqual(asked.at(-1), { offset: 0, end: 'none' })
})
