/** What holds for every verb, generated from the definitions. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import type { Command } from 'commander'
import { errorTable } from '../base/index.ts'
import { examplesOf } from '../../scripts/docs/cli-page.ts'
import { buildProgram, runProgram } from './program.ts'
import { loadServiceVerbs } from './service-verbs.ts'
import type { Terminal } from './terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'oxbow-every-verb-'))
after(() => rmSync(folder, { recursive: true }))

interface Ran {
  readonly exit: number
  readonly out: string
  readonly err: string
}

async function type(args: readonly string[], home: string): Promise<Ran> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  input.end('x\n')
  const exit = await runProgram(args, {
    input,
    output,
    errors,
    env: { OXBOW_HOME: home, EDITOR: 'false' },
    version: '1.2.3',
  } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const silent = { output: new PassThrough(), errors: new PassThrough(), env: {}, version: '' } as unknown as Terminal

interface Leaf {
  readonly path: readonly string[]
  readonly command: Command
  /** For its arguments; they name nothing that exists. */
  readonly values: readonly string[]
}

/** Of verbs that refuse what the others take: a word for each argument. */
const ownValues: Readonly<Record<string, readonly string[]>> = {
  'channel add': ['telegram', '--token-stdin'],
  'keys create': ['x', '--right', 'session.read'],
  'roles add': ['x', '--right', 'session.read'],
  'secret allow': ['x', '--call', 'web.fetch'],
  'schedule add': ['x', '--every', '60'],
  'memory edit': ['x', '--trust'],
  restore: ['x', '--to', 'HEAD'],
  'store restore': [folder],
  'store move': ['file'],
  'state load': ['x/x'],
  'state save': ['x/x', '{}'],
  'state delete': ['x/x'],
  call: ['x', '{}'],
  'plugin add': [join(folder, 'none')],
  'plugin new': [join(folder, 'none', 'x')],
  // Nothing is to be installed on the machine of whoever runs this.
  'service install': ['--print'],
  'service uninstall': ['--print'],
  'plugin sign': [join(folder, 'none'), 'x'],
}

function leavesOf(command: Command, path: readonly string[]): readonly Leaf[] {
  const own = command.commands.length === 0 || command.options.length > 0
  const needed = command.registeredArguments.filter(({ required }) => required).map(({ argChoices }) => argChoices?.[0] ?? 'x')
  const values = ownValues[path.join(' ')] ?? needed
  const leaf = own && path.length > 0 ? [{ path, command, values }] : []
  return [...leaf, ...command.commands.flatMap((inner) => leavesOf(inner, [...path, inner.name()]))]
}

const loaded = await loadServiceVerbs(null)
const leaves = leavesOf(
  buildProgram(silent, () => {}, loaded),
  [],
)

/** Words of a command line as a shell splits them, up to a pipe or a redirection. */
function wordsOf(example: string): readonly string[] {
  const [, line = ''] = /(?:^|[\s(])(oxbow(?:\s.*)?)$/.exec(example.split(/ {2,}/)[0] ?? '') ?? []
  const words = Array.from(line.matchAll(/'([^']*)'|"([^"]*)"|([^\s'"]+)/g), ([, single, double, plain]) => single ?? double ?? plain ?? '')
  const end = words.findIndex((word) => /^[|<>)]/.test(word))
  return words.slice(1, end === -1 ? undefined : end).map((word) => word.replace(/\)$/, ''))
}

test('every verb has an example, and each example is a command line that the program takes', async () => {
  assert.ok(leaves.length > 100, 'the verbs are found')
  for (const { path, command } of leaves) {
    const examples = examplesOf(command)
    assert.ok(examples.some((line) => line.includes(`oxbow ${path.join(' ')}`)) || path[0] === 'store', path.join(' '))
    for (const example of examples) {
      let isChosen = false
      const program = buildProgram({ ...silent, errors: new PassThrough() } as unknown as Terminal, () => (isChosen = true), loaded)
      await program.parseAsync(wordsOf(example), { from: 'user' }).catch((error: Error) => assert.fail(`${example}: ${error.message}`))
      assert.ok(isChosen, example)
    }
  }
})

/** Verbs whose output is a conversation or a script. */
const withoutJson = ['completion', 'tui', 'chat', 'acp']

test('every verb takes --json', () => {
  const without = leaves.filter(({ command }) => !command.options.some(({ long }) => long === '--json')).map(({ path }) => path.join(' '))
  assert.deepEqual(without, withoutJson)
})

