/** Plants each violation of the seam of services in a small clean tree, as `violations.test.ts` does for the other rules. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { checkTree } from './check-tree.ts'
import { modules } from './modules.ts'
import { readTree } from './source-tree.ts'

type Files = Readonly<Record<string, string>>

const service = (name: string, more = ''): string => `export const ${name} = { name: '${name}' }\n${more}`

/** Two services; the second needs the first. */
const clean: Files = {
  'package.json': readFileSync(fileURLToPath(new URL('../../package.json', import.meta.url)), 'utf8'),
  'src/kernel/index.ts': `export interface Service { readonly name: string }\n`,
  'src/services/list.ts': `import { first } from './first/service.ts'\nimport { second } from './second/service.ts'\nexport const services = [first, second]\n`,
  'src/services/first/service.ts': service('first'),
  'src/services/first/first-calls.ts': `export const first = { name: 'first.go', summary: 'Goes.' }\n`,
  'src/services/second/service.ts': `import { first } from '../first/service.ts'\nexport const second = { name: 'second', needs: { first } }\n`,
}

const planted: readonly (readonly [what: string, files: Files, expected: readonly string[]])[] = [
  [
    'services that need each other',
    { 'src/services/first/service.ts': `import { second } from '../second/service.ts'\nexport const first = { needs: { second } }\n` },
    ['cycle src/services/first/service.ts'],
  ],
  [
    'a service that names what is inside another',
    { 'src/services/second/a.ts': `export const a = () => import('../first/first-calls.ts')\n` },
    ['past_service src/services/second/a.ts'],
  ],
  [
    'a type from the inside of another service',
    { 'src/services/second/a.ts': `import type { A } from '../first/first-calls.ts'\nexport type B = A\n` },
    ['past_service src/services/second/a.ts'],
  ],
  [
    'a service that no list names',
    { 'src/services/third/service.ts': service('third') },
    ['service_not_listed src/services/third/service.ts'],
  ],
  ['a folder of services without a service', { 'src/services/third/a.ts': '' }, ['service_not_listed src/services/third']],
  [
    'a call that two services describe',
    { 'src/services/second/a.ts': `export const a = { name: 'first.go', summary: 'Goes, too.' }\n` },
    ['call_described_twice src/services/second/a.ts'],
  ],
  [
    'a timer in a service, under whatever name',
    { 'src/services/first/a.ts': `import { setInterval as every } from 'node:timers/promises'\nexport const a = () => every(1)\n` },
    ['timer_in_service src/services/first/a.ts'],
  ],
  [
    'a timer in runs outside of Timers',
    { 'src/runs/late.ts': `export const a = () => setTimeout(() => {}, 1)\n` },
    ['timer_in_service src/runs/late.ts'],
  ],
  [
    'a kernel that knows a service',
    { 'src/kernel/a.ts': `import { services } from '../services/index.ts'\nexport const a = services\n` },
    ['wrong_direction src/kernel/a.ts'],
  ],
  [
    'a kernel that loads a service by itself',
    { 'src/kernel/a.ts': `export const a = () => import('../services/first/service.ts')\n` },
    ['wrong_direction src/kernel/a.ts'],
  ],
  [
    'a service that reaches past the public API of the kernel',
    { 'src/kernel/a.ts': 'export const a = 1\n', 'src/services/first/a.ts': `export { a } from '../../kernel/a.ts'\n` },
    ['past_public_api src/services/first/a.ts'],
  ],
  [
    'a module that reaches past the list of services',
    { 'src/guest/a.ts': `import { first } from '../services/first/service.ts'\nexport const a = first\n` },
    ['past_public_api src/guest/a.ts'],
  ],
]

function violationsOf(files: Files): readonly string[] {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-seam-'))
  try {
    for (const [path, text] of Object.entries({ ...clean, ...files })) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    const found = checkTree(readTree(root), modules, []).map(({ rule, path }) => `${rule} ${path}`)
    return found.filter((violation) => !violation.startsWith('unused_permission ')).sort()
  } finally {
    rmSync(root, { recursive: true })
  }
}

void test("the seam's rules report nothing about two services when one needs the other", () => {
  assert.deepEqual(violationsOf({}), [])
})

for (const [what, files, expected] of planted)
  void test(`the rules of the seam report ${what}, and nothing else`, () => assert.deepEqual(violationsOf(files), expected))
