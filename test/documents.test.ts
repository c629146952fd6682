/** Every document and every hint against the program: what they name is there. The rules are planted in `documents/name-rules.test.ts`. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseSync } from 'oxc-parser'
import { literalText, type Node, walk } from './architecture/source-parse.ts'
import { wrongCommands } from './documents/command-rules.ts'
import { foreignNames, problemOf } from './documents/name-rules.ts'
import { namesOf } from './documents/page-names.ts'
import { modelLimits } from '../src/engine/limits.ts'
import { programFacts, read } from './documents/program-facts.ts'

const facts = await programFacts()
const pages = [...facts.paths].filter((path) => path.endsWith('.md') && !path.startsWith('test/'))

void describe('names in documents', () => {
  void test('exist: files, links, verbs and their options, scripts, keys, calls, rights, variables, identifiers', () => {
    assert.ok(pages.length >= 20)
    const wrong = pages.flatMap((page) =>
      namesOf(read(page)).flatMap((name) => {
        const problem = problemOf(name, page, facts)
        return problem === null ? [] : [`${page}:${name.line}: ${problem}`]
      }),
    )
    assert.deepEqual(wrong, [])
  })

  void test('of other projects are used somewhere', () => {
    const all = new Set(pages.flatMap((page) => namesOf(read(page)).map(({ text }) => text)))
    assert.deepEqual(
      Object.keys(foreignNames).filter((name) => !all.has(name)),
      [],
    )
  })
})

void test("the page about failing models has the engine's limits", () => {
  const inMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, minutes: 60_000 }
  const rows = Array.from(read('docs/reliability.md').matchAll(/^\| (`.*?`) +\| (\d.*?) +\|/gm), ([, names = '', values = '']) =>
    values.split(', ').map((value, at) => {
      const [number = '', unit] = value.split(' ')
      return [names.split(', ')[at]?.replaceAll('`', '') ?? '', Number(number) * (unit === undefined ? 1 : (inMs[unit] ?? Number.NaN))]
    }),
  ).flat()
  assert.ok(rows.length >= 13)
  assert.deepEqual(
    rows,
    rows.map(([name]) => [name, modelLimits[name as keyof typeof modelLimits]]),
  )
})

void test('the page of the command line and the changelog name every verb', () => {
  for (const page of ['docs/cli.md', 'CHANGELOG.md']) {
    const text = read(page)
    const missing = facts.program.commands.map((verb) => verb.name()).filter((name) => !text.includes(`\`oxbow ${name}`))
    assert.deepEqual(missing, [], page)
  }
})

/** Texts that begin like a command but are not, each with what it is. */
const noCommands: Readonly<Record<string, string>> = {
  'oxbow store file': 'a label in the derivation of keys',
  'oxbow backup root': 'another',
  'oxbow backup files': 'another',
  '<!-- oxbow … -->': 'a comment in an exported session',
}

void test('every command in a hint, a help text or a description exists', () => {
  const sources = [...facts.paths].filter((path) => /^src\/.*(?<!\.test|-fixture)\.ts$/.test(path))
  const wrong = sources.flatMap((path) => {
    const source = read(path)
    if (!source.includes('oxbow ')) return []
    const texts: string[] = []
    walk(parseSync(path, source).program as unknown as Node, (node) => {
      const text = literalText(node) ?? templateText(node)
      if (text !== null && !Object.hasOwn(noCommands, text)) texts.push(text)
    })
    return texts.flatMap((text) => wrongCommands(text, facts.program).map((problem) => `${path}: ${problem}`))
  })
  assert.deepEqual(wrong, [])
})

/** @returns a template as a person reads it, with `…` for what is filled in; null for another node. */
function templateText(node: Node): string | null {
  if (node.type !== 'TemplateLiteral') return null
  const quasis = node['quasis'] as { readonly value: { readonly cooked: string } }[]
  return quasis.map(({ value }) => value.cooked).join('…')
}

void test('every error that is raised says what to do next', () => {
  // What nobody reads: the first ends a loop, the second is what clients of MCP compare.
  const silent = new Set(['Enough was read.', 'Session not found'])
  const wrong = [...facts.paths]
    .filter((path) => /^src\/.*(?<!\.test|-fixture)\.ts$/.test(path))
    .flatMap((path) => {
      const found: string[] = []
      walk(parseSync(path, read(path)).program as unknown as Node, (node) => {
        if (node.type !== 'NewExpression' || (node['callee'] as { readonly name?: string }).name !== 'OxbowError') return
        const [, message, options] = node['arguments'] as readonly (Node | undefined)[]
        const text = message === undefined ? null : (literalText(message) ?? templateText(message))
        const properties = (options?.['properties'] ?? []) as readonly {
          readonly key?: { readonly name?: string }
          readonly value?: Node
        }[]
        const hint = properties.find(({ key }) => key?.name === 'hint')?.value
        if (hint !== undefined && literalText(hint) === '' && !silent.has(text ?? '')) found.push(`${path}: ${text}`)
      })
      return found
    })
  assert.deepEqual(wrong, [])
})

void test('README leads to every page', () => {
  const readme = read('README.md')
  const missing = pages.filter((path) => /^docs\/[^/]+\.md$/.test(path) && !readme.includes(`(${path})`))
  assert.deepEqual(missing, [])
})
