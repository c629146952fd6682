import assert from 'node:assert/strict'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { buildProgram, runProgram } from './program.ts'
import { hintForPeople, loadServiceVerbs } from './service-verbs.ts'
import type { Terminal } from './terminal.ts'

async function type(...args: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
  return typeAt(null, ...args)
}

/** @param columns width of the terminal; null for pipes */
async function typeAt(columns: number | null, ...args: readonly string[]): Promise<{ exit: number; out: string; err: string }> {
  const shape = columns === null ? {} : { isTTY: true, columns }
  const [input, output, errors] = [new PassThrough(), Object.assign(new PassThrough(), shape), Object.assign(new PassThrough(), shape)]
  const terminal = { input, output, errors, env: {}, version: '1.2.3' } as unknown as Terminal
  input.end()
  const exit = await runProgram(args, terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

void test('the help of every verb has an example', async () => {
  for (const verb of ['chat', 'run', 'serve', 'approve', 'sessions', 'calls', 'audit', 'status']) {
    const { exit, out } = await type(verb, '--help')
    assert.equal(exit, 0, verb)
    assert.match(out, new RegExp(`Examples:\n.*oxbow ${verb}`), verb)
  }
  for (const args of [['-h'], ['run', '-h'], ['audit', '-h'], ['store', 'backup', '-h']])
    assert.equal((await type(...args)).exit, 0, args.join(' '))
  const { out } = await type('--help')
  for (const verb of ['chat', 'run', 'serve', 'approve', 'sessions', 'calls', 'audit', 'status'])
    assert.match(out, new RegExp(`^  ${verb} `, 'm'))
})

void test('help and failures wrap between words in a narrow terminal, and not in a pipe', async () => {
  const helps = [['--help'], ['run', '--help'], ['sessions', '--help'], ['store', '--help'], ['store', 'move', '--help']]
  for (const args of helps) {
    const { out } = await typeAt(40, ...args)
    const words = out.split('\n').filter((line) => line.trim().includes(' '))
    for (const line of words) assert.ok(line.length <= 40, line)
    assert.deepEqual(out.split(/\s+/), (await type(...args)).out.split(/\s+/))
  }
  assert.match(
    (await typeAt(40, 'sessions', '--user', '../x')).err,
    /^error: "\.\.\/x" cannot be a user name\nhint: Use 1 to 64 characters without\n {2}slash, /,
  )
  assert.match(
    (await type('sessions', '--user', '../x')).err,
    /\nhint: Use 1 to 64 characters without slash, backslash, space or [^\n]*\n$/,
  )
})

void test('an unknown verb or option is a usage error with a hint', async () => {
  for (const args of [['nonsense'], ['run', '--nonsense'], ['sessions', '--limit', 'x']]) {
    const { exit, err } = await type(...args)
    assert.equal(exit, 2, args.join(' '))
    assert.match(err, /^error: .+\nhint: /s, args.join(' '))
  }
})

void test('an empty argument or option names itself and does nothing', async () => {
  for (const [args, empty] of [
    [['undo', ''], 'turn'],
    [['folder', 'add', ''], 'path'],
    [['log', ''], 'path'],
    [['spawn', ''], 'task'],
    [['sessions', 'rename', '019a', ''], 'title'],
    [['run', '--folder', '', 'hi'], '--folder'],
    [['run', '--attach', 'a.txt', '--attach', '', 'hi'], '--attach'],
    [['schedule', 'add', 'x', '--cron', ''], '--cron'],
    [['schedule', 'add', 'x', '--cron', '0 7 * * *', '--name', ' '], '--name'],
    [['schedule', 'remove', ' '], 'schedule'],
    [['keys', 'revoke', '\t'], 'key'],
  ] as const) {
    const { exit, err } = await type(...args)
    assert.equal(exit, 2, args.join(' '))
    assert.ok(err.startsWith(`error: ${empty} is empty\nhint: Is a variable not set?`), `${args.join(' ')}: ${err}`)
  }
})

void test('a folder that is no valid skill ends as other bad input does', async () => {
  const { exit, out } = await type('skills', 'verify', import.meta.dirname)
  assert.match(out, /is not valid:\n {2}Missing required file: SKILL\.md/)
  assert.equal(exit, 2)
})

void test('an invalid time is refused in words for a person', async () => {
  for (const at of ['yesterday', '2030-01-01T00:00', '2030-13-01T00:00:00Z'])
    assert.match(
      (await type('schedule', 'add', 'x', '--at', at)).err,
      /^error: --at \S+ is not a date with a time and a zone\nhint: Write it like/,
    )
})

void test('a misspelt verb is answered with the nearest one', async () => {
  for (const [typed, meant] of [
    ['runn', 'run'],
    ['sesions', 'sessions'],
    ['stattus', 'status'],
    // An unfinished word is rather meant than one that is misspelt.
    ['stat', 'state or status'],
    ['statu', 'status'],
  ] as const)
    assert.match((await type(typed)).err, new RegExp(`^error: there is no verb "${typed}"; did you mean ${meant}\\?\nhint: `))
  assert.doesNotMatch((await type('summarise')).err, /did you mean/)
})

void test('a hint names verbs for calls, and keys of the configuration as they are', async () => {
  const terminal = {
    input: new PassThrough(),
    output: new PassThrough(),
    errors: new PassThrough(),
    env: {},
    version: '',
  } as unknown as Terminal
  const program = buildProgram(terminal, () => {}, await loadServiceVerbs(null))
  const key = `Name the servers: oxbow config set cluster.nats '["nats://host:4222"]'`
  assert.equal(await hintForPeople(key, program), key)
  assert.equal(await hintForPeople('See model.list.', program), 'See `oxbow models`.')
})

void test('a group of verbs alone lists what there is', async () => {
  for (const rest of [[], ['list']]) assert.match((await type('folder', ...rest, '--user', '../x')).err, /cannot be a user name/)
  assert.match((await type('folder', '--help')).out, /^Usage: oxbow folder/)
  assert.match(
    (await type('folder', 'lst')).err,
    /^error: there is no verb "lst" in `oxbow folder`; did you mean list\?\nhint: `oxbow folder --help`/,
  )
})

void test('agents alone takes the options of the live list, and its verbs their own', async () => {
  assert.match((await type('agents', '--tree', '--user', '../x')).err, /cannot be a user name/)
  assert.match((await type('agents', 'show', 'reviewer', '--json', '--user', '../x')).err, /^{"/)
  assert.match((await type('agents', 'list', '--tree')).err, /unknown option '--tree'/)
})

void test('an empty count, as from an unset variable, is refused instead of keeping no backup', async () => {
  for (const args of [
    ['store', 'backup', '--keep', ''],
    ['sessions', '--limit', '0'],
    ['sessions', 'fork', '019a', '--at', ' '],
  ]) {
    const { exit, err } = await type(...args)
    assert.deepEqual([exit, /Give a whole number from \d to \d+\.\nhint: /.test(err)], [2, true], err)
  }
})

void test('mistyped words are shown without control characters, because a shell pattern may expand to foreign file names', async () => {
  for (const args of [
    ['run', '--x\u001b[2J'],
    ['sessions', '--limit', 'x\u001b[2J'],
  ])
    assert.match((await type(...args)).err, /^error: .*x\\u001b\[2J'/)
})

void test('a verb below `sessions` acts for the given user, wherever --user stands', async () => {
  for (const args of [
    ['delete', '019a', '--yes', '--user', '../x'],
    ['--user', '../x', 'delete', '019a', '--yes'],
    ['--user', 'ada', 'rename', '019a', 'title', '--user', '../x'],
  ]) {
    assert.match((await type('sessions', ...args)).err, /^error: "\.\.\/x" cannot be a user name/, args.join(' '))
  }
})

void test('failures print an error and a hint, and exit by the table', async () => {
  const empty = await type('run')
  assert.equal(empty.exit, 2)
  assert.match(empty.err, /^error: there is no message\nhint: /)
  const user = await type('sessions', '--user', '../x')
  assert.equal(user.exit, 2)
  assert.match(user.err, /cannot be a user name\nhint: /)
})

void test('a misspelt verb of a group that takes a text is no text: it is not given to an agent', async () => {
  for (const typed of [['shw'], ['shw', '0199d2c4'], ['lst', '--json'], ['drp', '0199d2c4-ac96']]) {
    const { exit, err, out } = await type('plan', ...typed)
    assert.equal(exit, 2, typed.join(' '))
    assert.match(
      `${err}${out}`,
      new RegExp(`there is no verb .{1,2}${typed[0]}.{1,2} in .oxbow plan.; did you mean (show|list|drop)`),
      typed.join(' '),
    )
  }
  const { err } = await type('plan', 'shw')
  assert.match(err, /hint: [^]*oxbow plan -- shw\n$/)
})

void test('a verb that is typed is the same where those after it are not made', async () => {
  const terminal = { output: process.stdout, errors: process.stderr, env: {}, version: '1' } as unknown as Terminal
  const all = buildProgram(terminal, () => {}, await loadServiceVerbs(null))
  let sooner = 0
  for (const verb of all.commands.filter((command) => command.name() !== 'help')) {
    for (const name of [verb.name(), ...verb.aliases()]) {
      const loaded = await loadServiceVerbs(verb.name())
      const own = buildProgram(terminal, () => {}, loaded, name)
      const found = own.commands.find((command) => command.name() === verb.name())
      const texts = (command: typeof verb): readonly string[] => [command.helpInformation(), ...command.commands.flatMap(texts)]
      assert.deepEqual(found === undefined ? null : texts(found), texts(verb), name)
      if (own.commands.length < all.commands.length / 2) sooner += 1
    }
  }
  assert.ok(sooner > 10, 'not all are made for each')
  assert.equal(buildProgram(terminal, () => {}, await loadServiceVerbs(null), 'nowhere').commands.length, all.commands.length)
})
