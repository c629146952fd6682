import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench, type Workbench } from '../../sandbox/sandbox-fixture.ts'
import type { Json } from '../../base/index.ts'
import type { CallOutcome } from '../../protocol/index.ts'
import { builtinCalls } from '../../tools/index.ts'
import { asks, type Fixture, type FixtureOptions, inOrder, openFixture, says } from '../../kernel/kernel-fixture.ts'

interface Place {
  readonly bench: Workbench
  readonly guest: Fixture
  readonly folder: string
  readonly shared: string
  write(name: string, text: string): void
  read(name: string): string
  ok<Output>(name: string, input: Json): Promise<Output>
  fails(name: string, input: Json): Promise<string>
  git(...args: string[]): string
}

async function withVersions(run: (place: Place) => Promise<void>, options: FixtureOptions = {}): Promise<void> {
  await using bench = await makeWorkbench({ insecure: true })
  const folder = join(bench.root, 'internal', 'versions')
  const shared = join(bench.root, 'shared')
  await using guest = await openFixture({ sandbox: bench.sandbox, versionsFolder: folder, ...options })
  await run({
    bench,
    guest,
    folder,
    shared,
    write(name, text) {
      mkdirSync(join(shared, name, '..'), { recursive: true })
      writeFileSync(join(shared, name), text)
    },
    read: (name) => readFileSync(join(shared, name), 'utf8'),
    async ok<Output>(name: string, input: Json) {
      const outcome = await guest.kernel.call(name, input)
      assert.equal(outcome.status, 'ok', JSON.stringify(outcome))
      return (outcome as CallOutcome & { status: 'ok' }).output as Output
    },
    async fails(name, input) {
      const outcome = await guest.kernel.call(name, input)
      assert.ok('failure' in outcome, `${name} fails`)
      return `${outcome.failure.code}: ${outcome.failure.message}`
    },
    git: (...args) =>
      execFileSync('git', ['--git-dir', folder, ...args], { encoding: 'utf8', env: { ...process.env, GIT_CONFIG_GLOBAL: '/dev/null' } }),
  })
}

interface Commit {
  readonly commit: string
  readonly changed: boolean
  readonly files: number
}

test('a commit holds files, programs and links, and git reads it', async () => {
  await withVersions(async ({ write, shared, ok, git }) => {
    write('a.txt', 'one\n')
    write('deep/er/b.txt', 'two\n')
    write('run.sh', '#!/bin/sh\n')
    chmodSync(join(shared, 'run.sh'), 0o755)
    symlinkSync('a.txt', join(shared, 'link'))
    write('project/.git/config', 'not ours')
    write('node_modules/x.js', 'not ours')
    await ok('state.save', { category: 'projects', name: '.git', data: { status: 'active' } })
    const { commit } = await ok<Commit>('version.commit', { message: 'First' })
    git('fsck', '--strict', '--full')
    assert.equal(git('log', '--format=%H %an %s').trim(), `${commit} user:ada First`)
    const tree = git('ls-tree', '-r', 'HEAD')
      .trim()
      .split('\n')
      .map((line) => line.replace(/ blob [0-9a-f]+\t/, ' '))
    assert.deepEqual(tree, [
      '100644 shared/a.txt',
      '100644 shared/deep/er/b.txt',
      '120000 shared/link',
      '100755 shared/run.sh',
      '100644 state/projects/%2Egit.json',
    ])
    assert.equal(git('show', 'HEAD:shared/deep/er/b.txt'), 'two\n')
    const again = await ok<Commit>('version.commit', { message: 'Nothing' })
    assert.deepEqual([again.commit, again.changed], [commit, false])
  })
})

test('a nested file, a folder and deleted files come back from an earlier commit, and what they replace is kept', async () => {
  await withVersions(async ({ write, read, shared, ok, git }) => {
    write('docs/deep/a.txt', 'old a')
    write('docs/b.txt', 'old b')
    write('other.txt', 'other')
    const { commit: first } = await ok<Commit>('version.commit', { message: 'First' })
    write('docs/deep/a.txt', 'new a')
    rmSync(join(shared, 'docs/b.txt'))
    write('docs/c.txt', 'c')
    const restore = { path: 'docs', at: first.slice(0, 8) }
    const preview = await ok<{ changes: { path: string; change: string }[]; after: string }>('version.restore', restore)
    assert.deepEqual(preview.changes, [
      { path: '/shared/docs/b.txt', change: 'added' },
      { path: '/shared/docs/c.txt', change: 'deleted' },
      { path: '/shared/docs/deep/a.txt', change: 'changed' },
    ])
    assert.equal(read('docs/deep/a.txt'), 'new a', 'a preview changes nothing')
    const { before } = await ok<{ before: string }>('version.restore', { ...restore, apply: true })
    assert.deepEqual([read('docs/deep/a.txt'), read('docs/b.txt'), read('other.txt')], ['old a', 'old b', 'other'])
    assert.ok(!existsSync(join(shared, 'docs/c.txt')))
    assert.equal(git('show', `${before}:shared/docs/c.txt`), 'c')
    await ok('version.restore', { path: 'docs/c.txt', at: before, apply: true })
    assert.equal(read('docs/c.txt'), 'c')
    git('fsck', '--strict')
  })
})

