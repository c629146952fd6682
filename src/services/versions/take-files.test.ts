/** Files of a branch whose hands are elsewhere, and lie about them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Hands } from '../../protocol/index.ts'
import { maxLargeFileBytes } from './limits.ts'
import { takeAll, takeNamed } from './take-files.ts'
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

test('another node lists no more files of a branch than there can be, and none in a repository', async () => {
  const take = async (pages: (offset: number) => readonly string[], isFar: boolean): Promise<number> => {
    let listed = 0
    const hands = {
      async ask(op: string, { offset }: { offset: number }) {
        assert.equal(op, 'snapshot')
        const entries = pages(offset).map((path) => ({ path, kind: 'gone', stamp: '' }))
        listed += entries.length
        return { snapshot: 's', whole: true, entries, done: entries.length === 0 }
      },
    } as unknown as Hands
    const ask = (async () => ({ small: [], large: [] })) as unknown as Ask
    const config = { max_file_mb: 1, ignore: [] } as never
    await takeAll({ branch: 'b', ask, hands, config, signal: AbortSignal.timeout(20_000), since: '', also: [], except: [], isFar })
    return listed
  }
  const page = (offset: number): readonly string[] => Array.from({ length: 1_000 }, (_, at) => `f${offset + at}`)
  await assert.rejects(take(page, true), { code: 'sandbox_failed', message: /files that no branch has/ })
  for (const path of ['.git/config', 'sub/.GIT/hooks/post-checkout', 'a/git~1/config']) {
    const once = (offset: number): readonly string[] => (offset === 0 ? [path] : [])
    await assert.rejects(take(once, true), { code: 'sandbox_failed' }, path)
    assert.equal(await take(once, false), 1, 'at home versions have them')
  }
  assert.equal(await take((offset) => (offset < 5_000 ? page(offset) : []), true), 5_000)
})
