/** refactor in a real guest, over a project with tests, with a model that is scripted over HTTP. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { type BundledHome, openBundled } from './bundled-home.ts'
import { git } from './git.ts'

interface Refactored {
  readonly status: string
  readonly text: string
  readonly steps: readonly string[]
  readonly changed: readonly string[]
  readonly not_put_back: readonly string[]
}

const project: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "shop", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/price.js': `export const net = (x) => Math.round(x * 100) / 100\nexport const gross = (x) => Math.round(x * 1.2 * 100) / 100\n`,
  'test/price.test.js': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gross, net } from '../src/price.js'

test('net', () => assert.equal(net(1.006), 1.01))
test('gross', () => assert.equal(gross(10), 12))
`,
}

const path = '/shared/shop/src/price.js'
const step = (title: string, ...files: readonly string[]) => ({ title, why: 'It reads better.', files })
const edits = (...all: readonly { readonly path?: string; readonly find: string; readonly replace: string }[]) => ({
  edits: all.map((each) => ({ path, ...each })),
  files: [],
})
const says = (answer: object) => [{ events: [{ text: JSON.stringify(answer) }] }]

/** @param answers by what the question says; the first that fits counts */
async function withProject(
  answers: Readonly<Record<string, object>>,
  run: (home: BundledHome, folder: string) => Promise<void>,
  files: Readonly<Record<string, string>> = project,
): Promise<void> {
  const turns = Object.entries(answers).map(([match, answer]) => ({ match, steps: says(answer) }))
  await using model = await startModel({ turns })
  await using home = await openBundled(['refactor'], '[exec]\nallow = ["npm", "python3"]\n[approval.calls]\n"exec.run" = "allow"\n', model)
  const folder = join(home.shared, 'shop')
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  git(folder, 'init', '--quiet', '-b', 'main')
  git(folder, 'add', '--all')
  git(folder, 'commit', '--quiet', '-m', 'Shop')
  await run(home, folder)
}

const input = { target: '/shared/shop/src', goal: 'readability' }
const first = step('One place for rounding', path, '/shared/shop/src/money/round.js')
const rounding = {
  edits: [
    {
      path,
      find: 'export const net = (x) => Math.round(x * 100) / 100',
      replace: "import { round } from './money/round.js'\n\nexport const net = (x) => round(x)",
    },
    { path, find: 'Math.round(x * 1.2 * 100) / 100', replace: 'round(x * 1.2)' },
  ],
  files: [{ path: '/shared/shop/src/money/round.js', text: 'export const round = (x) => Math.round(x * 100) / 100\n' }],
}

function assertAsBefore(folder: string): void {
  assert.equal(git(folder, 'status', '--short', '--ignored'), '')
  for (const [file, text] of Object.entries(project)) assert.equal(readFileSync(join(folder, file), 'utf8'), text)
}

void test('refactor makes small steps, and all tests pass after each', async () => {
  const answers = {
    'Plan a refactoring': { steps: [first, step('Name the rate', path)] },
    // The first try breaks a test, and is put back.
    'The tests fail:': edits({
      find: 'export const gross = (x) => round(x * 1.2)',
      replace: 'const rate = 1.2\nexport const gross = (x) => round(x * rate)',
    }),
    'nothing else: Name the rate': edits({ find: 'x * 1.2', replace: 'x * rate' }),
    'nothing else: One place for rounding': rounding,
  }
  await withProject(answers, async (home, folder) => {
    const result = await home.result<Refactored>('refactor', input)
    assert.equal(result.status, 'done', result.text)
    assert.deepEqual(result.steps, ['One place for rounding', 'Name the rate'])
    assert.deepEqual(result.changed, [path, '/shared/shop/src/money/round.js'])
    assert.equal(git(folder, 'status', '--short'), 'M src/price.js\n?? src/money/')
    assert.equal(
      readFileSync(join(folder, 'src/price.js'), 'utf8'),
      "import { round } from './money/round.js'\n\nexport const net = (x) => round(x)\nconst rate = 1.2\nexport const gross = (x) => round(x * rate)\n",
    )
    // Where tests fail, nothing is changed.
    writeFileSync(join(folder, 'src/price.js'), 'export const net = 1\n')
    assert.equal((await home.result<Refactored>('refactor', input)).status, 'tests_fail')
    assert.equal(readFileSync(join(folder, 'src/price.js'), 'utf8'), 'export const net = 1\n')
  })
})

