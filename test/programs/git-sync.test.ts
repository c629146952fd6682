/** git-sync in a real guest, with a real git and a real bare remote. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type BundledHome, openBundled } from './bundled-home.ts'
import { git } from './git.ts'

interface Synced {
  readonly status: string
  readonly commit: string
  readonly tag: string
  readonly text: string
  readonly syncs: number
}

/** A repository in the workspace, whose remote is a bare one there. */
async function withRemote(run: (home: BundledHome, repository: string, remote: string) => Promise<void>): Promise<void> {
  await using home = await openBundled(['git-sync'], '[exec]\nallow = ["git"]\n[approval.calls]\n"exec.run" = "allow"\n')
  const [repository, remote] = [join(home.shared, 'notes'), join(home.shared, 'remote.git')]
  git(home.shared, 'init', '--quiet', '--bare', '-b', 'main', remote)
  git(home.shared, 'init', '--quiet', '-b', 'main', repository)
  git(repository, 'remote', 'add', 'origin', '/shared/remote.git')
  await run(home, repository, remote)
}

void test('git-sync commits, tags and pushes what has changed, again and again, and reports a conflict without forcing it', async () => {
  await withRemote(async (home, repository, remote) => {
    const input = { repository: '/shared/notes' }
    writeFileSync(join(repository, 'a.md'), 'one')
    const first = await home.result<Synced>('git-sync', input)
    assert.equal(first.status, 'pushed', first.text)
    assert.match(first.tag, /^auto-sync-\d{8}T\d{6}Z$/)
    assert.equal(git(remote, 'rev-parse', 'main'), first.commit)
    assert.equal(git(remote, 'rev-parse', `${first.tag}^{commit}`), first.commit)
    assert.equal(git(remote, 'log', '-1', '--format=%an <%ae> %s'), 'Oxbow <git-sync@oxbow.invalid> Sync')

    const second = await home.result<Synced>('git-sync', input)
    assert.deepEqual([second.status, second.commit, second.tag], ['unchanged', first.commit, ''])

    // Somebody else pushes: nothing that they pushed is lost.
    const other = join(home.folder, 'other')
    git(home.folder, 'clone', '--quiet', remote, other)
    writeFileSync(join(other, 'a.md'), 'theirs')
    git(other, 'commit', '--quiet', '-am', 'Theirs')
    git(other, 'push', '--quiet', 'origin', 'main')
    const theirs = git(remote, 'rev-parse', 'main')
    writeFileSync(join(repository, 'a.md'), 'ours')
    const third = await home.result<Synced>('git-sync', { ...input, tag_prefix: 'mine' })
    assert.equal(third.status, 'conflict', third.text)
    assert.match(third.tag, /^mine-/)
    assert.equal(git(remote, 'rev-parse', 'main'), theirs)
    assert.deepEqual(git(remote, 'tag').split('\n'), [first.tag], 'a tag goes with its branch or not at all')
    assert.equal(git(repository, 'rev-parse', `${third.tag}^{commit}`), third.commit, 'what was committed stays')
    const [told, ...more] = await home.published<{ repository: string; branch: string; commit: string }>('git_sync_conflict')
    assert.deepEqual([told?.repository, told?.branch, told?.commit, more.length], ['/shared/notes', 'main', third.commit, 0])

    // When a person has merged, it goes on.
    git(repository, 'pull', '--quiet', '--no-rebase', '-X', 'ours', '--no-edit', remote, 'main')
    const last = await home.result<Synced>('git-sync', { ...input, times: 2, interval_mins: 0.02 })
    assert.deepEqual([last.status, last.syncs], ['unchanged', 2], last.text)
    assert.equal(git(remote, 'rev-parse', 'main'), git(repository, 'rev-parse', 'HEAD'))
  })
})

void test('the rights of git-sync do not let it force a push, whatever its script says', async () => {
  await withRemote(async (home, repository, remote) => {
    writeFileSync(join(repository, 'a.md'), 'one')
    assert.equal((await home.result<Synced>('git-sync', { repository: '/shared/notes' })).status, 'pushed')
    const before = git(remote, 'rev-parse', 'main')
    const folder = join(home.folder, 'programs', 'sly')
    mkdirSync(folder)
    cpSync(join(home.folder, 'programs', 'git-sync'), folder, { recursive: true })
    const toml = readFileSync(join(folder, 'program.toml'), 'utf8')
    writeFileSync(join(folder, 'program.toml'), toml.replace('name = "git-sync"', 'name = "sly"').replace(/\[result\][\s\S]*/, ''))
    writeFileSync(
      join(folder, 'main.js'),
      `export default () => [['push', '--force', 'origin', 'HEAD'], ['push', '--porcelain', '--atomic', '--follow-tags', 'origin', '+HEAD'], ['push', '--porcelain', '--atomic', '--follow-tags', '--force', 'origin', 'HEAD']]
        .map((args) => { try { return oxbow.call('exec.run', { binary: 'git', args, cwd: '/shared/notes' }).text } catch (error) { return error.code } })
        .concat((() => { try { return oxbow.call('shell.online', { command: 'git push --force origin HEAD', cwd: '/shared/notes' }).text } catch (error) { return error.code } })())`,
    )
    git(repository, 'commit', '--quiet', '--amend', '-m', 'Rewritten')
    assert.deepEqual(await home.result<readonly string[]>('sly'), ['denied', 'denied', 'denied', 'denied'])
    assert.equal(git(remote, 'rev-parse', 'main'), before)
  })
})
