/** Diffs, held against git: what it writes is applied here, byte for byte, and what does not match is said precisely. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, rmSync } from 'node:fs'
import { chmod, link, lstat, mkdir, mkdtemp, readFile, readdir, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as fc from 'fast-check'
import type { ErrorCode, Failure } from '../../base/index.ts'
import { toReplyFailure } from '../failure.ts'
import type { Root } from '../files/workspace-path.ts'
import { commitChanges, patchFiles } from './patch-files.ts'
import { scaled } from '../../../test/support/scale.ts'

const signal = new AbortController().signal

describe('a diff', () => {
  let home: string
  let top: string
  let roots: readonly Root[]
  let count = 0
  before(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-patch-')))
  })
  after(() => rm(home, { recursive: true }))

  const begin = async (files: Readonly<Record<string, string>> = {}): Promise<void> => {
    count += 1
    top = join(home, `${count}`)
    await mkdir(top)
    roots = [{ virtual: '/shared', real: top }]
    await put(top, files)
  }
  const put = async (folder: string, files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(dirname(join(folder, name)), { recursive: true })
      await writeFile(join(folder, name), text)
    }
  }
  /** Every file below, by name; whoever leaves a temporary file is found out. */
  const all = async (folder = top): Promise<Record<string, string>> => {
    const found: Record<string, string> = {}
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name)
      if (entry.isFile()) found[path.slice(folder.length + 1)] = await readFile(path, 'latin1')
    }
    return found
  }
  const apply = (diff: string) => patchFiles(roots, { path: '/shared', diff }, signal)
  const misfit = async (code: ErrorCode, diff: string): Promise<Failure> => {
    const was = await all()
    const failure = toReplyFailure(
      await apply(diff).then(
        () => assert.fail('it was applied'),
        (error: unknown) => error,
      ),
    )
    assert.equal(failure.code, code, failure.message)
    assert.deepEqual(await all(), was)
    return failure
  }
  const diffOf = (from: string, to: string, args: readonly string[] = []): string => {
    try {
      return execFileSync('git', ['diff', '--no-index', ...args, from, to], {
        cwd: home,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      })
    } catch (error) {
      const { code, status, stdout } = error as { code?: string; status?: number; stdout: string }
      assert.notEqual(code, 'ENOENT', 'git is missing: apt-get install git')
      assert.equal(status, 1, String(error))
      return stdout
    }
  }

  it('that git wrote makes of the old files the new ones, to the last byte', async () => {
    const line = fc.constantFrom('a', 'b', 'c', '', '-- a', '++ b', '@@ -1 +1 @@', ' ', '\\ No newline', 'ü', 'diff --git a/x b/x', 'c\r')
    const text = fc
      .tuple(fc.array(line, { maxLength: 24 }), fc.boolean())
      .map(([lines, ends]) => lines.join('\n') + (ends && lines.length > 0 ? '\n' : ''))
    const name = fc.constantFrom('x', 'sub/x', 'a/a', 'b/b', 'with space', 'ü"\\quote', 'tab\tname', '-- x')
    const files = fc.dictionary(name, text, { maxKeys: 4, noNullPrototype: true })
    const args = fc.constantFrom<readonly string[]>([], ['-U0'], ['-U1'], ['-M10%'], ['--patience'])
    await fc.assert(
      fc.asyncProperty(files, files, args, async (old, now, how) => {
        await begin()
        await put(join(home, 'old'), old)
        await put(join(home, 'now'), now)
        for (const folder of ['old', 'now']) await mkdir(join(home, folder), { recursive: true })
        // Git names both folders; the names below them are what a diff in a repository has.
        const diff = diffOf('old', 'now', how)
          .replace(/^((?:--- |\+\+\+ |diff --git )?"?[ab]\/)(?:old|now)\//gm, '$1')
          .replace(/^(diff --git "?a\/.*? "?b\/)(?:old|now)\//gm, '$1')
          .replace(/^(rename (?:from|to) "?)(?:old|now)\//gm, '$1')
        await put(top, old)
        if (diff !== '') await apply(diff)
        const wanted = await all(join(home, 'now'))
        assert.deepEqual(await all(), wanted, diff)
        for (const folder of ['old', 'now']) await rm(join(home, folder), { recursive: true })
      }),
      { numRuns: scaled(60) },
    )
  })

  it('may be anything: it is applied or refused in words, and never half of it', async () => {
    const names = '--- a/x|+++ b/x|--- /dev/null|+++ /dev/null|--- "a/\\9|+++ b/|+++ b/..|--- a/new|+++ b/new|--- a/\0|+++ b/\0'
    const hunks = '@@ -1 +1 @@|@@ -0,0 +1 @@|@@ -1,2 +1,3 @@|@@ -999999999,9 +1 @@|@@ -1,0 +1,0 @@|@@|-a|+a| a||\\ No newline|b'
    const git = 'diff --git a/x b/x|diff --git|new file mode 100755|deleted file mode 100644|new mode 9|rename from x|rename to y'
    const line = fc.constantFrom(...`${names}|${hunks}|${git}`.split('|'))
    await begin()
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 14 }), async (lines) => {
        for (const name of await readdir(top)) await rm(join(top, name), { recursive: true })
        await put(top, { x: 'a\n', z: 'z' })
        const was = await all()
        const failure = await apply(lines.join('\n')).then(
          () => null,
          (error: unknown) => toReplyFailure(error),
        )
        assert.doesNotMatch(failure?.message ?? '', /unexpectedly/)
        if (failure !== null) assert.deepEqual(await all(), was)
      }),
      { numRuns: scaled(400) },
    )
  })

  const numbers = Array.from({ length: 20 }, (_, i) => `line ${i + 1}\n`).join('')
  const diff = (name: string, ...lines: readonly string[]): string => `--- a/${name}\n+++ b/${name}\n${lines.join('\n')}\n`

  it('names the hunk that does not match, and shows the file there', async () => {
    await begin({ 'src/x': numbers })
    const good = ['@@ -1,2 +1,2 @@', ' line 1', '-line 2', '+two']
    const { message, hint } = await misfit(
      'edit_mismatch',
      diff('src/x', ...good, '@@ -10,3 +10,3 @@', ' line 10', '-line eleven', '+11', ' line 12'),
    )
    assert.match(message, /^Hunk 2 of 2 for \/shared\/src\/x \(line 7 of the diff, @@ -10,3 \+10,3 @@\) does not match\.\n/)
    assert.match(message, /\nLine 11 of the file is "line 11"; the hunk has "line eleven"\.\nNothing was changed\./)
    assert.match(message, /from line 10:\nline 10\nline 11\nline 12\n/)
    assert.match(hint, /current content/)
    const spaces = await misfit('edit_mismatch', diff('src/x', '@@ -3 +3 @@', '-line  3', '+x'))
    assert.match(spaces.hint, /Only spaces, tabs or line ends/)
    const far = await misfit('edit_mismatch', diff('src/x', '@@ -40,0 +41 @@', '+x'))
    assert.match(far.message, /the file has 20 lines/)
    const past = await misfit('edit_mismatch', diff('src/x', '@@ -20,2 +20,1 @@', ' line 20', '-line 21'))
    assert.match(past.message, /Line 21 of the file does not exist; the hunk has "line 21"/)
    const taken = await misfit('edit_mismatch', diff('src/x', '@@ -5 +5 @@', '-line 5', '+x', '@@ -2 +2 @@', '-line 2', '+x'))
    assert.match(taken.message, /an earlier hunk covers/)
  })

  it('may have wrong line numbers while only one place is meant', async () => {
    await begin({ x: `${numbers}same\nsame\n` })
    const { files } = await apply(
      diff('x', '@@ -9 +9 @@', '-line 7', '+seven', '@@ -12,0 +13 @@', '+after ten', '@@ -15 +17 @@', '-line 13', '+thirteen'),
    )
    assert.deepEqual([files[0]!.shifted, files[0]!.hunks, files[0]!.added, files[0]!.removed], [3, 3, 3, 2])
    const lines = (await all())['x']!.split('\n')
    assert.deepEqual([lines[6], lines[9], lines[10], lines[13]], ['seven', 'line 10', 'after ten', 'thirteen'])
    const unclear = await misfit('edit_mismatch', diff('x', '@@ -2 +2 @@', '-same', '+x'))
    assert.match(unclear.message, /matches at 2 places, lines 22, 23/)
  })

  it('is not searched for forever in a file of equal lines', async () => {
    await begin({ x: `${'x\n'.repeat(20_000)}y\n${'x\n'.repeat(20_000)}` })
    const lines = (...kinds: readonly string[]) => kinds.map((kind) => `-${kind}`)
    const hunk = ['@@ -5,1502 +5,0 @@', ...Array.from({ length: 1_500 }, () => '-x'), ...lines('y', 'y')]
    assert.match((await misfit('edit_mismatch', diff('x', ...hunk))).message, /does not match\./)
    const equal = Array.from({ length: 20_002 }, () => '-x')
    assert.match((await misfit('edit_mismatch', diff('x', '@@ -5,20002 +5,0 @@', ...equal))).message, /would take too long/)
    const { files } = await apply(diff('x', '@@ -39999,3 +39999,2 @@', ' x', '-x', ' x'))
    assert.equal(files[0]!.removed, 1)
  })

  it('is refused for a file of more lines than there is memory for', async () => {
    await begin({ x: '\n'.repeat(1_000_000) })
    await misfit('limit_reached', diff('x', '@@ -1,0 +2 @@', '+x'))
  })

  it('suggests the header of a hunk with wrong line counts', async () => {
    await begin({ x: numbers })
    for (const [header, ...lines] of [
      ['@@ -1,3 +1,3 @@', ' line 1', '-line 2', '+x'],
      ['@@ -1 +1 @@', ' line 1', '-line 2', '+x'],
      ['@@ -1,2 +1,1 @@', ' line 1', '-line 2', '+x', '@@ -5 +5 @@', '-line 5', '+x'],
    ]) {
      const { message, hint } = await misfit('bad_input', diff('x', header!, ...lines))
      assert.match(message, /^Hunk 1 of x \(line 3 of the diff\) .* it has 2 old and 2 new lines/)
      assert.match(hint, /@@ -1,2 \+1,2 @@/)
    }
    assert.match((await misfit('bad_input', diff('x', '@@ here @@', '-line 1', '+x'))).message, /has no line numbers/)
  })

  it('is read with what mailers and models make of it', async () => {
    await begin({ x: 'a\n\nb\nlast' })
    const said = [
      'Subject: change',
      '',
      '```diff',
      '--- a/x\t2026-01-01 00:00:00',
      '+++ b/x',
      '@@ -1,4 +1,5 @@ function',
      '-a',
      '+A',
      '',
      ' b',
      ' last',
      '+more',
      '-- ',
      '2.39.5',
      '```',
      '',
    ]
    const { files } = await apply(said.join('\n'))
    assert.deepEqual([(await all())['x'], files[0]!.shifted], ['A\n\nb\nlast\nmore\n', 0])
    await apply('--- x\r\n+++ x\r\n@@ -4,2 +4,2 @@\n last\n-more\n+end\n\\ No newline at end of file\n')
    assert.equal((await all())['x'], 'A\n\nb\nlast\nend')
  })

  it('is refused when it is invalid, names no file, or is not supported', async () => {
    await begin({ x: 'a\n', y: 'b\n' })
    await symlink('x', join(top, 'link'))
    const hunk = '@@ -1 +1 @@\n-a\n+b\n'
    const create = '@@ -0,0 +1 @@\n+new\n'
    assert.match((await misfit('bad_input', 'hello\n')).hint, /--- a\/NAME/)
    assert.match((await misfit('bad_input', hunk)).message, /no file was named/)
    assert.match((await misfit('bad_input', `--- a/x\n+++ b/y\n${hunk}`)).hint, /rename from/)
    assert.match((await misfit('bad_input', '--- a/x\n+++ b/x\n')).message, /changes nothing/)
    assert.match((await misfit('bad_input', `--- /dev/null\n+++ /dev/null\n${create}`)).message, /does not name its file/)
    assert.match((await misfit('bad_input', 'diff --git a/x b/x\nBinary files a/x and b/x differ\n')).message, /binary/)
    assert.match((await misfit('bad_input', `diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n${create}`)).message, /link/)
    assert.match((await misfit('edit_mismatch', `--- /dev/null\n+++ b/x\n${create}`)).message, /already exists/)
    assert.match((await misfit('not_found', `--- a/z\n+++ b/z\n${hunk}`)).hint, /\/dev\/null/)
    assert.match((await misfit('edit_mismatch', '--- a/x\n+++ /dev/null\n@@ -1,0 +0,0 @@\n')).message, /not all of its lines/)
    assert.match((await misfit('edit_mismatch', 'diff --git a/x b/y\nrename from x\nrename to y\n')).message, /already exists/)
    await misfit('path_refused', '--- a/link\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n')
    await misfit('path_refused', `--- /dev/null\n+++ b/../../out\n${create}`)
    await misfit('path_refused', `--- /dev/null\n+++ /etc/out\n${create}`)
    await put(top, { binary: 'a\0' })
    await misfit('not_text', `--- a/binary\n+++ b/binary\n${hunk}`)
  })

  it('leads out of the workspace by no link, and follows one inside', async () => {
    await begin({ 'real/x': 'a\n' })
    await put(home, { [`out${count}/x`]: 'a\n' })
    await symlink(join(home, `out${count}`), join(top, 'out'))
    await symlink('real', join(top, 'in'))
    await symlink('real/x', join(top, 'file'))
    await misfit('path_refused', diff('out/x', '@@ -1 +1 @@', '-a', '+b'))
    await misfit('path_refused', '--- /dev/null\n+++ b/out/y\n@@ -0,0 +1 @@\n+new\n')
    // One file by two names is one file.
    await apply(diff('in/x', '@@ -1 +1 @@', '-a', '+b') + diff('file', '@@ -1 +1 @@', '-b', '+c'))
    assert.deepEqual([await all(), (await lstat(join(top, 'file'))).isSymbolicLink()], [{ 'real/x': 'c\n' }, true])
  })

  it('keeps the mode of a file, moves it along, and sets who may run it', async () => {
    await begin({ run: 'a\n', plain: 'a\n' })
    await chmod(join(top, 'run'), 0o750)
    await apply(
      'diff --git a/run b/bin/run\nrename from run\nrename to bin/run\n--- a/run\n+++ b/bin/run\n@@ -1 +1 @@\n-a\n+b\n' +
        'diff --git a/plain b/plain\nold mode 100644\nnew mode 100755\ndiff --git a/new b/new\nnew file mode 100755\n',
    )
    const mode = async (name: string) => (await lstat(join(top, name))).mode & 0o777
    assert.deepEqual(await all(), { 'bin/run': 'b\n', plain: 'a\n', new: '' })
    assert.deepEqual([await mode('bin/run'), await mode('plain'), await mode('new')], [0o750, 0o755, 0o755])
  })

  const change = (name: string, text: string | null, existed: boolean) => ({
    virtual: `/shared/${name}`,
    real: join(top, name),
    text,
    mode: null,
    standing: existed ? lstatSync(join(top, name)) : null,
  })

  it('is put back whole when its last file cannot be written', async () => {
    await begin({ changed: 'old\n', deleted: 'old\n', late: 'came first\n' })
    await link(join(top, 'changed'), join(top, 'second name'))
    const was = [await all(), await readdir(top)]
    // A file that was not there when the diff was worked out.
    const changes = [
      change('changed', 'new\n', true),
      change('deleted', null, true),
      change('made/deep/new', 'x', false),
      change('late', 'x', false),
    ]
    const failure = toReplyFailure(await commitChanges(roots, changes).catch((error: unknown) => error))
    assert.equal(failure.code, 'tool_failed')
    assert.deepEqual([await all(), await readdir(top)], was)
  })

  it('is undone as far as possible when another program removes its files', async () => {
    await begin({ changed: 'old\n', late: 'came first\n' })
    const made = Array.from({ length: 30 }, (_, i) => change(`made${i}`, 'x', false))
    const committing = commitChanges(roots, [change('changed', 'new\n', true), ...made, change('late', 'x', false)])
    const over = new AbortController()
    const meddling = (async () => {
      for (; !over.signal.aborted; await nextTurn()) rmSync(join(top, 'made0'), { force: true })
    })()
    const failure = toReplyFailure(await committing.catch((error: unknown) => error))
    over.abort()
    await meddling
    assert.match(failure.message, /not all of its changes/)
    assert.deepEqual(await all(), { changed: 'old\n', late: 'came first\n' })
  })
})