void test('refactor puts everything back when a step breaks the tests, or changes them', async () => {
  const answers = {
    'Plan a refactoring': { steps: [first, step('Simplify', path)] },
    'The tests fail:': edits({
      path: '/shared/shop/test/price.test.js',
      find: "test('gross', () => assert.equal(gross(10), 12))\n",
      replace: '',
    }),
    'nothing else: Simplify': edits({ find: 'x * 1.2', replace: 'x' }),
    'nothing else: One place for rounding': rounding,
  }
  await withProject(answers, async (home, folder) => {
    const result = await home.result<Refactored>('refactor', input)
    assert.deepEqual([result.status, result.changed, result.not_put_back], ['put_back', [], []], result.text)
    assert.match(result.text, /price\.test\.js is a test/)
    assertAsBefore(folder)
  })
})

void test('refactor puts everything back before it changes an eleventh file', async () => {
  const more = Array.from({ length: 9 }, (_, at) => ({ path: `/shared/shop/src/part-${at}.js`, text: 'export {}\n' }))
  const answers = {
    'Plan a refactoring': { steps: [first, step('Split', path)] },
    'nothing else: Split': { edits: [], files: more },
    'nothing else: One place for rounding': rounding,
  }
  await withProject(answers, async (home, folder) => {
    const result = await home.result<Refactored>('refactor', input)
    assert.equal(result.status, 'put_back', result.text)
    assert.match(result.text, /would change 11 files/)
    assertAsBefore(folder)
  })
})

void test('refactor leaves a file alone that somebody else has changed meanwhile, and names it', async () => {
  // The tests themselves are the somebody.
  const meddling = project['test/price.test.js']!.replace(
    "test('net'",
    "const file = new URL('../src/price.js', import.meta.url)\nif (readFileSync(file, 'utf8').includes('rate')) writeFileSync(file, '// Theirs.\\n')\n\ntest('net'",
  )
  const files = { ...project, 'test/price.test.js': `import { readFileSync, writeFileSync } from 'node:fs'\n${meddling}` }
  const answers = {
    'Plan a refactoring': { steps: [step('Name the rate', path)] },
    'nothing else: Name the rate': edits({ find: 'x * 1.2', replace: 'x * rate' }),
  }
  await withProject(
    answers,
    async (home, folder) => {
      const result = await home.result<Refactored>('refactor', input)
      assert.deepEqual([result.status, result.not_put_back], ['put_back', [path]], result.text)
      assert.equal(readFileSync(join(folder, 'src/price.js'), 'utf8'), '// Theirs.\n')
    },
    files,
  )
})

void test('refactor finds the tests of Python, and puts a file with other line ends back as it was', async () => {
  const files = {
    'price.py': 'def gross(x):\r\n    return round(x * 1.2)  # \u00e4\r\n',
    'test_price.py':
      'import unittest\nfrom price import gross\n\n\nclass Price(unittest.TestCase):\n    def test_gross(self):\n        self.assertEqual(gross(10), 12)\n',
  }
  const file = '/shared/shop/price.py'
  const answers = {
    'Plan a refactoring': { steps: [step('Name the rate', file), step('Simplify', file)] },
    'nothing else: Simplify': edits({ path: file, find: 'x * rate', replace: 'x' }),
    'nothing else: Name the rate': edits(
      { path: file, find: 'x * 1.2', replace: 'x * rate' },
      { path: file, find: 'def gross', replace: 'rate = 1.2\n\n\ndef gross' },
    ),
  }
  await withProject(
    answers,
    async (home, folder) => {
      const result = await home.result<Refactored>('refactor', { target: '/shared/shop', goal: 'maintainability', folder: '/shared/shop' })
      assert.equal(result.status, 'put_back', result.text)
      assert.match(result.text, /the step "Simplify" failed: .*FAIL: test_gross/s)
      assert.equal(readFileSync(join(folder, 'price.py'), 'utf8'), files['price.py'])
    },
    files,
  )
})
