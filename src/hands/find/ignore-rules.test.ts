/** What a search leaves out, held against the programs that everybody knows it from: ripgrep and git. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import { createGuard } from './pattern.ts'
import { walkFolder } from './walk-folder.ts'
import { withoutProgram } from '../../../test/support/needed-program.ts'
import { scaled } from '../../../test/support/scale.ts'

const signal = new AbortController().signal

function run(program: 'rg' | 'git', args: readonly string[], cwd: string): string[] {
  try {
    // Without the settings of whoever runs the tests.
    const env = { PATH: process.env['PATH'], HOME: cwd, GIT_CONFIG_NOSYSTEM: '1' }
    return execFileSync(program, args, { cwd, env, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      .split('\0')
      .filter((path) => path !== '')
  } catch (error) {
    const { status, stdout } = error as { status?: number; stdout?: string }
    // What ripgrep ends with when nothing is left to search.
    if (program === 'rg' && status === 1) return (stdout ?? '').split('\0').filter((path) => path !== '')
    throw error
  }
}

const name = fc.constantFrom('a', 'b', 'ab', 'a.b', 'a b', '.h', '[a]', '{a}', 'A', '-a', 'a]')
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'))
const glob = (parts: readonly string[]) =>
  fc
    .tuple(
      fc.constantFrom('', '!', '/', '!/'),
      fc.array(fc.constantFrom('a', 'b', '.', 'a.b', '*', '?', '**', '/', '/', '**/', '/**', '[ab]', '[a-c]', '.h', ...parts), {
        minLength: 1,
        maxLength: 5,
      }),
      fc.constantFrom('', '', '/', ' '),
    )
    .map(([start, middle, end]) => (start + middle.join('') + end).replace(/\/{2,}/g, '/'))
const rules = (parts: readonly string[], fits: (line: string) => boolean = () => true) =>
  fc.array(fc.oneof(glob(parts).filter(fits), fc.constantFrom('', '# a', '*')), { maxLength: 4 })

/** Git compares the plain beginning of a rule by itself, so that `/a**` means `/a` and then `**`; to ripgrep and to us it is `/a*`. */
const beginsAsMeant = (line: string): boolean => !/^!?\/?[^*?[\\]*[^*?[\\/]\*{2,}(?:[/ ]|$)/.test(line)

/** Three stars and more are two to git and to us where they are a whole part of the path; ripgrep takes them for one. */
const starsAsMeant = (line: string): boolean => !/\*{3,}/.test(line)

/** Left out here: `[!a]`, which takes a slash for a character in ripgrep, and `//`, whose meaning nobody defines,
 * and characters of several bytes, which both take for several characters. */
describe('what a search leaves out', () => {
  let home: string
  let count = 0
  before(async () => {
    home = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-ignore-')))
  })
  after(() => rm(home, { recursive: true }))

  const tree = async (files: readonly string[], ignores: Readonly<Record<string, readonly string[]>>): Promise<string> => {
    count += 1
    const top = join(home, `${count}`, 'top')
    for (const file of [...files, ...Object.keys(ignores)]) {
      // A name may be a folder in one path and a file in another: then the file is left away.
      await mkdir(dirname(join(top, file)), { recursive: true }).catch(() => undefined)
      await writeFile(join(top, file), ignores[file]?.join('\n') ?? '').catch(() => undefined)
    }
    await mkdir(top, { recursive: true })
    return top
  }
  const ours = async (top: string, below = ''): Promise<string[]> => {
    const roots = [{ virtual: '/shared', real: top }]
    const place = { virtual: join('/shared', below), real: join(top, below) }
    const found: string[] = []
    for await (const entry of walkFolder(place, { roots, depth: 64, ignored: 'left_out', guard: createGuard(), signal, cut: '' })) {
      if (entry.kind === 'file') found.push(entry.virtual.slice('/shared/'.length))
    }
    return found.sort()
  }

  it('is what the rules above a folder say, up to where its repository begins', async () => {
    const said = {
      '.gitignore': ['*.log'],
      '.ignore': ['*.tmp'],
      'repo/.gitignore': ['*.out', '!keep.out'],
      'repo/build/.gitignore': ['!a.out'],
    }
    const names = ['a.log', 'a.tmp', 'a.out', 'keep.out', 'a.ts']
    const top = await tree(['repo/.git/x', ...names.flatMap((each) => [each, `repo/${each}`, `repo/build/${each}`])], said)
    const left = ['a.log', 'a.out', 'a.ts', 'keep.out']
    const inRepository = ['repo/a.log', 'repo/a.ts', 'repo/keep.out']
    const inBuild = ['repo/build/a.log', 'repo/build/a.out', 'repo/build/a.ts', 'repo/build/keep.out']
    assert.deepEqual(await ours(top), [...left, ...inRepository, ...inBuild].sort())
    assert.deepEqual(await ours(top, 'repo'), [...inRepository, ...inBuild].sort())
    assert.deepEqual(await ours(top, 'repo/build'), inBuild)
  })

  it('is listed but not entered, unless `all` is set', async () => {
    const said = { '.gitignore': ['build/', '*.log'] }
    const top = await tree(['.git/x', 'build/in', 'node_modules/m', 'src/node_modules/m', 'src/.h', 'a.log'], said)
    const names = async (ignored: 'named' | 'entered'): Promise<string> => {
      const roots = [{ virtual: '/shared', real: top }]
      const found: string[] = []
      for await (const entry of walkFolder(roots[0]!, { roots, depth: 9, ignored, guard: createGuard(), signal, cut: '' }))
        found.push(entry.virtual.slice(8))
      return found.join(' ')
    }
    assert.equal(await names('named'), '.git build node_modules src src/node_modules src/.h .gitignore a.log')
    assert.equal(
      await names('entered'),
      '.git .git/x build build/in node_modules node_modules/m src src/node_modules src/node_modules/m src/.h .gitignore a.log',
    )
  })

  it('is decided by no more of an ignore file than it may have, and by none that is a link out or no file', async () => {
    const top = await tree(['a', 'b', 'c/x', 'out'], { '.ignore': [...Array.from({ length: 3_000 }, () => '#'), 'b'], 'c/.ignore': [] })
    await rm(join(top, 'c/.ignore'))
    await mkdir(join(top, 'c/.ignore'))
    await writeFile(join(home, 'rules'), 'a\n')
    await symlink(join(home, 'rules'), join(top, '.rgignore'))
    assert.deepEqual(await ours(top), ['a', 'b', 'c/x', 'out'])
  })

  it('takes no longer than a pattern may, whatever rules a stranger wrote', async () => {
    const top = await tree(['a'.repeat(250)], { '.ignore': [`${'*a'.repeat(40)}*b`] })
    await assert.rejects(ours(top), /takes too long/)
  })

  it('is what ripgrep leaves out, with any rules in any ignore file', { skip: withoutProgram('rg', 'ripgrep') }, async () => {
    const file = fc.constantFrom('.gitignore', '.ignore', '.rgignore', 'a/.gitignore', 'a/.ignore', 'b/.rgignore', 'a/b/.gitignore')
    const repository = fc.constantFrom('', '.git/x', 'a/.git/x')
    const ignores = fc.dictionary(file, rules([], starsAsMeant), { maxKeys: 4 })
    await fc.assert(
      fc.asyncProperty(fc.array(path, { maxLength: 14 }), ignores, repository, async (files, said, git) => {
        const top = await tree(git === '' ? files : [...files, git], said)
        const theirs = run('rg', ['--files', '--null', '--no-config', '--no-ignore-global', '--no-messages'], top)
        // A rule can open a repository's own files to ripgrep, not to us.
        const shown = theirs.filter((each) => !each.split('/').includes('.git')).sort()
        assert.deepEqual(await ours(top), shown, JSON.stringify({ files, said, git }))
      }),
      { numRuns: scaled(60) },
    )
  })

  it('takes more stars than two for two, as git does', async () => {
    const said = { 'a/.gitignore': ['***/a'], '.gitignore': ['/b/***', 'c/***/d'] }
    const files = ['a/a/[a]', 'a/b/a', 'b/c/d', 'c/d', 'c/x/y/d', 'c/z']
    const top = await tree([...files, '.git/info/x', '.git/objects/x', '.git/refs/x'], { ...said, '.git/HEAD': ['ref: refs/heads/main'] })
    const theirs = run('git', ['ls-files', '--others', '--exclude-standard', '-z'], top)
    assert.deepEqual(await ours(top), ['c/z'])
    assert.deepEqual(theirs.filter((each) => !each.includes('.git')).sort(), ['c/z'])
  })

  it('is what git leaves out within a repository', async () => {
    const file = fc.constantFrom('.gitignore', 'a/.gitignore', 'a/b/.gitignore', '.git/info/exclude')
    const ignores = fc.dictionary(file, rules(['[!a]', '{a,b}', '\\*', '\\a', '\\ ', '[]a]', '[\\]]', '***'], beginsAsMeant), {
      maxKeys: 3,
    })
    // Git knows no hidden files; the ignore files themselves are, to us.
    const isShown = (each: string): boolean => each.split('/').every((part) => !part.startsWith('.'))
    await fc.assert(
      fc.asyncProperty(fc.array(path.filter(isShown), { maxLength: 14 }), ignores, async (files, said) => {
        const top = await tree([...files, '.git/info/x', '.git/objects/x', '.git/refs/x'], {
          ...said,
          '.git/HEAD': ['ref: refs/heads/main'],
        })
        const theirs = run('git', ['ls-files', '--others', '--exclude-standard', '-z'], top)
        assert.deepEqual((await ours(top)).filter(isShown), theirs.filter(isShown).sort(), JSON.stringify({ files, said }))
      }),
      { numRuns: scaled(60) },
    )
  })
})