test('no path leads out of the versions', async () => {
  await withVersions(async ({ write, ok, fails }) => {
    write('a.txt', 'a')
    await ok('version.commit', { message: 'First' })
    for (const path of ['../../etc/passwd', '/etc/passwd', '/shared/../vault/key', '/vault/key', '../state/x', '/shared/a\u0000'])
      assert.match(await fails('version.restore', { path, at: 'HEAD', apply: true }), /^path_refused/, path)
    for (const at of ['nothing', '../../x', 'HEAD~5', 'ffffffff', '--help'])
      assert.match(await fails('version.show', { path: 'a.txt', at }), /^not_found/, at)
  })
})

test('a saved document has versions, and comes back', async () => {
  await withVersions(async ({ ok, guest }) => {
    const place = { category: 'projects/oxbow', name: 'plan 1' }
    await ok('state.save', { ...place, data: 'first' })
    const { commit } = await ok<Commit>('version.commit', { message: 'First' })
    await ok('state.delete', place)
    await ok('version.restore', { path: '/state/projects/oxbow/plan 1', at: commit, apply: true })
    assert.equal((await ok<{ data: string }>('state.load', place)).data, 'first')
    assert.equal(guest.kernel.status().read_only, null)
  })
})

test('a turn that changes files is committed after it by its agent, and the record names commit and documents', async () => {
  const note = ['file_write', { path: 'note.txt', text: 'written' }] as const
  const play = inOrder(asks(note, ['state_save', { category: 'c', name: 'n', data: 1 }]), says('done'), says('nothing to do'))
  await withVersions(
    async ({ guest, git }) => {
      await guest.turn('Write a note\nand more')
      const record = await guest.record(({ name, phase }) => name === 'version.after_turn' && phase === 'outcome')
      const body = record.body as { commit: string; turn: string; files: number; state: { document: string; version: number }[] }
      assert.deepEqual([body.files, body.state.map(({ document }) => document)], [1, ['c/n']])
      const [newest] = git('log', '--format=%an|%s|%(trailers:key=Oxbow-Turn,valueonly,separator=)').split('\n')
      assert.equal(newest, `agent:ox|Write a note|${body.turn}`)
      const head = git('rev-parse', 'HEAD')
      await guest.turn('only talk')
      await guest.kernel.call('version.log', {})
      assert.equal(git('rev-parse', 'HEAD'), head)
    },
    { play, calls: builtinCalls({ files: true, shell: false }) },
  )
})

test('what the first turn of a workspace changes can be taken back: a version keeps what was there before', async () => {
  const both = [
    ['file_write', { path: 'old.txt', text: 'replaced' }],
    ['file_write', { path: 'new.txt', text: 'written' }],
  ] as const
  const play = inOrder(asks(...both), says('done'), asks(...both), says('done'))
  await withVersions(
    async ({ guest, shared, write, read, ok, git }) => {
      write('old.txt', 'of the person')
      await guest.turn('Write')
      const record = await guest.record(({ name, phase }) => name === 'version.after_turn' && phase === 'outcome')
      const { commit, files } = record.body as { commit: string; files: number }
      assert.equal(files, 2)
      const { commits } = await ok<{ commits: { author: string; subject: string }[] }>('version.log', {})
      assert.deepEqual(
        commits.map(({ author, subject }) => `${author}|${subject}`),
        ['agent:ox|Write', 'oxbow|Before the first change'],
      )
      await ok('version.restore', { path: '/shared', at: `${commit}~1`, apply: true })
      assert.deepEqual([read('old.txt'), existsSync(join(shared, 'new.txt'))], ['of the person', false])
      await guest.turn('Write again')
      assert.equal(git('log', '--format=%s', '--max-parents=0').trim(), 'Before the first change')
    },
    { play, calls: builtinCalls({ files: true, shell: false }) },
  )
})

