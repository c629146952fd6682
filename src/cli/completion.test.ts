import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import type { Command } from 'commander'
import { listsOf, printValues } from './completion.ts'
import { buildProgram, runProgram } from './program.ts'
import { loadServiceVerbs } from './service-verbs.ts'
import type { Terminal } from './terminal.ts'

async function scriptFor(shell: string): Promise<string> {
  const output = new PassThrough()
  const terminal = { input: new PassThrough(), output, errors: new PassThrough(), env: {}, version: '1' } as unknown as Terminal
  assert.equal(await runProgram(['completion', shell], terminal), 0)
  return String(output.read())
}

test('bash completes verbs, verbs of groups, options and their choices', async () => {
  const script = await scriptFor('bash')
  const complete = (...words: readonly string[]): readonly string[] => {
    const typed = ['oxbow', ...words].map((word) => `'${word}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _oxbow 2>/dev/null; printf '%s\\n' "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).split('\n').filter(Boolean)
  }
  assert.deepEqual(complete('sched'), ['schedule'])
  assert.ok(complete('schedule', '').includes('add'))
  assert.deepEqual(complete('config', 'va'), ['validate'])
  assert.deepEqual(complete('config', 'list', '--js'), ['--json'])
  assert.deepEqual(complete('approvals', 'approve', '019a', '--always', 'pat'), ['pattern'])
  assert.deepEqual(complete('nonsense', 'x'), [])
  assert.ok(complete('completion', '').join(' ').startsWith('bash zsh fish'))
  assert.deepEqual(complete('budget', 'set', 'user', '--per', 'mi'), ['minute'])
  assert.deepEqual(complete('budget', 'set', 'us'), ['user'])
  assert.deepEqual(complete('p').includes('ps'), true)
  assert.deepEqual(complete('ps', '--tr'), ['--tree'])
  assert.deepEqual(complete('hel'), ['help'])
  assert.deepEqual(complete('help', 'sched'), ['schedule'])
})

test('bash completes names of what exists, which it asks for by the verb that lists them', async () => {
  const script = `${await scriptFor('bash')}\noxbow() { echo "\${4/ /_}-1 \${4/ /_}-2"; }`
  const complete = (...words: readonly string[]): string => {
    const typed = ['oxbow', ...words].map((word) => `'${word}'`).join(' ')
    const run = `${script}\nCOMP_WORDS=(${typed}); COMP_CWORD=${words.length}; _oxbow 2>/dev/null; echo "\${COMPREPLY[@]}"`
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).trim()
  }
  assert.equal(complete('sessions', 'delete', 'ses'), 'sessions:id-1 sessions:id-2')
  assert.equal(complete('chat', '--session', ''), 'sessions:id-1 sessions:id-2')
  assert.equal(complete('kill', 'agents:name-2'), 'agents:name-2')
  assert.equal(complete('kill', '--rea'), '--reason')
  assert.equal(complete('schedule', 'pause', 'sche'), 'schedule_list:id-1 schedule_list:id-2')
  assert.equal(complete('plugin', 'info', 'plug'), 'plugin_list:name-1 plugin_list:name-2')
  assert.equal(complete('diff', 'lo'), 'log:commit-1 log:commit-2')
  assert.equal(complete('run', '--model', ''), 'models:provider/name-1 models:provider/name-2')
})

test('names come from the JSON of the verb that lists them, in whichever form', async () => {
  const lists: Readonly<Record<string, string>> = {
    'secret list': '{"items":[{"name":"a"},{"name":"b c"}]}',
    models: '{"provider":"x","name":"m"}\n{"provider":"x","name":"n"}',
    'roles list': '[{"role":"worker"}]',
    'config list --all': 'no JSON',
    vacuum: '{"name":"gone"}',
  }
  const { verbs } = await loadServiceVerbs('roles')
  const ran: string[] = []
  const home = mkdtempSync(join(tmpdir(), 'oxbow-completion-'))
  const namesFrom = async (asked: string): Promise<string> => {
    const output = new PassThrough()
    const terminal = { input: new PassThrough(), output, errors: output, env: { OXBOW_HOME: home }, version: '1' } as unknown as Terminal
    const run = async (args: readonly string[], into: Terminal): Promise<number> => {
      ran.push(args.join(' '))
      into.output.write(lists[args.slice(0, -1).join(' ')] ?? '')
      return 0
    }
    assert.equal(await printValues(asked, verbs, run, terminal), 0)
    return String(output.read() ?? '')
  }
  try {
    assert.equal(await namesFrom('models:provider/name'), 'x/m\nx/n\n')
    assert.equal(await namesFrom('secret list:name'), 'a\n')
    assert.equal(await namesFrom('config list --all:key'), '')
    assert.equal(await namesFrom('roles list:role'), '', 'no guest is started for it')
    ran.length = 0
    for (const asked of ['vacuum:name', 'secret list:value', 'secret list --all:name', 'secret list', ':', '', '__proto__:name'])
      assert.equal(await namesFrom(asked), '')
    assert.deepEqual(ran, [], 'only what a script asks for is run')
  } finally {
    rmSync(home, { recursive: true })
  }
})

/** Arguments that name nothing which exists yet or is listed anywhere. */
const free: readonly string[] = [
  'address', // of a guest that one signs in at
  'answer', // of a person
  'answers', // to questions
  'args',
  'arguments', // of a prompt of a server
  'binary', // a program
  'call-or-path', // of the guest, or of the workspace
  'category',
  'code', // that a stranger was shown
  'command',
  'delivery', // of a channel's log
  'document', // of a category that is not known
  'dollars',
  'file',
  'folder',
  'goal',
  'id', // of a memory, a declassification or a report
  'ids',
  'input', // JSON
  'key-file',
  'kind', // of a channel
  'more', // settings and values in turn
  'name', // of something that is made
  'node', // of a cluster
  'number', // of a kept configuration
  'other',
  'package',
  'path',
  'path-or-memory', // of the workspace, or an id
  'persona', // of the files of the person
  'prompt', // of a server that is not known
  'request',
  'shell',
  'source',
  'subject', // of a person, as the provider of sign-in says
  'task',
  'text',
  'time', // how long
  'title',
  'token',
  'url',
  'user', // of a cluster
  'value',
  'words',
]

test('every argument is known to name something that is listed, or nothing that is', async () => {
  const loaded = await loadServiceVerbs(null)
  const lists = listsOf(loaded.verbs)
  const program = buildProgram(
    { output: process.stdout, errors: process.stderr, env: {}, version: '1' } as unknown as Terminal,
    () => {},
    loaded,
  )
  const argumentsOf = (command: Command): readonly string[] => [
    ...command.registeredArguments.map((argument) => argument.name()),
    ...command.commands.flatMap(argumentsOf),
  ]
  const names = new Set(argumentsOf(program))
  assert.deepEqual(
    [...names].filter((name) => !lists.has(name) && !free.includes(name)),
    [],
  )
  assert.deepEqual(
    free.filter((name) => !names.has(name)),
    [],
  )
})

test('the help of everything shows the arguments of verbs that are not loaded for it', async () => {
  const terminal = { output: process.stdout, errors: process.stderr, env: {}, version: '1' } as unknown as Terminal
  const linesOf = async (typed: string | null): Promise<readonly string[]> => {
    const program = buildProgram(terminal, () => {}, await loadServiceVerbs(typed))
    return program
      .createHelp()
      .visibleCommands(program)
      .map((command) => program.createHelp().subcommandTerm(command))
  }
  assert.deepEqual(await linesOf(''), await linesOf(null))
})

test('each script is one that its shell can read, where that is installed', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-completion-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const shell of ['bash', 'zsh', 'fish'] as const) {
    const script = await scriptFor(shell)
    assert.match(script, /schedule/)
    try {
      const file = join(folder, shell)
      writeFileSync(file, script)
      execFileSync(shell, ['-n', file], { stdio: 'pipe' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      t.diagnostic(`${shell} is not installed here`)
    }
  }
})
