/** Plants every kind of violation in a small clean tree and sees exactly that one reported: a rule that was never seen to fail proves nothing. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTree } from './check-tree.ts'
import { checkCore } from './core-shape.ts'
import { modules } from './modules.ts'
import { waivers } from './waivers.ts'
import { readTree } from './source-tree.ts'
import type { RuleName } from './violation.ts'

type Files = Readonly<Record<string, string>>
type Planted = readonly [name: string, files: Files, expected: readonly `${RuleName} ${string}`[]]

const manifest = readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8')

/** Keeps every rule; each planted file is laid over it. */
const clean: Files = {
  'package.json': manifest,
  'src/base/index.ts': `export * from './id.ts'\n`,
  'src/base/id.ts': `/** enum, namespace, import('../kernel/index.ts') */\nexport type Id = string\nexport const text = "import '../kernel/index.ts'"\n`,
  'src/store/index.ts': `export * from './store.ts'\n`,
  'src/store/store.ts': `import type { Id } from '../base/index.ts'\nexport interface Store { get(id: Id): string }\nexport const openStore = (): Store => ({ get: (id) => id })\n`,
  'src/kernel/index.ts': `export * from './gate.ts'\n`,
  'src/kernel/stages/gate.ts': `import { createHash } from 'node:crypto'\nimport type { Store } from '../store/index.ts'\nexport class GateError extends Error {}\nexport const gate = (store: Store): string => createHash('sha1').update(store.get('')).digest('hex')\n`,
  'src/kernel/stages/gate.test.ts': `import { openStore } from '../store/store.ts'\nlet seen = openStore()\nexport { seen }\n`,
}

const lines = (count: number, line: (i: number) => string): string => Array.from({ length: count }, (_, i) => `${line(i)}\n`).join('')
const changed = (dependencies: object, part: string): string => JSON.stringify({ ...JSON.parse(manifest), [part]: dependencies })
const part = (name: string): Record<string, string> => (JSON.parse(manifest) as Record<string, Record<string, string>>)[name] ?? {}

const direction: readonly Planted[] = [
  [
    'an import that goes up',
    { 'src/store/a.ts': `import { gate } from '../kernel/index.ts'\nexport { gate }\n` },
    ['wrong_direction src/store/a.ts'],
  ],
  ['an import that goes sideways', { 'src/tools/a.ts': `import '../engine/index.ts'\n` }, ['wrong_direction src/tools/a.ts']],
  [
    'a type-only import that goes up',
    { 'src/base/a.ts': `import type { Store } from '../store/index.ts'\nexport type A = Store\n` },
    ['wrong_direction src/base/a.ts'],
  ],
  [
    'an inline type import that goes up',
    { 'src/base/a.ts': `export type A = import('../store/index.ts').Store\n` },
    ['wrong_direction src/base/a.ts'],
  ],
  [
    'a dynamic import that goes up',
    { 'src/runtime/a.ts': `export const a = () => import('../kernel/index.ts')\n` },
    ['wrong_direction src/runtime/a.ts'],
  ],
  ['a re-export that goes up', { 'src/base/a.ts': `export * from '../store/index.ts'\n` }, ['wrong_direction src/base/a.ts']],
  [
    'a worker entry in another module',
    { 'src/base/a.ts': `export const a = new URL('../store/index.ts', import.meta.url)\n` },
    ['wrong_direction src/base/a.ts'],
  ],
  [
    'a worker entry in another module, chosen by a constant',
    {
      'src/base/a.ts': `const end = 1 ? 'js' : 'ts'\nconst file = 1 ? './a.js' : \`../store/index.\${end}\`\nexport const a = new URL(file, import.meta.url)\n`,
    },
    ['wrong_direction src/base/a.ts', 'wrong_direction src/base/a.ts'],
  ],
  ['product code that needs test code', { 'src/kernel/a.ts': `import './gate.test.ts'\n` }, ['needs_test_code src/kernel/a.ts']],
  [
    'a computed import',
    { 'src/runtime/a.ts': `export const a = (name: string) => import('../' + name)\n` },
    ['computed_import src/runtime/a.ts'],
  ],
  [
    'an import past a public API',
    { 'src/kernel/a.ts': `import type { Store } from '../store/store.ts'\nexport type A = Store\n` },
    ['past_public_api src/kernel/a.ts'],
  ],
  ['an import from outside src', { 'src/kernel/a.ts': `import '../../test/a.ts'\n` }, ['leaves_source src/kernel/a.ts']],
  [
    'an implementation named below the composition root',
    { 'src/kernel/a.ts': `import { openStore } from '../store/index.ts'\nexport const a = openStore()\n` },
    ['names_implementation src/kernel/a.ts'],
  ],
  [
    'a fake that imports upwards',
    { 'src/store/fake-store.ts': `import '../kernel/index.ts'\n` },
    ['wrong_direction src/store/fake-store.ts'],
  ],
  [
    'a cycle between files',
    {
      'src/kernel/a.ts': `import type { B } from './b.ts'\nexport type A = B\n`,
      'src/kernel/b.ts': `import type { A } from './a.ts'\nexport type B = A\n`,
    },
    ['cycle src/kernel/a.ts'],
  ],
]

