/** Programs as tools of agents, their schedules, their cases of tests, and the way back of an update whose first run fails. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { JsonObject } from '../../../base/index.ts'
import type { DefinitionText, HostPort, StagedProgram } from '../../../config/index.ts'
import { testCall } from '../../../kernel/kernel-fixture.ts'
import { openPrograms, programOf } from '../program-fixture.ts'
import { parsePackage } from '../program-package.ts'
import { readProgramFolder } from './program-folder.ts'
import { compareRights } from './rights-text.ts'

const say = testCall('test.say', async ({ text = '' }: { text?: string }) => ({ output: { said: text }, text }))

const greet = programOf(
  'greet',
  'calls = ["test.say"]\n[input]\ntype = "object"\nrequired = ["who"]\nproperties = { who = { type = "string" } }\n[result]\ntype = "string"',
  `export default ({ who }) => oxbow.call('test.say', { text: 'hello ' + who }).output.said`,
  'tool = true',
)

async function results(program: DefinitionText, tests: Readonly<Record<string, string>>) {
  await using guest = await openPrograms([], { calls: [say] })
  const files = { toml: program.toml, instructions: program.text, script: program.script ?? '', tests }
  const { results: all } = await guest.ok<{ results: readonly { name: string; ok: boolean; problem: string }[] }>('program.test', {
    name: program.name,
    files,
  })
  return all
}

test('a case passes where calls and result are as it says, and tells what differs', async () => {
  const call = '[[call]]\nname = "test.say"\ninput = { text = "hello Ada" }\noutput = { said = "hello Ada" }'
  const found = await results(greet, {
    'tests/a-good.toml': `input = { who = "Ada" }\nresult = "hello Ada"\n${call}`,
    'tests/b-result.toml': `input = { who = "Ada" }\nresult = "bye"\n${call}`,
    'tests/c-input.toml': `input = { who = "Bob" }\n${call}`,
    'tests/d-uncalled.toml': `input = { who = "Ada" }\n${call}\n${call}`,
    'tests/e-unexpected.toml': 'input = { who = "Ada" }',
    'tests/f-fails.toml': 'input = { who = "Ada" }\nfailure = "not_found"\n[[call]]\nname = "test.say"\nfails = "not_found"',
    'tests/g-bad-input.toml': 'input = {}\nfailure = "bad_input"',
    'tests/h-broken.toml': 'input = 7',
  })
  assert.deepEqual(
    found.filter(({ ok }) => ok).map(({ name }) => name),
    ['a-good', 'f-fails', 'g-bad-input'],
    JSON.stringify(found, null, 1),
  )
  const why = Object.fromEntries(found.map(({ name, problem }) => [name, problem]))
  assert.match(why['b-result']!, /returned "hello Ada", and not "bye"/)
  assert.match(why['c-input']!, /has text "hello Bob", and not "hello Ada"/)
  assert.match(why['d-uncalled']!, /did not make the call test\.say/)
  assert.match(why['e-unexpected']!, /no call was expected/)
  assert.match(why['h-broken']!, /cannot be used/)
})

test('tests of a program that there is not are told as for every other verb', async () => {
  await using guest = await openPrograms([greet], { calls: [say] })
  const unknown = await guest.kernel.call('program.test', { name: 'gret' })
  assert.match(unknown.text, /There is no program gret\..*Did you mean greet\?/s)
})

test('what no source and no name tells is refused before anybody is asked for it', async () => {
  await using guest = await openPrograms([greet], { calls: [say] })
  for (const [name, input] of [
    ['program.look', {}],
    ['program.install', { hash: '0'.repeat(64) }],
  ] as const) {
    const refused = await guest.kernel.call(name, input)
    assert.match(refused.text, /Nothing says which program it is/, name)
  }
})

test('a folder with more cases of tests than run is refused, not cut', () => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-cases-'))
  try {
    writeFileSync(join(folder, 'program.toml'), '')
    mkdirSync(join(folder, 'tests'))
    const add = (n: number): void => writeFileSync(join(folder, 'tests', `case-${n}.toml`), '')
    for (let n = 0; n < 100; n += 1) add(n)
    assert.equal(Object.keys(readProgramFolder(folder).tests).length, 100)
    add(100)
    assert.throws(() => readProgramFolder(folder), /has 101 cases of tests; a program has at most 100/)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('a case refuses what the manifest does not list', async () => {
  const sly = programOf(
    'sly',
    'calls = []',
    `export default () => { try { oxbow.call('test.say', {}) } catch (error) { return error.code } }`,
  )
  const [only] = await results(sly, { 'tests/a.toml': 'result = "denied"' })
  assert.deepEqual(only, { name: 'a', ok: true, problem: '' })
})

test('a program that is a tool is a call with its input and result, and none when it is switched off', async () => {
  await using guest = await openPrograms([greet, programOf('plain', 'calls = []', 'export default () => 1')], { calls: [say] })
  const [tool, other]: readonly string[] = ['programs.greet', 'programs.plain']
  await guest.ok('program.list', {})
  const { output, status } = (await guest.kernel.call(tool!, { who: 'Ada' })) as { status: string; output: JsonObject }
  assert.equal(status, 'ok')
  assert.equal(output['result'], 'hello Ada')
  const bad = await guest.kernel.call(tool!, { who: 7 })
  assert.equal(bad.status === 'failed' && bad.failure.code, 'bad_input')
  assert.notEqual((await guest.kernel.call(other!, {})).status, 'ok')
})

test('a program of Oxbow runs, and is neither a tool nor scheduled until it is switched on', async () => {
  const bundled = { ...programOf('guard', 'calls = []', 'export default () => 1', 'tool = true'), place: 'bundled' as const }
  bundled.toml += '\n[[schedule]]\nevery_s = 1\n'
  await using guest = await openPrograms([bundled])
  const shown = async () => (await guest.ok<{ programs: { active: boolean; enabled: boolean }[] }>('program.list', {})).programs[0]!
  assert.deepEqual([(await shown()).enabled, (await shown()).active], [true, false])
  assert.equal((await guest.run('guard')).status, 'success')
  await guest.ok('program.enable', { program: 'guard' })
  assert.equal((await shown()).active, true)
  // Its schedule starts it, once a second.
  for (let left = 1_000; ; left--) {
    const { runs } = await guest.ok<{ runs: unknown[] }>('program.runs', { ended: true, limit: 10 })
    if (runs.length >= 2) break
    assert.ok(left > 0, 'the schedule never started it')
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  await guest.ok('program.disable', { program: 'guard' })
  assert.deepEqual([(await shown()).enabled, (await shown()).active], [false, false])
  assert.deepEqual(await guest.store.documents({ category: 'system/program_schedules', limit: 10 }), [])
})

test('an update whose first run fails goes back, one that succeeds is kept', async () => {
  const good = programOf('tidy', 'calls = []', 'export default () => 1')
  const bad = {
    ...programOf('tidy', 'calls = []', `export default () => { throw new Error('broken') }`),
    place: 'installed' as const,
    trial: 'f'.repeat(64),
  }
  const changes: unknown[] = []
  let now: readonly DefinitionText[] = [bad]
  const host = {
    definitions: async () => now,
    programs: {
      async change(program: string, change: string, hash: string) {
        changes.push([program, change, hash])
        now = [{ ...good, place: 'installed' }]
        return { changed: true, version: '1.0.0' }
      },
    },
  } as unknown as HostPort
  await using guest = await openPrograms([], { host })
  assert.equal((await guest.run('tidy')).status, 'failed')
  assert.deepEqual(changes, [['tidy', 'rollback', 'f'.repeat(64)]])
  assert.equal((await guest.run('tidy')).status, 'success')
  now = [{ ...good, place: 'installed', trial: 'e'.repeat(64) }]
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  assert.equal((await guest.run('tidy')).status, 'success')
  assert.deepEqual(changes[1], ['tidy', 'keep', 'e'.repeat(64)])
})

test('a package whose tests fail is not installed', async () => {
  const { toml, text, script } = greet
  const installed: string[] = []
  const staged = (tests: Record<string, string>): StagedProgram => ({
    program: 'greet',
    version: '1.0.0',
    hash: 'a'.repeat(64),
    signed_by: '',
    source: { from: 'folder', path: '/x' },
    texts: { toml, text, script },
    files: [],
    tests,
    before: null,
    hides: '',
  })
  let tests: Record<string, string> = { 'tests/a.toml': 'input = { who = "Ada" }\nresult = "hello"' }
  const host = {
    definitions: async () => [],
    programs: { look: async () => staged(tests), install: async (source: string) => installed.push(source) },
  } as unknown as HostPort
  await using guest = await openPrograms([], { host, calls: [say] })
  const install = (hash: string) => guest.kernel.call('program.install', { source: '/x', hash })
  const refused = await install('a'.repeat(64))
  assert.match(refused.text, /1 of 1 tests of greet 1\.0\.0 fail/)
  tests = {}
  assert.match((await install('b'.repeat(64))).text, /not the files that were shown/)
  assert.deepEqual(installed, [])
  assert.equal((await install('a'.repeat(64))).status, 'ok')
  assert.deepEqual(installed, ['/x'])
})

test('an update shows which rights it adds, takes away and widens', async () => {
  const read = async (rights: string) => (await parsePackage(programOf('tidy', rights))).program!.manifest
  const before = await read('calls = ["file.read"]\npaths = ["/shared/a"]\ntime_s = 60\nspend = { tokens = 100 }')
  const after = await read('calls = ["file.read", "file.write"]\npaths = ["/shared"]\ntime_s = 30')
  assert.deepEqual(compareRights(before, after), {
    added: ['make the call file.write', 'reach files in /shared', 'spend any number of tokens a run'],
    removed: ['reach files in /shared/a', 'spend 100 tokens a run', 'run for 60 s'],
  })
  assert.deepEqual(compareRights(before, before), { added: [], removed: [] })
})
