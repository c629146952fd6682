import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import fs, { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { maxPacks } from './limits.ts'
import { openRepository, type Repository } from './repository.ts'

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-repository-'))
  try {
    await run(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function commitFile(repository: Repository, text: string): string {
  const oid = repository.add('blob', Buffer.from(text))
  const tree = repository.add('tree', Buffer.concat([Buffer.from('100644 a.txt\0'), Buffer.from(oid, 'hex')]))
  const head = repository.head()
  return repository.commit({ tree, parents: head === null ? [] : [head], author: 'user:ann', at: 0, subject: text, trailers: {} })
}

/** Runs git, whose warnings fail the test too: it only warns of a broken ref. */
function git(folder: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('git', ['--git-dir', folder, ...args], { encoding: 'utf8' })
  assert.equal(`${status} ${stderr}`, '0 ', `git ${args.join(' ')}`)
  return stdout.trim()
}

const changing = ['openSync', 'writeSync', 'renameSync', 'rmSync'] as const
/** A join removes the same two files of each pack; git takes 10 ms to look at the result. */
const maxChecksOfOne = 12

/** Calls `check` after the calls that change the disk: what it finds is what a kill there leaves. */
function afterEachChange(run: () => void, check: () => void): void {
  for (const name of changing) {
    const original = fs[name] as (...args: unknown[]) => unknown
    let calls = 0
    mock.method(fs, name, (...args: unknown[]) => {
      const result = original(...args)
      if ((calls += 1) <= maxChecksOfOne) check()
      return result
    })
  }
  syncBuiltinESMExports()
  try {
    run()
  } finally {
    mock.restoreAll()
    syncBuiltinESMExports()
  }
}

test('at each moment of a commit, a join of packs and a tag, git finds whole refs and whole objects', async () => {
  await withFolder(async (folder) => {
    const repository = await openRepository(folder)
    for (let at = 0; at < maxPacks; at += 1) commitFile(repository, `${at}`)
    const packs = (): number => readdirSync(join(folder, 'objects', 'pack')).filter((name) => name.endsWith('.idx')).length
    assert.equal(packs(), maxPacks)
    let checks = 0
    const refs = new Set(['heads', 'tags', join('heads', 'main'), join('tags', 'v1')])
    const check = (): void => {
      checks += 1
      git(folder, 'fsck', '--strict', '--full', '--no-dangling', '--no-progress')
      for (const name of readdirSync(join(folder, 'refs'), { recursive: true, encoding: 'utf8' })) assert.ok(refs.has(name), name)
      const files = new Set(readdirSync(join(folder, 'objects', 'pack')))
      for (const name of files) if (name.endsWith('.idx')) assert.ok(files.has(name.replace('.idx', '.pack')), `${name} has no pack`)
    }
    afterEachChange(() => {
      const commit = commitFile(repository, 'last')
      repository.tag('v1', commit, 'first', 'user:ann', 0)
    }, check)
    assert.equal(packs(), 2, 'the packs were joined; the tag has one of its own')
    assert.ok(checks > 2 * maxChecksOfOne, `${checks} checks`)
    assert.equal(git(folder, 'rev-list', '--count', 'v1'), `${maxPacks + 1}`)
  })
})

test('drafts that a kill left are removed when the repository is opened, and tags that look like one stay', async () => {
  await withFolder(async (folder) => {
    const first = await openRepository(folder)
    const commit = commitFile(first, 'one')
    first.tag('v1.new', commit, 'first', 'user:ann', 0)
    const draft = 'b5f6b1a0-0000-4000-8000-00000000000a.new'
    mkdirSync(join(folder, 'refs', 'tags', 'releases'))
    const places = ['refs/heads/main', 'refs/tags/v2', 'refs/tags/releases/v3', 'oxbow-stamps.json', 'main']
    for (const place of places) writeFileSync(join(folder, `${place}.${draft}`), '')
    const repository = await openRepository(folder)
    assert.equal(await repository.resolve('HEAD'), commit)
    const [tag, ...others] = await repository.tags()
    assert.deepEqual([tag!.name, tag!.commit, others], ['v1.new', commit, []])
    assert.match(tag!.text, /\n\nfirst\n?$/)
    git(folder, 'fsck', '--strict', '--full')
    assert.deepEqual(
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(draft)),
      [],
    )
  })
})

test('a repository whose creation was killed is completed', async () => {
  for (const left of ['no HEAD', 'an empty HEAD']) {
    await withFolder(async (folder) => {
      await openRepository(folder)
      rmSync(join(folder, 'HEAD'))
      if (left === 'an empty HEAD') writeFileSync(join(folder, 'HEAD'), '')
      const commit = commitFile(await openRepository(folder), 'one')
      assert.equal(git(folder, 'rev-parse', 'HEAD'), commit, left)
    })
  }
})