const parts: readonly Planted[] = [
  [
    'a package in the wrong module',
    { 'src/kernel/a.ts': `import { WebSocket } from 'ws'\nexport { WebSocket }\n` },
    ['package_not_allowed src/kernel/a.ts'],
  ],
  [
    'a deep path into a package in the wrong module',
    { 'src/kernel/a.ts': `import '@hono/node-server/ws'\n` },
    ['package_not_allowed src/kernel/a.ts'],
  ],
  [
    'values of a package that may only be used for its types',
    { 'src/engine/a.ts': `import OpenAI from 'openai'\nexport { OpenAI }\n` },
    ['package_not_allowed src/engine/a.ts'],
  ],
  ['a development tool in product code', { 'src/kernel/a.ts': `import 'fast-check'\n` }, ['package_not_allowed src/kernel/a.ts']],
  [
    'programs started by the kernel',
    { 'src/kernel/a.ts': `import { spawn } from 'node:child_process'\nexport { spawn }\n` },
    ['builtin_not_allowed src/kernel/a.ts'],
  ],
  [
    'a builtin without its prefix',
    { 'src/kernel/a.ts': `import { join } from 'path'\nexport { join }\n` },
    ['builtin_not_allowed src/kernel/a.ts'],
  ],
  [
    'a builtin fetched lazily',
    { 'src/kernel/a.ts': `export const a = () => process.getBuiltinModule('node:child_process')\n` },
    ['builtin_not_allowed src/kernel/a.ts'],
  ],
  [
    'a builtin fetched by require',
    { 'src/kernel/a.ts': `export const a = (require: (name: string) => unknown) => require('node:net')\n` },
    ['builtin_not_allowed src/kernel/a.ts'],
  ],
  [
    'a static import of node:http',
    { 'src/gateway/a.ts': `import { request } from 'node:http'\nexport { request }\n` },
    ['static_http src/gateway/a.ts'],
  ],
  [
    'a static import of node:https',
    { 'src/engine/a.ts': `import https from 'node:https'\nexport { https }\n` },
    ['static_http src/engine/a.ts'],
  ],
  [
    'a dependency that no row names',
    { 'package.json': changed({ ...part('dependencies'), leftpad: '1.0.0' }, 'dependencies') },
    ['unnamed_dependency package.json'],
  ],
  [
    'a tool that no row names',
    { 'package.json': changed({ ...part('devDependencies'), leftpad: '1.0.0' }, 'devDependencies') },
    ['unnamed_dependency package.json'],
  ],
  [
    'a named package that is not a dependency',
    { 'package.json': changed({ ...part('dependencies'), '@lydell/node-pty': undefined }, 'dependencies') },
    ['missing_dependency package.json'],
  ],
  [
    'a version range',
    { 'package.json': changed({ ...part('dependencies'), '@lydell/node-pty': '^1.0.0' }, 'dependencies') },
    ['inexact_version package.json'],
  ],
]