test('a repository that was tampered with is reported, and no forged content is restored', async () => {
  await withVersions(async ({ write, ok, fails, folder, read }) => {
    write('a.txt', 'the content as it was')
    const { commit } = await ok<Commit>('version.commit', { message: 'First' })
    write('a.txt', 'later')
    const packs = join(folder, 'objects', 'pack')
    for (const name of readdirSync(packs).filter((each) => each.endsWith('.pack'))) {
      const bytes = readFileSync(join(packs, name))
      bytes[Math.floor(bytes.length / 2)]! ^= 1
      writeFileSync(join(packs, name), bytes)
    }
    assert.match(await fails('version.restore', { path: 'a.txt', at: commit, apply: true }), /damaged/)
    assert.equal(read('a.txt'), 'later')
  })
})

test('a file that is too large for a pack is kept once, next to the repository, and comes back byte for byte', async () => {
  await withVersions(
    async ({ write, read, folder, ok, fails, git }) => {
      const large = 'x'.repeat(200_000)
      write('a.bin', large)
      const { commit } = await ok<Commit>('version.commit', { message: 'First' })
      write('a.bin', 'small')
      write('b.bin', large)
      await ok('version.commit', { message: 'Second' })
      await ok('version.restore', { path: 'a.bin', at: commit, apply: true })
      assert.equal(read('a.bin'), large)
      assert.equal(readdirSync(join(folder, 'large')).length, 1)
      assert.match(await fails('version.show', { path: 'b.bin', at: 'HEAD' }), /^not_text/)
      git('fsck', '--strict')
    },
    { config: { versions: { max_file_mb: 0.1 } } },
  )
})

test('tags name versions, and log and diff find what changed', async () => {
  await withVersions(async ({ write, ok, fails, git }) => {
    write('a.txt', 'one\n')
    await ok('version.commit', { message: 'First' })
    await ok('version.tag', { tag: 'v1' })
    assert.match(await fails('version.tag', { tag: 'v1' }), /already a tag/)
    for (const tag of ['../x', 'a b', '-x', 'x.lock', 'a..b']) assert.match(await fails('version.tag', { tag }), /^bad_input/, tag)
    write('a.txt', 'two\n')
    write('b.txt', 'b\n')
    await ok('version.commit', { message: 'Second' })
    write('b.txt', 'c\n')
    await ok('version.commit', { message: 'Third' })
    const { commits } = await ok<{ commits: { subject: string; tags: string[] }[] }>('version.log', { path: 'a.txt' })
    assert.deepEqual(
      commits.map(({ subject, tags }) => [subject, tags]),
      [
        ['Second', []],
        ['First', ['v1']],
      ],
    )
    const { text } = await ok<{ text: string }>('version.diff', { from: 'v1', path: 'a.txt' })
    assert.match(text, /--- a\/shared\/a\.txt\n\+\+\+ b\/shared\/a\.txt\n@@ -1,1 \+1,1 @@\n-one\n\+two\n/)
    const { changes } = await ok<{ changes: unknown }>('version.diff', {})
    assert.deepEqual(changes, [{ path: '/shared/b.txt', change: 'changed' }])
    assert.equal((await ok<{ text: string }>('version.show', { path: 'a.txt', at: 'v1' })).text, 'one\n')
    assert.equal(git('tag').trim(), 'v1')
    git('fsck', '--strict')
  })
})

test('a name with a line break does not look like lines of a diff', async () => {
  await withVersions(async ({ write, ok }) => {
    const forged = ['a', '+++ b/harmless', '@@ -1 +1 @@', '+nothing', ''].join('\n')
    write(`${forged}.txt`, 'one\n')
    write(`${forged}.bin`, 'one\0')
    await ok('version.commit', { message: 'first' })
    const { text } = await ok<{ text: string }>('version.diff', {})
    assert.match(text, /^Binary or large: "shared\/a\\n/m)
    assert.doesNotMatch(text, /^\+(?:nothing|\+\+ b\/harmless)/m)
  })
})

test('files that change while a checkpoint runs are whole in it, and the next one has what it missed', async () => {
  await withVersions(async ({ write, ok, git, shared }) => {
    for (let at = 0; at < 300; at += 1) write(`many/f${at}.txt`, 'x'.repeat(2_000))
    const committing = ok<Commit>('version.commit', { message: 'First' })
    for (let round = 0; round < 20; round += 1) {
      for (let at = 0; at < 300; at += 30) write(`many/f${at}.txt`, `${round} `.repeat(500))
      rmSync(join(shared, `many/f${round + 1}.txt`), { force: true })
      await new Promise((resolve) => setImmediate(resolve))
    }
    await committing
    await ok('version.commit', { message: 'Second' })
    git('fsck', '--strict')
    const names = git('ls-tree', '-r', '--name-only', 'HEAD').trim().split('\n')
    assert.equal(names.length, readdirSync(join(shared, 'many')).length)
    assert.equal(git('show', 'HEAD:shared/many/f30.txt'), '19 '.repeat(500))
  })
})
