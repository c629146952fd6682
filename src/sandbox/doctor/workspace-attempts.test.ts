import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { findSelfRunning } from './workspace-attempts.ts'

describe('what runs by itself in a workspace', () => {
  let root: string
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'oxbow-self-'))
  })
  after(() => rm(root, { recursive: true }))
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }

  it('is named, with who runs it, wherever it lies; ordinary files are not', async () => {
    await put('.git/hooks/post-checkout', '#!/bin/sh\n')
    await put('deep/er/.git/config', '[core]\n\tfsmonitor = ./evil\n')
    await put('line/.git/config', '[core] fsmonitor = ./evil\n')
    await put('deep/.gitattributes', '*.txt filter=evil\n')
    await put('deep/er/.git/commondir', '../../evil')
    await put('bare/HEAD', 'ref: refs/heads/main\n')
    await put('line\nok  all is well/.envrc', 'evil')
    await put('.envrc', 'evil')
    await put('.vscode/tasks.json', '{"runOptions": {"runOn": "folderOpen"}}')
    await put('package.json', '{"scripts": {"postinstall": "evil"}}')
    await put('suid', 'x')
    await chmod(join(root, 'suid'), 0o4755)
    for (const [path, text] of [
      ['fine/.git/config', '[core]\n\tbare = false\n[remote "origin"]\n\turl = x\n'],
      ['fine/.git/hooks/pre-commit.sample', 'x'],
      ['fine/package.json', '{"scripts": {"test": "x"}}'],
      ['fine/.git/HEAD', 'ref: refs/heads/main\n'],
      ['fine/.git/worktrees/w/commondir', '../..\n'],
      ['fine/docs/HEAD', 'a title'],
      ['fine/.gitattributes', '* text=auto\n'],
      ['node_modules/a/package.json', '{"scripts": {"postinstall": "x"}}'],
    ] as const) {
      await put(path, text)
    }
    const { found, complete } = await findSelfRunning(root)
    assert.equal(complete, true)
    assert.deepEqual(found, [
      '.envrc (direnv)',
      '.git/hooks/post-checkout (git)',
      '.vscode/tasks.json (an editor)',
      'bare/HEAD (git, as a repository of its own)',
      'deep/.gitattributes (git)',
      'deep/er/.git/commondir (git)',
      'deep/er/.git/config (git)',
      'line/.git/config (git)',
      'line?ok  all is well/.envrc (direnv)',
      'package.json (npm install)',
      'suid (anybody, with the rights of its owner)',
    ])
  })

  // Each of them took seven seconds, in which nothing else went on.
  it('is looked for in files of nothing but empty lines, too', { timeout: 60_000 }, async () => {
    for (let i = 0; i < 20; i += 1) await put(`empty/${i}/.git/config`, '\n'.repeat(65_536))
    assert.deepEqual((await findSelfRunning(join(root, 'empty'))).found, [])
  })

  it('is looked for without following links, and ends in a folder that cannot be read', async () => {
    const empty = join(root, 'links')
    await mkdir(empty)
    await symlink(root, join(empty, 'up'))
    await symlink('/etc/passwd', join(empty, '.envrc'))
    assert.deepEqual(await findSelfRunning(empty), { found: [], complete: true })
    assert.deepEqual(await findSelfRunning(join(root, 'none')), { found: [], complete: true })
  })
})