const shape: readonly Planted[] = [
  ['a file over 400 lines', { 'src/kernel/a.ts': lines(401, (i) => `export const a${i} = ${i}`) }, ['file_too_long src/kernel/a.ts']],
  [
    'a test over 400 lines',
    { 'src/kernel/a.test.ts': lines(401, (i) => `export const a${i} = ${i}`) },
    ['file_too_long src/kernel/a.test.ts'],
  ],
  [
    'a function over 70 lines',
    { 'src/kernel/a.ts': `export function a() {\n${lines(69, () => '  // …')}}\n` },
    ['function_too_long src/kernel/a.ts'],
  ],
  [
    'a method over 70 lines',
    { 'src/kernel/a.ts': `export const a = {\n  b() {\n${lines(69, () => '    // …')}  },\n}\n` },
    ['function_too_long src/kernel/a.ts'],
  ],
  [
    'a case over 70 lines in a suite',
    { 'test/a.test.ts': `describe('a', () => {\n  test('b', () => {\n${lines(70, () => '    //')}  })\n})\n` },
    ['function_too_long test/a.test.ts'],
  ],
  [
    'a folder with over 20 files',
    Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`src/kernel/parts/a${i}.ts`, ''])),
    ['folder_too_full src/kernel/parts'],
  ],
  ['a folder three levels under a module', { 'src/kernel/a/b/c/d.ts': '' }, ['folder_too_deep src/kernel/a/b/c']],
  ['a folder without a layer', { 'src/attic/a.ts': '' }, ['module_without_layer src/attic/a.ts']],
  ['a file in no module', { 'src/a.ts': '' }, ['module_without_layer src/a.ts']],
  ...['utils', 'string-helpers', 'laneManager', 'common', 'misc.test'].map((name): Planted => [
    `a file named ${name}`,
    { [`src/kernel/${name}.ts`]: '' },
    [`forbidden_name src/kernel/${name}.ts`],
  ]),
  ['a folder named utils', { 'src/kernel/utils/a.ts': '' }, ['forbidden_name src/kernel/utils']],
  ['an enum', { 'src/kernel/a.ts': `export enum A { B }\n` }, ['forbidden_syntax src/kernel/a.ts']],
  ['a namespace', { 'src/kernel/a.ts': `export namespace A { export const b = 1 }\n` }, ['forbidden_syntax src/kernel/a.ts']],
  ['a decorator', { 'src/kernel/a.ts': `const d = () => {}\n@d\nexport class A extends Error {}\n` }, ['forbidden_syntax src/kernel/a.ts']],
  ['a class', { 'src/kernel/a.ts': `export class A {}\n` }, ['forbidden_syntax src/kernel/a.ts']],
  [
    'a class of a class',
    { 'src/kernel/a.ts': `import { EventEmitter } from 'node:events'\nexport const A = class extends EventEmitter {}\n` },
    ['forbidden_syntax src/kernel/a.ts'],
  ],
  ['a file that does not parse', { 'src/kernel/a.ts': `export const = 1\n` }, ['forbidden_syntax src/kernel/a.ts']],
  [
    'an output whose schema says nothing',
    { 'src/kernel/a.ts': `export const a = (z: any) => ({ output: z.custom() })\n` },
    ['undescribed_output src/kernel/a.ts'],
  ],
  ['a value or a promise of it', { 'src/kernel/a.ts': `export type A = string | Promise<string>\n` }, ['maybe_promise src/kernel/a.ts']],
  ['a top-level let', { 'src/kernel/a.ts': `let a = 1\nexport const b = () => (a += 1)\n` }, ['mutable_module_state src/kernel/a.ts']],
  ['an exported let', { 'src/kernel/a.ts': `export let a = 1\n` }, ['mutable_module_state src/kernel/a.ts']],
  [
    'an empty map at the top of a module',
    { 'src/kernel/a.ts': `export const a = new Map<string, string>()\n` },
    ['mutable_module_state src/kernel/a.ts'],
  ],
  ...['TODO', 'FIXME', 'XXX'].map((note): Planted => [
    `a ${note}`,
    { 'src/kernel/a.ts': `// ${note} later\n` },
    ['left_over_note src/kernel/a.ts'],
  ]),
]

