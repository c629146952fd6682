import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { HandsOps } from '../../protocol/index.ts'
import type { Root } from '../files/workspace-path.ts'
import { searchBlockBytes, smallFileBytes } from '../limits.ts'
import { listFolder } from './walk-folder.ts'
import { searchFiles } from './search-files.ts'
import { withoutProgram } from '../../../test/support/needed-program.ts'
import { scaled } from '../../../test/support/scale.ts'

type Input = HandsOps['search']['input']
type Match = HandsOps['search']['output']['matches'][number]

describe('searching', () => {
  let top: string
  let roots: readonly Root[]
  before(async () => {
    top = await realpath(await mkdtemp(join(tmpdir(), 'oxbow-search-')))
    roots = [{ virtual: '/shared', real: top }]
  })
  after(() => rm(top, { recursive: true }))
  const search = (more: Partial<Input>) => {
    const input = {
      path: '/shared',
      pattern: 'x',
      regex: true,
      ignoreCase: false,
      glob: '',
      all: false,
      contextLines: 0,
      skip: 0,
      maxMatches: 200,
    }
    return searchFiles(roots, { ...input, ...more }, new AbortController().signal)
  }

  it('gives a pattern no more of many small files at once than of a large one, in the time that one block has', async () => {
    const folder = join(top, 'small')
    await mkdir(folder)
    const bytes = smallFileBytes / 2
    const count = 40
    for (let i = 0; i < count; i += 1) await writeFile(join(folder, `f${i}`), 'word\n'.padEnd(bytes, 'w'))
    let blocks = 0
    const guard = <T>(work: () => T): T => {
      blocks += 1
      return work()
    }
    const input = { pattern: '^word$', regex: true, ignoreCase: false, glob: '', all: true, contextLines: 0, skip: 0, maxMatches: 200 }
    const { matches } = await searchFiles(roots, { path: '/shared/small', ...input }, new AbortController().signal, guard)
    await rm(folder, { recursive: true })
    assert.deepEqual([matches.length, blocks], [count, Math.ceil((count * bytes) / searchBlockBytes)])
  })

  it(
    'finds the lines that ripgrep finds, with the lines around them, whatever the pages',
    { skip: withoutProgram('rg', 'ripgrep') },
    async () => {
      const line = fc.constantFrom('x', 'y', '', 'xx y', ' x', 'é x', 'X')
      const text = fc
        .tuple(fc.constantFrom('', '\uFEFF'), fc.array(line, { maxLength: 30 }), fc.boolean())
        .map(([mark, lines, ends]) => mark + lines.join('\n') + (ends ? '\n' : ''))
      const pattern = fc.constantFrom('x', '^x', 'x$', '^$', 'x|y', '\\bx\\b', '[^y]', '(?i)x', '^')
      await fc.assert(
        fc.asyncProperty(text, pattern, fc.nat(3), fc.integer({ min: 1, max: 9 }), async (said, wanted, contextLines, maxMatches) => {
          await writeFile(join(top, 'law'), said)
          const found: Match[] = []
          for (let more = true; more;) {
            const page = await search({ path: '/shared/law', pattern: wanted, contextLines, skip: found.length, maxMatches })
            found.push(...page.matches)
            more = page.truncated
          }
          assert.deepEqual(shown(found), ripgrep(wanted, contextLines))
        }),
        { numRuns: scaled(80) },
      )
    },
  )

  /** Lines by number: a page begins with context that the page before may have ended with. */
  const shown = (matches: readonly Match[]): Record<number, string> => {
    const lines: Record<number, string> = {}
    for (const { line, text, before: above, after: below } of matches) {
      for (const [i, each] of above.entries()) lines[line - above.length + i] ??= `-${each}`
      lines[line] = `:${text}`
      for (const [i, each] of below.entries()) lines[line + 1 + i] ??= `-${each}`
    }
    return lines
  }
  const ripgrep = (pattern: string, context: number): Record<number, string> => {
    const args = ['--no-config', '-n', '-C', String(context), '--', pattern, 'law']
    const lines: Record<number, string> = {}
    let out = ''
    try {
      out = execFileSync('rg', args, { cwd: top, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    } catch (error) {
      const { status } = error as { status?: number }
      assert.equal(status, 1, String(error))
    }
    for (const [, number, rest] of out.matchAll(/^(\d+)([:-].*)$/gm)) lines[Number(number)] = rest!
    return lines
  }

  it('shows the right lines around a match also where a block of the file ends', async () => {
    const lines = Array.from({ length: 40_000 }, (_, i) => `${i % 97 === 0 ? 'mark' : 'line'} ${i + 1} ${'-'.repeat(i % 40)}`)
    await writeFile(join(top, 'large'), lines.join('\n'))
    for (const skip of [0, 150, 300]) {
      const { matches } = await search({ path: '/shared/large', pattern: '^mark', contextLines: 3, skip, maxMatches: 150 })
      assert.ok(matches.length > 100)
      for (const match of matches) {
        assert.deepEqual(match.before, lines.slice(Math.max(0, match.line - 4), match.line - 1))
        assert.deepEqual(match.after, lines.slice(match.line, match.line + 3))
      }
    }
  })

  it('drops the matches of a file that turns out to be binary, and continues the page', async () => {
    await mkdir(join(top, 'mixed'))
    await writeFile(join(top, 'mixed/a'), `${'needle\n'.repeat(5)}${'line\n'.repeat(200_000)}\0`)
    await writeFile(join(top, 'mixed/b'), 'one\nneedle\nneedle\n')
    const found = await search({ path: '/shared/mixed', pattern: 'needle', skip: 1, maxMatches: 10 })
    assert.deepEqual([found.matches.map(({ path, line }) => `${path}:${line}`), found.filesSearched], [['/shared/mixed/b:3'], 1])
  })

  it('leaves hidden and ignored files out unless `all` is set, or they are named', async () => {
    const files = {
      '.git/config': '',
      '.gitignore': 'dist\n',
      'dist/out.js': 'needle',
      '.env': 'needle',
      'node_modules/m.js': 'needle',
      'a.js': 'needle',
    }
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(top, 'project', name, '..'), { recursive: true })
      await writeFile(join(top, 'project', name), text)
    }
    const found = async (more: Partial<Input>) => {
      const { matches } = await search({ path: '/shared/project', pattern: 'needle', ...more })
      return matches.map(({ path }) => path.slice('/shared/project/'.length)).join(' ')
    }
    assert.equal(await found({}), 'a.js')
    assert.equal(await found({ all: true }), 'dist/out.js node_modules/m.js .env a.js')
    assert.equal(await found({ all: true, glob: '*.js' }), 'dist/out.js node_modules/m.js a.js')
    assert.equal(await found({ path: '/shared/project/dist' }), 'dist/out.js')
    assert.equal(await found({ path: '/shared/project/.env' }), '.env')
  })

  it('reports a folder with more entries than are read', async () => {
    const many = join(top, 'many')
    await mkdir(many)
    for (let i = 0; i < 20_001; i += 1) writeFileSync(join(many, `${i}`), '')
    await assert.rejects(search({ path: '/shared/many', pattern: 'needle' }), /many has more than 20000 entries/)
    const page = (skip: number) =>
      listFolder(roots, { path: '/shared/many', depth: 1, glob: '', all: true, skip, maxEntries: 100 }, new AbortController().signal)
    const last = await page(19_950)
    assert.deepEqual([last.entries.length, last.truncated], [50, true])
    await assert.rejects(page(20_000), /many has more than 20000 entries/)
  })
})
