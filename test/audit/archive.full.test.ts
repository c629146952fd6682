/** Retention: old records leave the store for a file and come back, and the journal verifies all the while. A real guest, with its runner. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { startOxbow } from '../../src/sdk/index.ts'

const verifier = fileURLToPath(new URL('../../bin/oxbow-verify.js', import.meta.url))

void test('what was said goes to an archive and comes back; chain, heads and accounts hold', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'oxbow-archive-'))
  t.after(() => rm(home, { recursive: true, force: true }))
  await using oxbow = await startOxbow({
    home,
    insecure: true,
    env: { PATH: process.env['PATH'] },
    model: {
      price: { input: 1_000_000, output: 2_000_000 },
      generate: ({ messages }) => ({
        text: `You said ${messages.at(-1)!.content}. ${'And so on. '.repeat(600)}`,
        usage: { inputTokens: 100, outputTokens: 50 },
      }),
    },
  })
  const first = await oxbow.run(`one ${'word '.repeat(200)}`)
  await oxbow.run('two')
  assert.ok((await oxbow.call('audit.verify', {})).ok)

  const dry = await oxbow.call('audit.archive', { days: 0, dry_run: true })
  assert.ok(dry.bodies >= 4, `${dry.bodies} bodies would go`)
  const done = await oxbow.call('audit.archive', { days: 0 })
  assert.equal(done.bodies, dry.bodies)
  assert.equal(done.files.length, 1)
  const after = await oxbow.call('audit.verify', {})
  assert.deepEqual([after.ok, after.projections, after.erased.bodies, after.erased.unexplained], [true, [], done.bodies, []])

  const path = join(home, 'users/default/archive', done.files[0]!.file)
  const { stdout } = await promisify(execFile)(process.execPath, [verifier, path])
  assert.match(stdout, /verifies/)
  const damaged = `${path}.damaged.zst`
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(damaged, bytes)
  await assert.rejects(promisify(execFile)(process.execPath, [verifier, damaged]))

  const records = async () => JSON.stringify((await oxbow.call('session.records', { session: first.session })).records)
  assert.match(await records(), /archived in journal-1-/)
  assert.equal((await oxbow.call('audit.restore', { file: done.files[0]!.file })).bodies, done.bodies)
  const again = await oxbow.call('audit.verify', {})
  assert.deepEqual([again.ok, again.projections, again.erased.bodies], [true, [], 0])
  assert.match(await records(), /And so on/)
  await oxbow.run('three')
  assert.equal((await oxbow.call('audit.archive', { days: 0 })).files.length, 1, 'what has happened since')
})
