/** Versions in the store of a cluster: many small packs become few, and a node that knows some of them gets the rest. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { UserId } from '../../../base/index.ts'
import { createLargeFiles, encodeTree, openRepository, type Repository } from '../../../repository/index.ts'
import { type FilesPlace, openKeptFiles } from '../../../store/index.ts'
import { openEngine, pgDriver } from '../../../store/postgres/engine-fixture.ts'
import { postgresSkip, usePostgres } from '../../../store/postgres/postgres-fixture.ts'
import { createKeptVersions, type KeptVersions } from '../thread/kept-versions.ts'

const postgres = usePostgres()
const skip = postgresSkip()
const user = 'ann' as UserId

/** A node's repository, with a lease of its own. */
async function nodeOf(
  root: string,
  url: string,
  epoch: number,
): Promise<{ repository: Repository; kept: KeptVersions; place: FilesPlace }> {
  const lease = { term: 1, epoch, node: `node-${epoch}` }
  const claimed = await openEngine(pgDriver(url), { exclusive: true, lease, user })
  await claimed.engine.open()
  await claimed.store.close()
  const folder = join(root, `node-${epoch}`)
  const repository = await openRepository(folder, { joins: false })
  const place = { address: url, user, role: '', lease, bucket: null }
  const kept = createKeptVersions({ folder, place, repository: async () => repository, large: createLargeFiles(folder) })
  return { repository, kept, place }
}

function commitFile(repository: Repository, text: string): string {
  const oid = repository.add('blob', Buffer.from(text))
  const tree = repository.add('tree', encodeTree([{ name: 'file', mode: '100644', oid }]))
  const head = repository.head()
  return repository.commit({ tree, parents: head === null ? [] : [head], author: 'ann', at: 0, subject: text, trailers: {} })
}

test('more packs than are good are joined in the store, and each commit stays', { skip }, async (t) => {
  await using database = await postgres.database()
  const root = mkdtempSync(join(tmpdir(), 'oxbow-kept-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const a = await nodeOf(root, database.url, 1)
  const commits: string[] = []
  for (let i = 0; i < 5; i += 1) {
    commits.push(commitFile(a.repository, `early ${i}`))
    await a.kept.push()
  }
  a.repository.tag('early', commits[0]!, 'early', 'ann', 0)
  await a.kept.push(true)
  const b = await nodeOf(root, database.url, 2)
  assert.deepEqual(await b.kept.newest(), { is: 'other', node: 'node-1' })
  const { newest } = await b.kept.fetch(false)
  b.repository.point('', newest.head)
  await b.kept.took(newest)
  assert.deepEqual(
    (await b.repository.tags()).map(({ name }) => name),
    ['early'],
  )
  await assert.rejects(
    async () => {
      commitFile(a.repository, 'stale')
      await a.kept.push()
    },
    { code: 'stale_epoch' },
  )
  for (let i = 0; i < 210; i += 1) {
    commits.push(commitFile(b.repository, `late ${i}`))
    await b.kept.push()
    if (i === 100) await b.kept.tidy()
  }
  const files = await openKeptFiles(b.place)
  assert.ok((await files.packs(0)).length > 200)
  await b.kept.tidy()
  assert.ok((await files.packs(0)).length < 10, 'they are joined')
  commits.push(commitFile(b.repository, 'after'))
  await b.kept.push()
  const c = await nodeOf(root, database.url, 3)
  const { newest: last, base } = await c.kept.fetch(false)
  assert.deepEqual([last.head, base], [commits.at(-1), ''])
  for (const commit of commits) {
    const { tree, subject } = await c.repository.commitFacts(commit)
    const [entry] = await c.repository.tree(tree)
    assert.equal((await c.repository.blob(entry!.oid)).toString(), subject)
  }
  await c.kept.took(last)
  assert.deepEqual(await c.kept.newest(), { is: 'same' })
  for (const each of [a.kept, b.kept, c.kept, files]) await each.close()
})
