/** What a machine says of its workspace, honest or not, against the person's folder. The machine is a stand-in in memory. */
import assert from 'node:assert/strict'
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, normalize } from 'node:path'
import { after, before, describe, it } from 'node:test'
import fc from 'fast-check'
import { OxbowError, staysInside } from '../../base/index.ts'
import type { Hands, SurveyedEntry } from '../../protocol/index.ts'
import { refusedWith } from '../sandbox-contract.ts'
import { hostFolders } from './host-folders.ts'
import { mergeTree, readTree } from './merge-tree.ts'
import { stampsOf, surveyMachine, takeChanges } from './take-changes.ts'

describe('changes of a machine', () => {
  let top = ''
  let count = 0
  before(async () => {
    top = await mkdtemp(join(tmpdir(), 'oxbow-merge-'))
  })
  after(() => rm(top, { recursive: true }))

  const signal = new AbortController().signal
  /** Both have `had`; then the machine has `has`, and the person does something. @returns the folder, and what was told. */
  const merge = async (had: Guest, has: Guest, person: (root: string) => Promise<void> = () => Promise.resolve(), maxBytes = 1_000) => {
    const root = join(top, `root${(count += 1)}`)
    await mkdir(root)
    for (const { path, kind, text = '', target = '' } of had) {
      if (kind === 'folder') await mkdir(join(root, path))
      else await (kind === 'link' ? symlink(target, join(root, path)) : writeFile(join(root, path), text))
    }
    const agreed = await readTree(hostFolders(root, []), new Map())
    const stamps = stampsOf(await surveyMachine(handsOf(had), '/shared', signal))
    await person(root)
    const taken = await takeChanges(handsOf(has), '/shared', stamps, top, maxBytes, signal)
    const merged = await mergeTree({ folders: hostFolders(root, []), agreed, taken, uid: null, now: new Date(0) })
    return { root, ...merged, names: (await readdir(root, { recursive: true })).sort() }
  }
  const file = (path: string, text: string): GuestEntry => ({ path, kind: 'file', text })
  const folder = (path: string): GuestEntry => ({ path, kind: 'folder' })

  it('are merged: new, changed and deleted files, and folders that become files and back', async () => {
    const had = [file('a', '1'), file('b', '1'), folder('d'), file('d/x', '1'), file('e', '1')]
    const has = [file('a', '2'), file('d', 'now a file'), folder('e'), file('e/y', '1'), { ...file('new', '1'), executable: true }]
    const { root, names, reports, changed } = await merge(had, has)
    assert.deepEqual(names, ['a', 'd', 'e', 'e/y', 'new'])
    assert.deepEqual([await readFile(join(root, 'a'), 'utf8'), (await lstat(join(root, 'new'))).mode & 0o7777], ['2', 0o755])
    assert.deepEqual([reports, changed], [[], 7])
  })

  it('lose nothing that the person changed at the same time', async () => {
    const had = [file('a', '1'), file('b', '1'), folder('d'), file('d/x', '1'), file('same', '1')]
    const has = [file('a', '2'), file('d', 'a file'), file('same', '2')]
    const { root, names } = await merge(had, has, async (here) => {
      for (const name of ['a', 'b', 'd/x', 'd/more']) await writeFile(join(here, name), 'person')
      await writeFile(join(here, 'same'), '2')
    })
    const aside = '.host-19700101T000000'
    assert.deepEqual(names, ['a', `a${aside}`, 'b', 'd', `d${aside}`, `d${aside}/more`, `d${aside}/x`, 'same'])
    for (const name of [`a${aside}`, 'b', `d${aside}/more`, `d${aside}/x`]) assert.equal(await readFile(join(root, name), 'utf8'), 'person')
  })

  it('do not follow a link that has replaced a folder', async () => {
    const outside = join(top, 'outside')
    await mkdir(join(outside, 'e'), { recursive: true })
    const { names } = await merge(
      [folder('d'), folder('d/e')],
      [folder('d'), folder('d/e'), file('d/y', '1'), file('d/e/z', '1')],
      async (root) => {
        await rm(join(root, 'd'), { recursive: true })
        await symlink(outside, join(root, 'd'))
      },
    )
    assert.deepEqual(await readdir(outside, { recursive: true }), ['e'])
    assert.deepEqual(names, ['d', 'd.host-19700101T000000', 'd.host-19700101T000000/e', 'd/e', 'd/e/z', 'd/y'])
  })

  it('find their folder again when the person has removed it, and a second conflict of one moment another name', async () => {
    const { root, names } = await merge([folder('d'), file('a', '1')], [folder('d'), file('d/x', '1'), file('a', '2')], async (here) => {
      await rm(join(here, 'd'), { recursive: true })
      for (const name of ['a', 'a.host-19700101T000000']) await writeFile(join(here, name), name)
    })
    assert.deepEqual(names, ['a', 'a.host-19700101T000000', 'a.host-19700101T000000-2', 'd', 'd/x'])
    assert.equal(await readFile(join(root, 'a.host-19700101T000000'), 'utf8'), 'a.host-19700101T000000')
  })

  it('in an unreadable folder are not deletions', async () => {
    const had = [folder('d'), file('d/x', '1')]
    assert.deepEqual((await merge(had, [{ path: 'd', kind: 'closed' }])).names, ['d', 'd/x'])
  })

  it('are refused as a whole when their paths or sizes cannot be', async () => {
    for (const path of ['/etc/passwd', '../x', 'a/../../x', './a', 'a//b', 'a/', '', 'a\0b', 'x'.repeat(256), 'no/folder']) {
      await refusedWith('sandbox_failed', merge([], [file(path, 'x')]))
    }
    await refusedWith('sandbox_failed', merge([], [file('a', '1'), file('a', '2')]))
    await refusedWith('sandbox_failed', merge([], [{ path: 'a', kind: 'link', target: '..' }, file('a/x', '1')]))
    await refusedWith('sandbox_failed', merge([], [file('a', 'x'.repeat(600)), file('b', 'x'.repeat(600))]))
  })

  it('leave out what git would run on the host, and what configures it', async () => {
    const hooks = ['.git/hooks', '.git/modules', '.git/modules/m', '.git/modules/m/hooks', 'd'].map(folder)
    const files = ['.git/hooks/x', '.git/config', '.git/HEAD', '.git/modules/m/hooks/x', '.git/config.worktree', 'd/.GIT'].map((path) =>
      file(path, 'x'),
    )
    const { names, reports } = await merge([folder('.git')], [folder('.git'), ...hooks, ...files])
    assert.deepEqual(names, ['.git', '.git/HEAD', '.git/modules', '.git/modules/m', 'd'])
    assert.ok(reports.length >= 5)
    assert.deepEqual((await merge([folder('.git'), file('.git/config', 'x')], [])).names, ['.git', '.git/config'])
  })

  it('leave out a file or link that locates a repository, also inside another one', async () => {
    const nested = ['.git', '.git/x'].map(folder)
    const { names } = await merge([], [...nested, file('.git/x/.git', 'gitdir: ../../d'), folder('d')])
    assert.deepEqual(names, ['.git', '.git/x', 'd'])
  })

  it('make no repository of a folder without any .git, and change no settings of one', async () => {
    const parts = [folder('b'), folder('b/objects'), folder('b/refs')]
    const made = await merge(
      [],
      [folder('.git'), ...parts, file('b/HEAD', 'ref: refs/heads/main'), file('b/config', 'x'), file('.git/commondir', '../b')],
    )
    assert.ok(!made.names.includes('b/HEAD') && !made.names.includes('.git/commondir'))
    const there = [...parts, file('b/HEAD', 'ref: refs/heads/main')]
    const changed = await merge(there, [...there, file('b/config', 'x'), folder('b/hooks'), file('b/hooks/post-checkout', 'x')])
    assert.deepEqual(changed.names, ['b', 'b/HEAD', 'b/objects', 'b/refs'])
  })

  it('that are links stay inside, whatever links are in their paths', () => {
    const part = fc.constantFrom('..', 'a', 'b', '.', '')
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 4 }),
        fc.array(part, { maxLength: 6 }),
        (path, target) => {
          const text = target.join('/')
          if (!staysInside(path.join('/'), text)) return
          assert.ok(!normalize(join(...path, '..', text)).startsWith('..'))
          // What a link on the way stands for is not known: after a name, nothing may climb.
          assert.ok(!/[^./][^]*\.\./.test(text), text)
        },
      ),
    )
    assert.ok(
      staysInside('a/b/c', '../../x') && !staysInside('a/b/c', '../../../x') && !staysInside('a', 'b/../c') && !staysInside('a', '/x'),
    )
  })
})

type GuestEntry = { path: string; kind: SurveyedEntry['kind']; text?: string; target?: string; executable?: boolean }
type Guest = readonly GuestEntry[]

function handsOf(guest: Guest): Hands {
  const ask = (op: string, input: { path?: string; offset?: number }): Promise<unknown> => {
    if (op === 'survey') {
      const entries = guest.map(({ path, kind, text = '', target = '', executable = false }) => {
        return { path, kind, bytes: text.length, executable, modifiedMs: 0, stamp: text, target }
      })
      return Promise.resolve({ entries, truncated: false })
    }
    const found = guest.find(({ path }) => `/shared/${path}` === input.path)
    if (found?.text === undefined) return Promise.reject(new OxbowError('not_found', 'gone', { hint: 'x' }))
    return Promise.resolve({ content: Buffer.from(found.text).subarray(input.offset), offset: input.offset, totalBytes: found.text.length })
  }
  return { ask: ask as never }
}
