/** debug, refactor, code-review and program-creator, whose guest is killed with all that it started: each finishes, or all is as before. */
import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { seededNumbers } from '../../src/base/random-fixture.ts'
import { shareCompileCache } from '../support/compile-cache.ts'
import { killable } from '../support/killable.ts'
import { startModel } from '../support/model.ts'
import { scaled } from '../support/scale.ts'
import { programsFolder, type ProgramRun } from './bundled-home.ts'
import { git } from './git.ts'

const rounds = scaled(6, 2)

/** One program, in a folder of its own for each run. */
interface Subject {
  /** Kills fall within about this time. */
  readonly wholeMs: number
  readonly files: Readonly<Record<string, string>>
  /** By what the question says; NAME stands for the name of the folder. */
  readonly answers: Readonly<Record<string, object>>
  readonly input: object
  /** @returns whether it says that it did its work, which then is there; else everything is as before @throws for anything between */
  check(folder: string, run: ProgramRun<Record<string, unknown> | null>): boolean
}

const asBefore = (files: Subject['files'], folder: string): void => {
  assert.equal(git(folder, 'status', '--short', '--ignored'), '')
  for (const [file, text] of Object.entries(files)) assert.equal(readFileSync(join(folder, file), 'utf8'), text)
}

const money = {
  'package.json': '{ "name": "money", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/money.js': `export const parse = (text) => Number(text.replace(',', ''))\n`,
  'test/money.test.js': `import assert from 'node:assert/strict'\nimport { test } from 'node:test'\nimport { parse } from '../src/money.js'\n\ntest('a number with thousands', () => assert.equal(parse('1,000,000'), 1000000))\n`,
}
const regression = money['test/money.test.js'].replaceAll('../src', '../../src').replace("'1,000,000'), 1000000", "'1,2,3,4'), 1234")

const debug: Subject = {
  wholeMs: 8_000,
  files: money,
  answers: {
    'Only one comma is dropped.\n': {
      confirmed: true,
      cause: 'replace drops the first comma only',
      whys: ['a comma is left'],
      edits: [{ path: '/shared/NAME/src/money.js', find: "text.replace(',', '')", replace: "text.replaceAll(',', '')" }],
      test: { path: '/shared/NAME/test/regression/commas.test.js', text: regression },
    },
    'Which causes are possible?': { hypotheses: [{ hypothesis: 'Only one comma is dropped.', likelihood: 0.7, reason: 'replace' }] },
  },
  input: { problem: 'Large amounts of NAME are NaN.', folder: '/shared/NAME' },
  check(folder, { result }) {
    if (result?.['found'] !== true) asBefore(money, folder)
    else assert.equal(git(folder, 'status', '--short'), 'M src/money.js\n?? test/regression/')
    return result?.['found'] === true
  },
}

const shop = {
  'package.json': '{ "name": "shop", "type": "module", "scripts": { "test": "node --test" } }\n',
  'src/price.js': `export const gross = (x) => Math.round(x * 1.2 * 100) / 100\n`,
  'test/price.test.js': `import assert from 'node:assert/strict'\nimport { test } from 'node:test'\nimport { gross } from '../src/price.js'\n\ntest('gross', () => assert.equal(gross(10), 12))\n`,
}
const price = '/shared/NAME/src/price.js'
const edit = (find: string, replace: string) => ({ edits: [{ path: price, find, replace }], files: [] })

const refactor: Subject = {
  wholeMs: 8_000,
  files: shop,
  answers: {
    'Plan a refactoring': {
      steps: [
        { title: 'Name the rate', why: 'It reads better.', files: [price] },
        { title: 'Name the function', why: 'It reads better.', files: [price] },
      ],
    },
    'nothing else: Name the function': edit(
      'gross = (x) => Math.round(x * rate * 100) / 100',
      'gross = (net) => Math.round(net * rate * 100) / 100',
    ),
    'nothing else: Name the rate': edit(
      'export const gross = (x) => Math.round(x * 1.2',
      'const rate = 1.2\nexport const gross = (x) => Math.round(x * rate',
    ),
  },
  input: { target: '/shared/NAME/src', folder: '/shared/NAME' },
  check(folder, { result }) {
    if (result?.['status'] !== 'done') asBefore(shop, folder)
    else {
      const text = 'const rate = 1.2\nexport const gross = (net) => Math.round(net * rate * 100) / 100\n'
      assert.equal(readFileSync(join(folder, 'src/price.js'), 'utf8'), text)
    }
    return result?.['status'] === 'done'
  },
}

const finding = {
  severity: 'high',
  category: 'quality',
  file: price,
  line: 1,
  title: 'The rate has no name',
  evidence: shop['src/price.js'].trim(),
  impact: 'It is changed in one place only.',
  fix: 'Name it.',
}

const review: Subject = {
  wholeMs: 1_000,
  files: shop,
  answers: { '/shared/NAME/src': { findings: [finding] } },
  input: { target: '/shared/NAME/src' },
  check(folder, { result }) {
    asBefore(shop, folder)
    const findings = (result?.['findings'] ?? []) as readonly unknown[]
    if (result !== null) assert.equal(findings.length, 1, JSON.stringify(result))
    return result !== null
  },
}

