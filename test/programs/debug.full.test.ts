/** debug in a real guest, over a project whose suite fails, with a model that is scripted over HTTP. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { type BundledHome, openBundled } from './bundled-home.ts'
import { git } from './git.ts'

interface Debugged {
  readonly found: boolean
  readonly text: string
  readonly hypotheses: readonly { readonly hypothesis: string; readonly likelihood: number; readonly outcome: string }[]
  readonly cause: string
  readonly whys: readonly string[]
  readonly changed: readonly string[]
  readonly regression_test: string
  readonly proof: { readonly without_fix?: string; readonly with_fix?: string }
  readonly not_put_back: readonly string[]
}

const project: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "money", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/money.js': `export const parse = (text) => Number(text.replace(',', ''))\n\nexport const double = (amount) => amount * 2\n`,
  'test/money.test.js': `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { double, parse } from '../src/money.js'

test('a number with thousands', () => assert.equal(parse('1,000,000'), 1000000))
test('twice', () => assert.equal(double(2), 4))
`,
}

const regression = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from '../../src/money.js'

test('every comma is dropped', () => assert.equal(parse('1,2,3,4'), 1234))
`
const path = '/shared/money/src/money.js'
const newTest = { path: '/shared/money/test/regression/commas.test.js', text: regression }
const fix = { path, find: "text.replace(',', '')", replace: "text.replaceAll(',', '')" }
const none = { confirmed: false, cause: '', whys: [], edits: [], test: { path: '', text: '' } }
const right = {
  ...none,
  confirmed: true,
  cause: 'replace drops the first comma only',
  whys: ['NaN', 'a comma is left'],
  edits: [fix],
  test: newTest,
}
const hypotheses = [
  { hypothesis: 'Only one comma is dropped.', likelihood: 0.7, reason: 'replace' },
  { hypothesis: 'The test is wrong.', likelihood: 0.1, reason: 'who knows' },
  { hypothesis: 'Doubling overflows.', likelihood: 0.9, reason: 'amount * 2' },
]

const says = (answer: object) => [{ events: [{ text: JSON.stringify(answer) }] }]

/** @param answers to the proposal for a hypothesis, or, where it begins so, after a refusal */
async function withProject(
  answers: Readonly<Record<string, object>>,
  run: (home: BundledHome, model: TestModel, folder: string) => Promise<void>,
): Promise<void> {
  const turns = Object.entries(answers).map(([match, answer]) => ({ match, steps: says(answer) }))
  await using model = await startModel({ turns: [...turns, { match: 'Which causes are possible?', steps: says({ hypotheses }) }] })
  await using home = await openBundled(['debug'], '[exec]\nallow = ["node", "npm"]\n[approval.calls]\n"exec.run" = "allow"\n', model)
  const folder = join(home.shared, 'money')
  for (const [file, text] of Object.entries(project)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  git(folder, 'init', '--quiet', '-b', 'main')
  git(folder, 'add', '--all')
  git(folder, 'commit', '--quiet', '-m', 'Money')
  await run(home, model, folder)
}

const input = { problem: 'Large amounts are NaN.', folder: '/shared/money' }

/** Outside of the sandbox, as a person runs it. */
function passes(folder: string, ...files: readonly string[]): boolean {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  try {
    execFileSync(process.execPath, ['--test', ...files], { cwd: folder, stdio: 'pipe', env })
    return true
  } catch {
    return false
  }
}

void test('debug ranks hypotheses, and proves cause and fix by a new test that fails before and passes after', async () => {
  const answers = {
    'Doubling overflows.\n': { ...none, cause: 'The numbers are small.' },
    'passes without the fix': right,
    'Only one comma is dropped.\n': { ...right, test: { ...newTest, text: regression.replace("'1,2,3,4'), 1234", "'1,2'), 12") } },
  }
  await withProject(answers, async (home, model, folder) => {
    assert.equal(passes(folder), false)
    const result = await home.result<Debugged>('debug', input)
    assert.equal(result.found, true, JSON.stringify(result))
    assert.deepEqual(
      result.hypotheses.map(({ likelihood, outcome }) => [likelihood, outcome]),
      [
        [0.9, 'It is not this: The numbers are small.'],
        [0.7, 'It was this.'],
        [0.1, ''],
      ],
    )
    assert.deepEqual([result.cause, result.whys, result.changed], [right.cause, right.whys, [path]])
    assert.equal(result.regression_test, newTest.path)
    assert.match(result.proof.without_fix!, /fail 1/)
    assert.match(result.proof.with_fix!, /fail 0/)
    assert.equal(passes(folder), true)
    assert.equal(git(folder, 'status', '--short'), 'M src/money.js\n?? test/regression/')
    const file = join(home.user, newTest.path)
    assert.equal(readFileSync(file, 'utf8'), regression)
    git(folder, 'stash', '--quiet', '--', 'src')
    assert.equal(passes(folder, file), false, 'without the fix')
    assert.equal(model.requests.length, 4)
  })
})

void test('debug puts everything back when nothing can be proven, and says so', async () => {
  const answers = {
    // It would pass because it checks less.
    'Doubling overflows.\n': {
      ...right,
      edits: [{ path: '/shared/money/test/money.test.js', find: "parse('1,000,000'), 1000000", replace: '1, 1' }],
    },
    'is a test: a fix changes code': { ...right, edits: [{ path: '/shared/money/package.json', find: 'node --test', replace: 'true' }] },
    // The fix breaks something else.
    'Only one comma is dropped.\n': { ...right, edits: [fix, { path, find: 'amount * 2', replace: 'amount' }] },
    'The test is wrong.\n': { ...right, test: { ...newTest, path: '/shared/money/test/money.test.js' } },
  }
  await withProject(answers, async (home, _, folder) => {
    const result = await home.result<Debugged>('debug', input)
    assert.deepEqual([result.found, result.changed, result.regression_test, result.not_put_back], [false, [], '', []])
    const [doubling, comma, wrong] = result.hypotheses.map(({ outcome }) => outcome)
    assert.match(doubling!, /is a test: a fix changes code|decides how tests run/)
    assert.match(comma!, /not all tests do/)
    assert.match(wrong!, /exists: write a new file of tests/)
    assert.equal(git(folder, 'status', '--short', '--ignored'), '')
    for (const [file, text] of Object.entries(project)) assert.equal(readFileSync(join(folder, file), 'utf8'), text)
  })
})