test('every verb refuses an option that it does not have, and names the nearest', async () => {
  for (const { path, values, command } of leaves) {
    const { exit, err } = await type([...path, ...values, '--jsn'], folder)
    assert.equal(exit, errorTable.bad_input.exit, path.join(' '))
    // `exec run` passes options on to the program.
    if (command.options.some(({ long }) => long === '--json'))
      assert.match(err, /unknown option '--jsn'\n\(Did you mean --json\?\)/, path.join(' '))
  }
})

test('every verb with an argument refuses to run without it', async () => {
  for (const { path } of leaves.filter(({ command }) => command.registeredArguments.some(({ required }) => required))) {
    const { exit, err } = await type(path, folder)
    assert.equal(exit, errorTable.bad_input.exit, path.join(' '))
    assert.match(err, /^error: missing required argument/, path.join(' '))
  }
})

test('every verb of a user refuses a name that cannot be one, as JSON where that is wanted', async () => {
  for (const { path, values, command } of leaves.filter((leaf) => leaf.command.options.some(({ long }) => long === '--user'))) {
    const name = path.join(' ')
    const { exit, err } = await type(
      [...path, ...values, '--user', '../x', ...(withoutJson.includes(command.name()) ? [] : ['--json'])],
      folder,
    )
    assert.equal(exit, errorTable.bad_input.exit, `${name}: ${err}`)
    if (!withoutJson.includes(command.name())) {
      const { error } = JSON.parse(err) as { error: { code: string; message: string; hint: string } }
      assert.deepEqual([error.code, error.hint === ''], ['bad_input', false], name)
    }
  }
})

async function exitsIn(home: string): Promise<Readonly<Record<string, number>>> {
  const others: Record<string, number> = {}
  for (const { path, values } of leaves) {
    const { exit } = await type([...path, ...values], home)
    if (exit !== errorTable.bad_config.exit) others[path.join(' ')] = exit
  }
  return others
}

test('every verb that reads the configuration ends with its exit code where that is bad', async () => {
  const home = join(folder, 'bad')
  mkdirSync(home)
  // Where a file names a store, no server starts without it, in safe mode either.
  writeFileSync(join(home, 'config.toml'), '[model\n[store]\nurl = "postgres://127.0.0.1/x"\n')
  const missing = errorTable.not_found.exit
  const refused = errorTable.bad_input.exit
  assert.deepEqual(await exitsIn(home), {
    // Their arguments are looked at first.
    'cluster budget join': refused,
    'cluster budget leave': refused,
    'cluster budget remove': refused,
    'cluster budget set': refused,
    login: refused,
    'config list': 0,
    'config get': refused,
    'config explain': refused,
    'config edit': refused,
    'config history': 0,
    'config diff': missing,
    'config rollback': missing,
    'config schema': 0,
    completion: 0,
    stop: 0,
    logs: 0,
    'folder add': missing,
    'folder list': 0,
    'folder remove': missing,
    'servers discover': 0,
    'service install': 0,
    'service status': 0,
    'service uninstall': 0,
    'sessions import': 2,
    'user add': 0,
    'user list': 0,
    'user remove': 8,
    'user set': 2,
    'user show': 4,
    'character check': missing,
    'plugin list': 0,
    'plugin verify': 0,
    'plugin new': refused,
    'plugin sign': missing,
    'embed list': 0,
    'embed pull': refused,
    'embed use': refused,
    'goal start': refused,
    'persona edit': refused,
    'persona new': 0,
    'space archive': 0,
    'space list': 0,
    'space merge': refused,
    'space move': refused,
    'space new': 0,
    'space restore': 0,
    'space share': refused,
    'space suggest': 0,
    'space undo': missing,
    'space unshare': refused,
    'space use': 0,
  })
})

test('every verb ends with the exit code of a bad configuration where the home cannot be created', async () => {
  const home = join(folder, 'file')
  writeFileSync(home, '')
  assert.deepEqual(await exitsIn(home), {
    'cluster budget join': 2,
    'cluster budget leave': 2,
    'cluster budget remove': 2,
    'cluster budget set': 2,
    login: 2,
    'config schema': 0,
    'goal start': errorTable.bad_input.exit,
    completion: 0,
    'servers discover': 0,
    'service install': 0,
    'service status': 0,
    'service uninstall': 0,
    'sessions import': 2,
    'user set': 2,
    'character check': errorTable.not_found.exit,
    'plugin new': errorTable.bad_input.exit,
    'plugin sign': errorTable.not_found.exit,
    'space merge': errorTable.bad_input.exit,
    'space move': errorTable.bad_input.exit,
    'space share': errorTable.bad_input.exit,
    'space unshare': errorTable.bad_input.exit,
  })
})