const written = {
  toml: '[program]\nname = "NAME"\nversion = "0.1.0"\ndescription = "Counts the lines of a file."\n[rights]\ncalls = ["file.read"]\npaths = ["/shared"]\n[input]\ntype = "object"\nproperties = { path = { type = "string" } }\nrequired = ["path"]\n[result]\ntype = "integer"\n',
  instructions: 'Reads the file, and returns how many lines it has.\n',
  script: "export default ({ path }) => oxbow.call('file.read', { path }).output.total_lines\n",
  tests: [
    {
      name: 'two',
      toml: 'input = { path = "/shared/a.txt" }\nresult = 2\n[[call]]\nname = "file.read"\ninput = { path = "/shared/a.txt" }\noutput = { total_lines = 2 }\n',
    },
  ],
}

const creator: Subject = {
  wholeMs: 2_000,
  files: { 'README.md': 'A folder for programs.\n' },
  answers: { 'Which of them does it need?': { name: 'NAME', calls: ['file.read'] }, 'Write the program NAME': written },
  input: { request: 'Count the lines of a file.', name: 'NAME', folder: '/shared/NAME' },
  check(folder, { result }) {
    const made = readdirSync(folder).filter((name) => name !== '.git' && name !== 'README.md')
    if (result?.['made'] !== true) assert.deepEqual(made, [])
    else {
      const [name = ''] = made
      const at = join(folder, name)
      assert.deepEqual(made.length, 1)
      for (const file of ['program.toml', 'SKILL.md', 'main.js', 'tests/two.toml']) assert.ok(existsSync(join(at, file)), file)
      assert.equal(readFileSync(join(at, 'main.js'), 'utf8'), written.script)
    }
    return result?.['made'] === true
  },
}

/** @returns the same with the name of a folder for NAME */
const named = <Value>(value: Value, name: string): Value => JSON.parse(JSON.stringify(value).replaceAll('NAME', name)) as Value

for (const [program, subject] of Object.entries({ debug, refactor, 'code-review': review, 'program-creator': creator }))
  void test(`${rounds} runs of ${program} are cut off, and each finishes or leaves all as before`, async (t) => {
    const home = mkdtempSync(join(tmpdir(), 'oxbow-home-'))
    shareCompileCache(home)
    cpSync(join(programsFolder, program), join(home, 'programs', program), { recursive: true })
    const chance = seededNumbers(program.length)
    const names = Array.from({ length: rounds }, (_, n) => `w${String(n)}`)
    let done = 0
    const ends: string[] = []
    for (const name of names) {
      const turns = Object.entries(named(subject.answers, name)).map(([match, answer]) => ({
        match,
        steps: [{ events: [{ text: JSON.stringify(answer) }] }],
      }))
      await using model = await startModel({ turns })
      writeFileSync(
        join(home, 'config.toml'),
        `[memory]\nembedder = "none"\n[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n[exec]\nallow = ["node", "npm"]\n[approval.calls]\n"exec.run" = "allow"\n`,
      )
      const { serve, die, oxbow } = killable(home)
      // Before the guest: its sandbox takes over what is there when it starts.
      const folder = join(home, 'users', 'default', 'shared', name)
      const files = named(subject.files, name)
      for (const [file, text] of Object.entries(files)) {
        mkdirSync(dirname(join(folder, file)), { recursive: true })
        writeFileSync(join(folder, file), text)
      }
      git(folder, 'init', '--quiet', '-b', 'main')
      git(folder, 'add', '--all')
      git(folder, 'commit', '--quiet', '-m', 'As before')
      let guest = await serve()
      try {
        const inputs = JSON.stringify(named(subject.input, name))
        const { id } = JSON.parse(await oxbow('program', 'run', program, '--background', '--inputs', inputs, '--json')) as ProgramRun<never>
        let [kills, killAt] = [2, Date.now() + chance() * subject.wholeMs]
        let run: ProgramRun<Record<string, unknown> | null> | undefined
        for (let left = 300; left > 0; left--) {
          if (kills > 0 && Date.now() > killAt) {
            await die(guest)
            guest = await serve()
            kills -= 1
            killAt = Date.now() + chance() * subject.wholeMs
          }
          run = JSON.parse(await oxbow('program', 'show', id, '--json')) as typeof run
          if (run!.status !== 'running' && run!.status !== 'waiting') break
          await sleep(100)
        }
        assert.ok(run !== undefined && ['success', 'failed'].includes(run.status), JSON.stringify(run))
        const isDone = subject.check(folder, run)
        done += isDone ? 1 : 0
        ends.push(`${run.status}${isDone ? '' : `, as before: ${run.failure?.message ?? ''}`} after ${2 - kills} kills`)
      } finally {
        await die(guest)
      }
    }
    t.diagnostic(ends.join('; '))
    rmSync(home, { recursive: true, force: true })
    assert.ok(done > 0, `not one of them finished: ${ends.join('; ')}`)
  })
