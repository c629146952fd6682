/** The guardian in a real guest: each thing that it looks for is planted, found, and gone when it is put right. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import Sqlite from 'better-sqlite3-multiple-ciphers'
import { startModel } from '../support/model.ts'
import { openBundled } from './bundled-home.ts'

interface Guarded {
  readonly ok: boolean
  readonly findings: readonly { readonly check: string; readonly severity: string; readonly text: string }[]
  readonly commit: string | null
  readonly tag: string
}

const critical = ({ findings }: Guarded): readonly string[] =>
  findings.filter(({ severity }) => severity === 'critical').map(({ check }) => check)

void test('the guardian finds each fault that is planted, keeps checkpoints, and tells of what is critical', async () => {
  await using model = await startModel([{ events: [{ text: 'Hello.' }], usage: { input: 40, output: 2 } }])
  // Every machine uses more than one per cent of its memory.
  await using home = await openBundled(['guardian'], '[resources]\nmemory_percent = 1\ncpu_percent = 100\n', model)
  const guard = (input = {}): Promise<Guarded> => home.result<Guarded>('guardian', input)

  writeFileSync(join(home.shared, 'a.md'), 'one')
  const first = await guard()
  assert.equal(first.ok, true, JSON.stringify(first))
  // Of memory; on a busy machine of the processor, too.
  assert.deepEqual([...new Set(first.findings.map(({ check, severity }) => `${check} ${severity}`))], ['overload warning'])
  assert.match(first.findings[0]!.text, /^memory at [\d.]+ %, threshold 1 %/)
  assert.match(first.tag, /^guardian-\d{8}T\d{9}Z$/)
  const [log] = await home.json<{ commit: string; tags: readonly string[] }>('log', '--limit', '1')
  assert.deepEqual([log!.commit, log!.tags], [first.commit, [first.tag]])
  const second = await guard()
  assert.deepEqual([second.ok, second.commit, second.tag], [true, first.commit, ''], 'where nothing changed there is no other checkpoint')
  assert.equal((await guard({ checkpoint: false })).commit, null)
  assert.deepEqual(await home.published('guardian_critical'), [])

  // A damaged version: nothing is committed over it.
  const packs = join(home.user, 'internal', 'versions', 'objects', 'pack')
  const pack = join(
    packs,
    readdirSync(packs).find((name) => name.endsWith('.pack'))!,
  )
  const whole = readFileSync(pack)
  writeFileSync(pack, Buffer.from(whole).fill(0, 12, whole.length - 20))
  writeFileSync(join(home.shared, 'a.md'), 'two')
  const damaged = await guard()
  assert.deepEqual([damaged.ok, damaged.commit, [...new Set(critical(damaged))]], [false, null, ['versions']], JSON.stringify(damaged))
  assert.match(damaged.findings.find(({ check }) => check === 'versions')!.text, /^The versions are damaged: [0-9a-f]{40} is missing/)
  writeFileSync(pack, whole)
  const mended = await guard()
  assert.equal(mended.ok, true, JSON.stringify(mended))
  assert.notEqual(mended.commit, first.commit, 'what changed meanwhile is in the next checkpoint')

  // A budget that is used up.
  const limit = (tokens: string): Promise<unknown> => home.json('budget', 'set', 'user', '--per', 'day', '--tokens', tokens)
  await limit('1000000')
  assert.equal((await home.oxbow(['run', 'hello'])).exit, 0)
  await limit('1')
  const spent = await guard()
  assert.deepEqual(critical(spent), ['budgets'], JSON.stringify(spent))
  assert.match(spent.findings.at(-1)!.text, /^the budget of user.*is used up: \d+ of 1 tokens$/)
  assert.equal((await home.oxbow(['budget', 'remove', 'user', '--per', 'day'])).exit, 0)
  assert.equal((await guard()).ok, true)

  // A journal with a hole.
  const db = new Sqlite(join(home.user, 'internal', 'oxbow.db'))
  const row = db.prepare('select * from journal where seq = 3').get() as Record<string, unknown>
  db.prepare('delete from journal where seq = 3').run()
  const cut = await guard()
  assert.deepEqual([...new Set(critical(cut))], ['audit'], JSON.stringify(cut))
  assert.match(cut.findings.find(({ check }) => check === 'audit')!.text, /^record \d of the journal does not hold/)
  const names = Object.keys(row)
  db.prepare(`insert into journal (${names.join(', ')}) values (${names.map(() => '?').join(', ')})`).run(...Object.values(row))
  db.close()
  assert.equal((await guard()).ok, true)

  const told = await home.published<{ findings: Guarded['findings'] }>('guardian_critical')
  assert.deepEqual(
    told.map(({ findings }) => findings[0]!.check),
    ['versions', 'budgets', 'audit'],
  )
})
