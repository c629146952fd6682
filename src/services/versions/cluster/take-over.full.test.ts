/** Files of a user go from node to node: what a call was answered for is there, and what is on a disk is never lost. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { postgresSkip, usePostgres } from '../../../store/postgres/postgres-fixture.ts'
import { filesCluster } from './nodes-fixture.ts'

const postgres = usePostgres()
const skip = postgresSkip()

test('a node that never had the user gets every file, as it was', { skip }, async () => {
  await using database = await postgres.database()
  using cluster = filesCluster(database.url)
  const [a, b] = [cluster.node('a'), cluster.node('b')]
  {
    await using on = await a.start()
    a.write('by-hand.txt', 'a person wrote this')
    await on.ok('file.write', { path: 'note.md', text: 'one\n' })
    await on.ok('file.write', { path: 'deep/er/note.md', text: 'two\n' })
    await on.ok('file.write', { path: 'gone.md', text: 'three\n' })
    await on.ok('file.move', { from: 'deep/er/note.md', to: 'deep/moved.md' })
    await on.ok('file.delete', { path: 'gone.md' })
    await on.ok('shell.exec', {
      command: `printf '#!/bin/sh\\n' > run.sh && chmod +x run.sh && ln -s note.md link && mkdir -p 'od d/ü' && printf '\\0\\377bytes' > 'od d/ü/x.bin' && git init -q r && git -C r -c user.name=x -c user.email=y commit -q --allow-empty -m one; echo hi > .env; mkdir -p node_modules && echo x > node_modules/x`,
    })
    const sent = a.files()
    assert.ok(sent['run.sh']?.startsWith('x '))
    a.wipe()
    // Nobody has stopped it in order: it is as if its machine had lost power.
    await using other = await b.start()
    assert.equal(other.took.from, 'a')
    const { 'node_modules/x': left, ...rest } = sent
    assert.equal(left, 'x\n')
    assert.deepEqual(b.files(), rest)
    assert.match(await other.ok('version.log', {}).then(JSON.stringify), /Before the first change/)
    const { stdout } = await other.ok<{ stdout: string }>('shell.exec', { command: 'cd r && git log --oneline && git status --short' })
    assert.match(stdout, /one/)
    // The one that is left behind cannot bring anything in.
    await assert.rejects(on.ok('file.write', { path: 'late.md', text: 'late' }), { code: 'stale_epoch' })
    await other.ok('file.write', { path: 'note.md', text: 'one more\n' })
  }
  await using again = await a.start()
  assert.equal(a.read('note.md'), 'one more\n')
  assert.equal(again.took.kept.length, 0)
  assert.ok(!existsSync(join(a.shared, 'late.md')))
})

test('a node that was away takes what is new, and keeps what a person has edited on it', { skip }, async () => {
  await using database = await postgres.database()
  using cluster = filesCluster(database.url)
  const [a, b] = [cluster.node('a'), cluster.node('b')]
  for (const name of ['same', 'theirs', 'here', 'both', 'removed', 'dropped', 'missing']) a.write(`${name}.txt`, `${name} 1\n`)
  await (async () => {
    await using on = await a.start()
    await on.ok('file.write', { path: 'first.txt', text: 'first' })
  })()
  await (async () => {
    await using on = await b.start()
    await on.ok('file.write', { path: 'theirs.txt', text: 'theirs 2\n' })
    await on.ok('file.write', { path: 'both.txt', text: 'both of b\n' })
    await on.ok('file.delete', { path: 'removed.txt' })
    await on.ok('file.delete', { path: 'dropped.txt' })
    await on.ok('file.write', { path: 'new/of-b.txt', text: 'b' })
    await on.ok('file.write', { path: 'shape', text: 'a file' })
  })()
  a.write('here.txt', 'here by hand\n')
  a.write('both.txt', 'both by hand\n')
  a.write('dropped.txt', 'edited by hand\n')
  a.write('own.txt', 'only here\n')
  a.write('shape/inside.txt', 'a folder here, a file there\n')
  rmSync(join(a.shared, 'missing.txt'))
  const day = new Date().toISOString().slice(0, 10)
  {
    await using on = await a.start()
    const files = a.files()
    assert.deepEqual(files, {
      'both.txt': 'both of b\n',
      [`both (a ${day}).txt`]: 'both by hand\n',
      'dropped.txt': 'edited by hand\n',
      'first.txt': 'first',
      'here.txt': 'here by hand\n',
      'missing.txt': 'missing 1\n',
      'new/of-b.txt': 'b',
      'own.txt': 'only here\n',
      'same.txt': 'same 1\n',
      shape: 'a file',
      [`shape (a ${day})/inside.txt`]: 'a folder here, a file there\n',
      'theirs.txt': 'theirs 2\n',
    })
    assert.deepEqual([...on.took.kept].sort(), [
      `/shared/both (a ${day}).txt`,
      '/shared/dropped.txt',
      '/shared/here.txt',
      '/shared/own.txt',
      `/shared/shape (a ${day})/inside.txt`,
    ])
  }
  await using on = await b.start()
  assert.deepEqual(b.files(), a.files())
  assert.equal(on.took.kept.length, 0)
})

test('files from before the cluster are the first version, on a node that never had the user, too', { skip }, async () => {
  await using database = await postgres.database()
  using cluster = filesCluster(database.url)
  const [a, b] = [cluster.node('a'), cluster.node('b')]
  a.write('notes.md', 'from before\n')
  await (await a.start())[Symbol.asyncDispose]()
  {
    await using on = await b.start()
    assert.equal(on.took.from, 'a')
    assert.deepEqual(b.files(), { 'notes.md': 'from before\n' })
    assert.match(JSON.stringify(await on.ok('version.log', {})), /Files of a from before its cluster/)
  }
  // The next cluster is a database of its own, and knows nothing of what the nodes have given to this one.
  await using another = await postgres.database()
  using moved = filesCluster(another.url)
  const [c, d] = [moved.node('c', a.root), moved.node('d')]
  await (await c.start())[Symbol.asyncDispose]()
  await using on = await d.start()
  assert.deepEqual([on.took.from, d.files()], ['c', { 'notes.md': 'from before\n' }])
})

test('a node whose repository is lost, or whose store is older than it, overwrites nothing', { skip }, async () => {
  await using database = await postgres.database()
  using cluster = filesCluster(database.url)
  const [a, b] = [cluster.node('a'), cluster.node('b')]
  await (async () => {
    await using on = await a.start()
    await on.ok('file.write', { path: 'x.txt', text: 'of a' })
    await on.ok('file.write', { path: 'y.txt', text: 'of a' })
  })()
  await (async () => {
    await using on = await b.start()
    await on.ok('file.write', { path: 'x.txt', text: 'of b' })
  })()
  rmSync(join(a.root, 'internal', 'versions'), { recursive: true })
  await (async () => {
    await using on = await a.start()
    assert.equal(a.read('x.txt'), 'of b')
    assert.deepEqual(
      on.took.kept.map((path) => path.replace(/ \d{4}-\d\d-\d\d/, '')),
      ['/shared/x (a).txt'],
    )
    await on.ok('file.delete', { path: on.took.kept[0]!.slice('/shared/'.length) })
  })()
  // Packs that a node should have, and has lost, come again.
  const packs = join(b.root, 'internal', 'versions', 'objects', 'pack')
  for (const name of readdirSync(packs)) rmSync(join(packs, name))
  await using on = await b.start()
  assert.deepEqual(b.files(), { 'x.txt': 'of b', 'y.txt': 'of a' })
  await on.ok('file.write', { path: 'z.txt', text: 'z' })
})
