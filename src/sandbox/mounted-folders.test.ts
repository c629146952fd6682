import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeWorkbench } from './sandbox-fixture.ts'

const options = { signal: new AbortController().signal, timeoutMs: 20_000 }

test('folders of the person are mounted in /shared, a read-only one cannot be changed, and hooks of their repositories neither', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-mounts-')))
  // As root, hands have a uid of their own, which must be able to write here.
  for (const name of ['', 'site', 'site/.git', 'site/.git/modules', 'site/.git/modules/libs', 'site/.git/modules/libs/a', 'papers']) {
    mkdirSync(join(root, name), { recursive: true })
    chmodSync(join(root, name), 0o777)
  }
  for (const name of ['site/.git/HEAD', 'site/.git/config', 'site/.git/modules/libs/a/HEAD', 'papers/a.txt'])
    writeFileSync(join(root, name), 'x')
  const mounts = [
    { name: 'site', path: join(root, 'site'), readOnly: false },
    { name: 'papers', path: join(root, 'papers'), readOnly: true },
  ]
  try {
    await using bench = await makeWorkbench({ mounts })
    const hands = await bench.sandbox.hands('work')
    const exec = async (command: string): Promise<number | null> => {
      const input = { command, cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
      return (await hands.ask('exec', input, options)).exitCode
    }
    assert.equal(await exec('mkdir site/sub && echo new > site/sub/b.txt'), 0)
    assert.equal(readFileSync(join(root, 'site/sub/b.txt'), 'utf8'), 'new\n')
    assert.notEqual(await exec('echo x > papers/a.txt'), 0)
    assert.notEqual(await exec('echo x > site/.git/hooks/pre-commit'), 0)
    assert.notEqual(await exec('echo x > site/.git/modules/libs/a/hooks/pre-commit'), 0)
    assert.notEqual(await exec('mv site/.git site/old'), 0)
    for (const name of ['modules', 'modules/libs', 'modules/libs/a'])
      assert.notEqual(await exec(`mv -T site/.git/${name} site/.git/other`), 0, name)
    assert.equal(await exec('rm -rf site/.git/other; echo x > site/.git/modules/libs/a/index'), 0)
    const input = { path: '/shared', since: '', offset: 0, maxEntries: 100, maxFileBytes: 1_000, ignore: [] }
    const { entries } = await hands.ask('snapshot', input, options)
    assert.deepEqual(
      entries.map(({ path }) => path),
      ['site/sub/b.txt'],
      'versions cover what agents may change',
    )
    const { content } = await hands.ask('archive', { path: '/shared/site/sub', transfer: 'a', offset: 0, maxBytes: 100_000 }, options)
    await hands.ask('unpack', { path: '/shared/site', transfer: 't', offset: 0, content, last: true, overwrite: false }, options)
    assert.equal(readFileSync(join(root, 'site/b.txt'), 'utf8'), 'new\n', 'an archive is unpacked where nothing can be renamed into place')
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('a folder that was replaced by a link is not mounted', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-mounts-')))
  mkdirSync(join(root, 'elsewhere/site'), { recursive: true })
  writeFileSync(join(root, 'elsewhere/site/secret'), 'x')
  symlinkSync(join(root, 'elsewhere'), join(root, 'projects'))
  try {
    await using bench = await makeWorkbench({ mounts: [{ name: 'site', path: join(root, 'projects/site'), readOnly: false }] })
    const hands = await bench.sandbox.hands('work')
    const input = { command: 'cat site/secret', cwd: '/shared', stdin: '', timeoutMs: 10_000, maxOutputBytes: 1_000 }
    assert.notEqual((await hands.ask('exec', input, options)).exitCode, 0)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})

test('what is written into the name of a folder that is not shown is refused, with the reason, and makes no folder', async () => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-mounts-')))
  try {
    for (const insecure of [false, true]) {
      await using bench = await makeWorkbench({ insecure, mounts: [{ name: 'site', path: join(root, 'gone'), readOnly: false }] })
      const hands = await bench.sandbox.hands('work')
      const refused = {
        code: 'path_refused',
        message: /^\/shared\/site is a folder of the person that (?:does not exist|is not visible in this tier)\.$/,
      }
      const write = (path: string): Promise<unknown> => hands.ask('write', { path, text: 'x', ifHash: '' }, options)
      const diff = '--- /dev/null\n+++ b/site/a.txt\n@@ -0,0 +1 @@\n+x\n'
      await write('/shared/own.txt')
      for (const path of ['/shared/site', '/shared/site/a.txt', '/shared/./site/sub/a.txt'])
        await assert.rejects(write(path), refused, path)
      await assert.rejects(hands.ask('move', { from: '/shared/own.txt', to: '/shared/site/a.txt', overwrite: false }, options), refused)
      for (const path of ['/shared', '/shared/site']) await assert.rejects(hands.ask('patch', { path, diff }, options), refused)
      await assert.rejects(hands.ask('bytes', { path: '/shared/site/a.txt', offset: 0, maxBytes: 1 }, options), {
        ...refused,
        code: 'not_found',
      })
      await write('/shared/site-2/a.txt')
      assert.deepEqual(readdirSync(join(bench.root, 'shared')).toSorted(), ['own.txt', 'site-2'])
    }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
})
