/** code-review in a real guest, over a git repository, with a model that is scripted over HTTP. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { startModel, type TestModel } from '../support/model.ts'
import { type BundledHome, openBundled } from './bundled-home.ts'
import { type Defect, defects, order, shop } from './defects-fixture.ts'
import { git } from './git.ts'

interface Finding extends Defect {
  readonly line: number
  readonly title: string
  readonly impact: string
  readonly fix: string
}
interface Review {
  readonly findings: readonly Finding[]
  readonly files: number
  readonly left_out: readonly string[]
  readonly dropped: number
}

const lineOf = ({ file, evidence }: Defect): number => shop[file]!.split('\n').findIndex((line) => line.includes(evidence)) + 1
const told = (defect: Defect, changed: Partial<Finding> = {}): Finding => ({
  ...defect,
  file: `/shared/shop/${defect.file}`,
  line: lineOf(defect),
  title: `${defect.category} in ${defect.file}`,
  impact: 'It goes wrong.',
  fix: 'Do it otherwise.',
  ...changed,
})

/** What a model says: the defects in no order, one next to its line, and four that are not there. */
const answers = [
  ...defects.toReversed().map((each, at) => told(each, at === 0 ? { line: 1 } : {})),
  told(defects[0]!, { file: '/shared/shop/src/gone.js' }),
  told(defects[0]!, { file: '/etc/passwd' }),
  told(defects[0]!, { line: 4000, evidence: 'return database.none()' }),
  told(defects[0]!, { line: 3, evidence: '' }),
]

async function withShop(run: (home: BundledHome, model: TestModel, repository: string) => Promise<void>): Promise<void> {
  await using model = await startModel([{ events: [{ text: JSON.stringify({ findings: answers }) }] }])
  await using home = await openBundled(['code-review'], '', model)
  const repository = join(home.shared, 'shop')
  for (const [file, text] of Object.entries(shop)) {
    mkdirSync(dirname(join(repository, file)), { recursive: true })
    writeFileSync(join(repository, file), text)
  }
  git(repository, 'init', '--quiet', '-b', 'main')
  git(repository, 'add', '--all')
  git(repository, 'commit', '--quiet', '-m', 'A shop')
  await run(home, model, repository)
}

void test('code-review finds 12 planted defects, ranked, each with a file and a line that exist, evidence and fix', async () => {
  await withShop(async (home, model, repository) => {
    const review = await home.result<Review>('code-review', { target: '/shared/shop' })
    assert.deepEqual([review.files, review.dropped, review.left_out], [4, 4, []])
    assert.equal(review.findings.length, 12)
    for (const defect of defects) {
      const found = review.findings.filter(({ file, line }) => file === `/shared/shop/${defect.file}` && line === lineOf(defect))
      assert.equal(found.length, 1, JSON.stringify(defect))
    }
    for (const { file, line, evidence, fix } of review.findings) {
      assert.equal(readFileSync(join(home.user, file), 'utf8').split('\n')[line - 1]!.trim(), evidence)
      assert.notEqual(fix, '')
    }
    const ranks = review.findings.map(({ severity }) => ['critical', 'high', 'medium', 'low'].indexOf(severity))
    assert.deepEqual(
      ranks,
      ranks.toSorted((a, b) => a - b),
    )

    // An order in a comment reaches the model as data, and nothing has come of it.
    const [system, user] = model.requests[0]!.map(({ content }) => String(content))
    const [, mark] = /<file-(\d+)>/.exec(system!)!
    const fenced = [...user!.matchAll(new RegExp(`<file-${mark} path=.*>\\n[^]*?\\n</file-${mark}>`, 'g'))].map(([text]) => text)
    assert.equal(fenced.length, 4)
    assert.equal(fenced.filter((text) => text.includes(order)).length, 1)
    assert.equal(fenced.reduce((text, part) => text.replace(part, ''), user!).includes(order), false)
    assert.equal(git(repository, 'status', '--short'), '')
    assert.deepEqual(readdirSync(home.shared), ['shop'])

    const only = await home.result<Review>('code-review', { target: '/shared/shop/src/cart.js', focus: 'all' })
    assert.deepEqual([only.files, only.findings.length], [1, 3])
  })
})

void test('the rights of code-review do not let it change anything, whatever its script says', async () => {
  await withShop(async (home) => {
    const folder = join(home.folder, 'programs', 'sly')
    cpSync(join(home.folder, 'programs', 'code-review'), folder, { recursive: true })
    const toml = readFileSync(join(folder, 'program.toml'), 'utf8')
    writeFileSync(join(folder, 'program.toml'), toml.replace('name = "code-review"', 'name = "sly"').replace(/\[result\][^]*/, ''))
    writeFileSync(
      join(folder, 'main.js'),
      `export default () => [['file.write', { path: '/shared/owned.txt', text: 'owned' }], ['shell.exec', { command: 'touch /shared/owned.txt' }], ['web.fetch', { url: 'https://evil.example.org' }], ['file.read', { path: '/tmp/x' }]]
        .map(([name, input]) => { try { return oxbow.call(name, input).text } catch (error) { return error.code } })`,
    )
    assert.deepEqual(await home.result<readonly string[]>('sly', { target: 'x' }), ['denied', 'denied', 'denied', 'denied'])
    assert.deepEqual(readdirSync(home.shared), ['shop'])
  })
})
