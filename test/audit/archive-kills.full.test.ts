/** A guest that is killed while it archives: nothing is lost, nothing is counted twice, and the next run goes on. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import type { JournalRecord } from '../../src/protocol/index.ts'
import { type Oxbow, startOxbow } from '../../src/sdk/index.ts'
import { scaled } from '../support/scale.ts'

void test('killed at any moment of an archive or a restore, the journal verifies and all of it comes back', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-archive-kills-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  const start = (): Promise<Oxbow> =>
    startOxbow({
      home,
      insecure: true,
      env: { PATH: process.env['PATH'] },
      onWarning: () => {},
      model: {
        price: { input: 1_000_000, output: 2_000_000 },
        generate: ({ messages }) => ({
          text: `You said ${messages.at(-1)!.content}. ${'And so on. '.repeat(500)}`,
          usage: { inputTokens: 100, outputTokens: 50 },
        }),
      },
    })
  const kill = async (): Promise<void> => {
    const { pid } = JSON.parse(await readFile(join(home, 'users/default/ipc/gateway.json'), 'utf8')) as { pid: number }
    process.kill(pid, 'SIGKILL')
  }
  const bodies = async (oxbow: Oxbow, session: string): Promise<ReadonlyMap<number, string>> => {
    const { records } = (await oxbow.call('session.records', { session })) as unknown as { records: readonly JournalRecord[] }
    return new Map(records.map(({ seq, body }) => [seq, JSON.stringify(body)]))
  }
  let oxbow = await start()
  const session = await oxbow.session()
  for (let i = 0; i < 12; i += 1) await session.run(`${i} ${'word '.repeat(100)}`)
  const before = await bodies(oxbow, session.id)
  const tries = scaled(40, 6)
  for (let i = 0; i < tries; i += 1) {
    const isRestore = i % 3 === 2
    const [made] = (await oxbow.call('audit.archives', {})).archives
    const work =
      isRestore && made !== undefined ? oxbow.call('audit.restore', { file: made.file }) : oxbow.call('audit.archive', { days: 0 })
    const outcome = work.catch(() => null)
    await sleep((i * 37) % 150)
    await kill().catch(() => {})
    await outcome
    await oxbow.close()
    oxbow = await start()
    const { ok, projections, erased } = await oxbow.call('audit.verify', {})
    assert.deepEqual([ok, projections, erased.unexplained], [true, [], []], `after kill ${i}`)
  }
  await oxbow.call('audit.archive', { days: 0 })
  const { archives } = await oxbow.call('audit.archives', {})
  assert.ok(archives.length > 0)
  for (const { file } of archives) await oxbow.call('audit.restore', { file })
  await oxbow.close()
  oxbow = await start()
  t.after(() => oxbow.close())
  const after = await bodies(oxbow, session.id)
  assert.deepEqual(
    [...before].filter(([seq, body]) => after.get(seq) !== body),
    [],
    'each body is there as it was',
  )
  assert.ok((await oxbow.call('audit.verify', {})).ok)
})
