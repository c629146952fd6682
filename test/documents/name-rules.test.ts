/** Each kind of wrong name is planted once, next to a right one. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import { wrongCommands } from './command-rules.ts'
import { problemOf, type ProgramFacts } from './name-rules.ts'
import { namesOf } from './page-names.ts'

function smallProgram(): Command {
  const program = new Command('oxbow')
  const store = program.command('store')
  store.command('backup [path]').option('--keep <n>')
  store.command('verify').option('--json')
  program.command('doctor').option('--json')
  return program
}

const facts: ProgramFacts = {
  paths: new Set(['README.md', 'docs/a.md', 'src/store/store.ts', 'src/store/', 'scripts/make.ts']),
  program: smallProgram(),
  dotted: new Set(['store.url', 'budget.session.tokens', 'file.read', 'shell.session_open']),
  families: new Set(['store', 'budget', 'file', 'shell']),
  words: new Set(['maxTries', 'store_full', 'OXBOW_HOME']),
  scripts: new Set(['bench']),
  measures: new Set(['turns']),
  isChatCommand: (text) => text === '/fork',
  checkToml: (text) => (text.includes('=') ? null : 'no TOML'),
}

const problems = (page: string): readonly string[] => namesOf(page).flatMap((name) => problemOf(name, 'docs/a.md', facts) ?? [])

void describe('a name on a page', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['a link', '[x](../README.md#top) [y](https://example.org)', '[x](../GONE.md)'],
    ['a path', '`src/store/store.ts` `store.ts` `store/` `src/store`', '`src/store/gone.ts`'],
    ['the end of a path', '`store/store.ts` `st*.ts` `st<x>.ts`', '`gone/`'],
    ['a file by its name alone', '`store.ts`', '`tore.ts`'],
    ['a key', '`store.url` `store.url = "x"` `session.tokens`', '`store.uri`'],
    ['a call', '`file.read` `shell.session_*`', '`shell.sesion_*`'],
    ['an identifier', '`maxTries` `store_full` `OXBOW_HOME=x`', '`store_ful`'],
    ['a variable', '`OXBOW_HOME`', '`OXBOW_HOUSE`'],
    ['a command of the chat', '`/fork` `/tmp`', '`/spoon`'],
    ['a verb', '`oxbow store backup [PATH] [--keep N]` `oxbow doctor`', '`oxbow store backup --keeps 3`'],
    ['alternatives', '`oxbow store backup|verify`', '`oxbow store backup|verifi`'],
    ['a script', '`npm run bench -- --only turns`', '`npm run bench -- --only turn`'],
    ['a program', '`node --expose-gc scripts/make.ts 1`', '`node scripts/bake.ts`'],
    ['a line of a shell', '```sh\nA=1 oxbow doctor --json # tries\n```', '```sh\noxbow doktor\n```'],
    ['a span over two lines', '`oxbow\ndoctor`', '`oxbow\ndoktor`'],
    ['a configuration', '```toml\na = 1\n```', '```toml\na\n```'],
  ]
  for (const [what, right, wrong] of cases) {
    test(`is compared with the program: ${what}`, () => {
      assert.deepEqual(problems(right), [])
      assert.equal(problems(wrong).length, 1, wrong)
    })
  }

  test('is reported with its line', () => {
    assert.deepEqual(
      namesOf('a\n\n```sh\nb\nc\n```\n`d`').map(({ text, line }) => [text, line]),
      [
        ['b', 4],
        ['c', 5],
        ['d', 7],
      ],
    )
  })
})

test('a command within a sentence ends where its verb takes no more', () => {
  const wrong = (text: string): readonly string[] => wrongCommands(text, facts.program)
  assert.deepEqual(wrong('oxbow doctor says what is missing; oxbow --help lists all. Start oxbow again, or createdb --owner oxbow'), [])
  assert.deepEqual(wrong('Run `oxbow store backups`, or oxbow stores.'), ['oxbow has no store backups', 'oxbow has no stores'])
  assert.deepEqual(wrong('oxbow doctor --jsn tries it'), ['oxbow doctor has no --jsn'])
})
