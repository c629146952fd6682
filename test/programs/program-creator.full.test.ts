/** program-creator in a real guest, with a model that is scripted over HTTP. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startModel } from '../support/model.ts'
import { openBundled } from './bundled-home.ts'

interface Created {
  readonly made: boolean
  readonly text: string
  readonly name: string
  readonly folder: string
  readonly calls: readonly string[]
  readonly files: readonly string[]
  readonly tries: number
  readonly findings: readonly string[]
}

const toml = (calls: string, paths = 'paths = ["/shared"]\n'): string => `[program]
name = "count-lines"
version = "0.1.0"
description = "Counts the lines of a file."
[rights]
calls = [${calls}]
${paths}[input]
type = "object"
properties = { path = { type = "string" } }
required = ["path"]
[result]
type = "integer"
`
const good = {
  toml: toml('"file.read"'),
  instructions:
    '---\nname: count-lines\ndescription: Counts the lines of a file.\n---\n\nReads the file, and returns how many lines it has.\n',
  script: "export default ({ path }) => oxbow.call('file.read', { path }).output.total_lines\n",
  tests: [
    {
      name: 'two',
      toml: 'input = { path = "/shared/a.txt" }\nresult = 2\n[[call]]\nname = "file.read"\ninput = { path = "/shared/a.txt" }\noutput = { total_lines = 2 }\n',
    },
  ],
}
const says = (answer: object) => [{ events: [{ text: JSON.stringify(answer) }] }]
const picks = { match: 'Which of them does it need?', steps: says({ name: 'count-lines', calls: ['file.read', 'no.such'] }) }
const request = 'Count the lines of a file that I name.'

void test('program-creator writes a folder that passes verify and its tests, without a right that it does not use', async () => {
  const wrongTest = { ...good, tests: [{ ...good.tests[0]!, toml: good.tests[0]!.toml.replace('result = 2', 'result = 3') }] }
  await using model = await startModel({
    turns: [
      picks,
      { match: 'tests/two.toml: it returned 2, and not 3', steps: says(good) },
      { match: 'lists file.write, which main.js does not name', steps: says(wrongTest) },
      { match: 'main.js:1: ', steps: says({ ...good, toml: toml('"file.read", "file.write"') }) },
      { match: 'Write the program count-lines', steps: says({ ...good, script: 'export default (' }) },
    ],
  })
  await using home = await openBundled(['program-creator'], '', model)
  const created = await home.result<Created>('program-creator', { request })
  assert.equal(created.made, true, created.text)
  assert.deepEqual(
    [created.name, created.folder, created.calls, created.tries],
    ['count-lines', '/shared/programs/count-lines', ['file.read'], 4],
  )
  assert.deepEqual(created.files, ['program.toml', 'SKILL.md', 'main.js', 'tests/two.toml'])

  // What a person does with it: check it, test it, install it, run it.
  const folder = join(home.user, created.folder)
  const verified = await home.oxbow(['program', 'verify', folder])
  assert.deepEqual([verified.exit, verified.out.trim()], [0, 'It can run.'], verified.err)
  const tested = await home.oxbow(['program', 'test', folder])
  assert.equal(tested.exit, 0, tested.out + tested.err)
  assert.equal((await home.oxbow(['program', 'info', 'count-lines'])).exit === 0, false, 'installing it is up to the person')
  const installed = await home.oxbow(['program', 'install', folder, '--yes'])
  assert.equal(installed.exit, 0, installed.out + installed.err)
  assert.equal(await home.result<number>('count-lines', { path: `${created.folder}/tests/two.toml` }), 6)

  // The model was shown the calls that are there, and the schemas of those that it picked.
  const asked = model.requests.map((messages) => messages.map(({ content }) => String(content)).join('\n'))
  assert.match(asked[0]!, /file\.search: Searches the lines of text files/)
  assert.match(asked[1]!, /"name":"file\.read".*"input":.*"bound_by":"paths"/s)

  const again = await home.oxbow(['program', 'run', 'program-creator', '--inputs', JSON.stringify({ request })])
  assert.match(again.err, /\/shared\/programs\/count-lines exists/)
})

void test('program-creator writes nothing when the fifth try is not right either', async () => {
  await using model = await startModel({ turns: [picks, { match: 'Write the program mine', steps: says(good) }] })
  await using home = await openBundled(['program-creator'], '', model)
  const created = await home.result<Created>('program-creator', { request, name: 'mine' })
  assert.deepEqual([created.made, created.tries, created.folder, created.calls], [false, 5, '', []])
  assert.match(created.findings.join('\n'), /program\.toml:2: .*they must be the same/)
  assert.equal(model.requests.length, 6)
  assert.equal(existsSync(join(home.shared, 'programs')), false, readdirSync(home.shared).join())
})
