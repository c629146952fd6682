import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile as writeHost } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { toReplyFailure } from '../failure.ts'
import { patchFiles } from '../patch/patch-files.ts'
import { createUploads } from '../transfer/put-file.ts'
import { editFile } from './edit-file.ts'
import { movePath } from './move-path.ts'
import type { Root } from './workspace-path.ts'
import { writeFile } from './write-file.ts'

const calm = new AbortController().signal

describe('hooks and settings of git', () => {
  let top = ''
  let roots: readonly Root[] = []
  before(async () => {
    // Below a folder that has the name itself: only what callers see of a path counts.
    top = join(await realpath(await mkdtemp(join(tmpdir(), 'oxbow-guard-'))), '.git')
    for (const folder of [
      'shared/r/.git/hooks',
      'shared/r/.git/objects',
      'shared/.git',
      'tmp',
      'shared/evil/hooks',
      'shared/bare/refs',
      'shared/bare/objects',
    ])
      await mkdir(join(top, folder), { recursive: true })
    await writeHost(join(top, 'shared/r/.git/config'), '[core]\n')
    await writeHost(join(top, 'shared/bare/HEAD'), 'ref: refs/heads/main\n')
    await writeHost(join(top, 'shared/a'), 'a\n')
    await symlink('r/.git/hooks', join(top, 'shared/link'))
    roots = ['shared', 'tmp'].map((name) => ({ virtual: `/${name}`, real: join(top, name) }))
  })
  after(() => rm(join(top, '..'), { recursive: true }))

  const paths = [
    'r/.git/hooks/pre-commit',
    'r/.git/config',
    'r/.git/config.worktree',
    'r/.GIT/hooks/x',
    'r/.git/modules/sub/hooks/x',
    'r/.git/worktrees/w/config',
    '.git/hooks/new/deep',
    'new/.git',
    'link/post-merge',
    'r/../link/../.git/hooks/x',
    // Names another folder for both; what a rebase that goes on runs; and what makes a folder a repository without `.git`.
    'r/.git/commondir',
    'r/.git/worktrees/w/.git',
    'r/.git/rebase-merge/git-rebase-todo',
    'r/.git/sequencer/todo',
    'HEAD',
    'new/deep/HEAD',
    'bare/config',
    'bare/hooks/post-checkout',
    'bare/commondir',
  ]
  for (const path of paths) {
    it(`are out of reach for every call that writes: ${path}`, async () => {
      const uploads = createUploads(roots)
      const at = `/shared/${path}`
      const diff = `--- /dev/null\n+++ b/${path}\n@@ -0,0 +1 @@\n+x\n`
      const piece = { path: at, upload: 'u', offset: 0, content: Buffer.from('x'), last: true, overwrite: true }
      const tries = {
        write: () => writeFile(roots, { path: at, text: 'x' }),
        put: () => uploads.put(piece, calm),
        patch: () => patchFiles(roots, { path: '/shared', diff }, calm),
        move: () => movePath(roots, { from: '/shared/a', to: at, overwrite: true }, calm),
      }
      for (const [name, trying] of Object.entries(tries)) {
        const failure = toReplyFailure(
          await trying().then(
            () => assert.fail(`${name} did it`),
            (error: unknown) => error,
          ),
        )
        assert.equal(failure.code, 'path_refused', `${name}: ${failure.message}`)
      }
      await uploads.close()
    })
  }

  it('are neither edited, nor moved away, nor brought along by a folder', async () => {
    const tries = [
      () => editFile(roots, { path: '/shared/r/.git/config', find: 'core', replace: 'x', all: false }),
      () => movePath(roots, { from: '/shared/r/.git/config', to: '/shared/c', overwrite: false }, calm),
      () => movePath(roots, { from: '/shared/evil', to: '/shared/b/.git', overwrite: false }, calm),
    ]
    for (const trying of tries) {
      const failure = toReplyFailure(
        await trying().then(
          () => assert.fail('it was done'),
          (error: unknown) => error,
        ),
      )
      assert.equal(failure.code, 'path_refused', failure.message)
      assert.match(failure.message, /run by git/)
    }
    assert.equal(await readFile(join(top, 'shared/r/.git/config'), 'utf8'), '[core]\n')
    assert.deepEqual(await readdir(join(top, 'shared/r/.git/hooks')), [])
  })

  it('leave what has the same names elsewhere alone', async () => {
    for (const path of [
      'config',
      'hooks/a',
      'HEAD/a',
      'HEAD.md',
      'commondir',
      'r/.github/hooks/a',
      '.gitignore',
      'r/.git/description',
      'r/.git.hooks/config',
    ]) {
      assert.equal((await writeFile(roots, { path: `/shared/ok/${path}`, text: 'x' })).created, true)
    }
  })
})