void describe('the architecture test', () => {
  let base: string
  let known: readonly string[]
  const violationsOf = (root: string, over = waivers.slice(0, 0)): readonly string[] =>
    checkTree(readTree(root), modules, over).map(({ rule, path }) => `${rule} ${path}`)

  before(() => {
    base = mkdtempSync(join(tmpdir(), 'oxbow-rules-'))
    write(join(base, 'clean'), clean)
    known = violationsOf(join(base, 'clean'))
  })
  after(() => rmSync(base, { recursive: true, force: true }))

  void test('reports nothing in a clean tree except permissions that such a small tree does not use', () => {
    assert.deepEqual(
      known.filter((violation) => !violation.startsWith('unused_permission ')),
      [],
    )
  })

  for (const [name, files, expected] of [...direction, ...parts, ...shape]) {
    void test(`reports ${name}, and nothing else`, () => {
      const root = join(base, 'planted')
      cpSync(join(base, 'clean'), root, { recursive: true })
      write(root, files)
      try {
        const violations = violationsOf(root).filter((violation) => !violation.startsWith('unused_permission '))
        assert.deepEqual(violations, expected)
      } finally {
        rmSync(root, { recursive: true })
      }
    })
  }

  void test('reports a permission that no import of the module uses', () => {
    assert.ok(known.includes('unused_permission test/architecture/modules.ts'))
  })

  void test('reports an unused waiver, and accepts a used one', () => {
    const waiver = { rule: 'forbidden_name', path: 'src/kernel/utils.ts', about: 'utils', reason: 'a planted waiver' }
    const root = join(base, 'clean')
    assert.deepEqual(
      violationsOf(root, [waiver]).filter((violation) => !known.includes(violation)),
      ['unused_waiver src/kernel/utils.ts'],
    )
    const planted = join(base, 'waived')
    write(planted, { ...clean, 'src/kernel/utils.ts': '' })
    assert.deepEqual(violationsOf(planted, [waiver]), known)
  })

  const inFile = (count: number, first = ''): string => first + lines(count - (first === '' ? 0 : 1), (i) => `export const a${i} = ${i}`)
  const importing = (name: string): string => inFile(60, `export * from './${name}.ts'\n`)
  const small: readonly (readonly [
    name: string,
    files: Files,
    smallFiles: Readonly<Record<string, string>>,
    expected: readonly string[],
  ])[] = [
    ['a file under 40 lines', { 'src/kernel/a.ts': inFile(39) }, {}, ['file_too_small src/kernel/a.ts']],
    [
      'a file under 60 lines whose only importer is in its folder',
      { 'src/kernel/a.ts': inFile(59), 'src/kernel/b.ts': importing('a') },
      {},
      ['file_too_small src/kernel/a.ts'],
    ],
    ['nothing in a file with a reason', { 'src/kernel/a.ts': inFile(39) }, { 'src/kernel/a.ts': 'planted' }, []],
    [
      'a reason that excuses nothing',
      { 'src/kernel/a.ts': inFile(40) },
      { 'src/kernel/a.ts': 'planted' },
      ['unused_waiver src/kernel/a.ts'],
    ],
    [
      'nothing in a file under 60 lines with two importers, or with one in another folder',
      {
        'src/kernel/a.ts': inFile(59),
        'src/kernel/b.ts': importing('a'),
        'src/kernel/c.ts': importing('a'),
        'src/kernel/d/e.ts': inFile(59),
        'src/kernel/f.ts': inFile(60, `export * from './d/e.ts'\n`),
      },
      {},
      [],
    ],
    [
      'nothing in what is small by name, in tests, contracts and fakes, and in other modules',
      {
        'src/kernel/limits.ts': '',
        'src/kernel/main.ts': '',
        'src/kernel/text-worker.ts': '',
        'src/kernel/a-contract.ts': '',
        'src/kernel/fake-a.ts': '',
        'src/kernel/a.test.ts': '',
        'src/kernel/a-fixture.ts': '',
        'src/base/a.ts': '',
      },
      {},
      [],
    ],
  ]
  for (const [name, files, smallFiles, expected] of small) {
    void test(`where files must be deep, reports ${name}`, () => {
      const root = join(base, 'small')
      write(root, { ...clean, 'src/kernel/stages/gate.ts': inFile(60), ...files })
      try {
        const found = checkTree(readTree(root), modules, [], { deepModules: new Set(['kernel']), smallFiles })
        const about = found.filter(({ rule }) => rule === 'file_too_small' || rule === 'unused_waiver')
        assert.deepEqual(
          about.map(({ rule, path }) => `${rule} ${path}`),
          expected,
        )
      } finally {
        rmSync(root, { recursive: true })
      }
    })
  }

  void test('reports what makes the kernel know more than it did, and what makes it know less', () => {
    const root = join(base, 'core')
    const call = (name: string): string => `export const call = { name: '${name}', summary: 'Says hello.' }\n`
    const none = { files: 4, lines: 7, circularFolders: 0, decidesByName: {}, namesTurn: 0 }
    const own = { 'src/kernel/a/a.ts': call('a.say'), 'src/kernel/b/b.ts': `${call('b.say')}export const own = 'b.say'\n` }
    const others = { 'src/kernel/b/b.ts': `import { call } from '../a/a.ts'\nexport const other = call.name === 'a.say'\n` }
    const outside = { 'src/services/c/c.ts': `export const outside = (name: string) => name === 'a.say'\n` }
    const pattern = (text: string) => ({ 'src/services/c/c.ts': `export const isTold = (name: string) => ${text}.test(name)\n` })
    const turns = { 'src/services/c/c.ts': `export const turns = 'turn.send'\n` }
    const both = { 'src/kernel/a/a.ts': `import { other } from '../b/b.ts'\n${call('a.say')}export { other }\n` }
    const reported = (files: Files, most = none): readonly string[] => {
      write(root, { ...clean, ...files })
      try {
        return checkCore(readTree(root), { ...most, lines: 100 }).map(({ what }) => what)
      } finally {
        rmSync(root, { recursive: true })
      }
    }
    assert.deepEqual(reported(own), [])
    assert.deepEqual(reported(own, { ...none, files: 3 }), ['4 product files of src/kernel; 3 are allowed'])
    assert.deepEqual(reported(own, { ...none, files: 5 }), ['only 4 product files of src/kernel: write it down'])
    // The kernel may name its own calls wherever they are described.
    assert.deepEqual(reported({ ...own, ...others }), [])
    assert.deepEqual(reported({ ...own, ...outside }), ['1 names of other calls that services decides by; 0 are allowed'])
    for (const text of ['/^a\\.say$/', '/^a\\.(?:hear|say)$/', '/^(a\\.(hear|say)|b.c)/', '/a[._]say/'])
      assert.deepEqual(reported({ ...own, ...pattern(text) }), ['1 names of other calls that services decides by; 0 are allowed'])
    assert.deepEqual(reported({ ...own, ...pattern('/^a\\.hear$|.say/') }), [])
    assert.deepEqual(reported({ ...own, ...turns }), ['1 files that name turn.send; 0 are allowed'])
    assert.deepEqual(reported({ ...own, ...others, ...both }), ['2 folders in circles of imports; 0 are allowed'])
  })

  void test('reports a row that names a module above it', () => {
    const upside = modules.map((row) => (row.module === 'store' ? { ...row, imports: ['kernel'] } : row))
    const found = checkTree(readTree(join(base, 'clean')), upside, []).map(({ rule }) => rule)
    assert.ok(found.includes('table_out_of_order'))
  })
})

function write(root: string, files: Files): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}
