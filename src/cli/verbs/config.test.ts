/** `oxbow config` on files in a home of its own. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, test } from 'node:test'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

const home = mkdtempSync(join(tmpdir(), 'oxbow-config-test-'))
const file = join(home, 'config.toml')
after(() => rmSync(home, { recursive: true }))

async function config(words: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  const terminal = { input, output, errors, env: { OXBOW_HOME: home, ...env }, version: '1.2.3' } as unknown as Terminal
  const exit = await runProgram(['config', ...words], terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

test('values are set with their types, keep the comments of the file, and are shown where they differ from the defaults', async () => {
  writeFileSync(file, '# mine\n[approval]\nmode = "auto" # for now\n')
  for (const [key, value] of [
    ['approval.mode', 'manual'],
    ['sandbox.memory_mb', '2048'],
    ['agent.rights', '["file.read"]'],
    ['agent.name', '12'],
  ] as const)
    assert.equal((await config(['set', key, value])).exit, 0, key)
  assert.match(readFileSync(file, 'utf8'), /^# mine\n\[approval\]\nmode = "manual" # for now\n[^]*memory_mb = 2048\n[^]*name = "12"/)
  assert.match((await config([])).out, /agent\.name +"12"\n[^]*sandbox\.memory_mb +2048/)
  assert.equal((await config(['get', 'approval.mode'])).out, 'manual\n')
  assert.deepEqual(JSON.parse((await config(['get', 'agent.rights', '--json'])).out), ['file.read'])
  assert.match((await config(['validate'])).out, /can be used/)
  assert.equal(JSON.parse((await config(['schema'])).out).type, 'object')
})

test('an entry that a guest would leave out is named', async () => {
  const before = readFileSync(file, 'utf8')
  const validate = async (cron: string): Promise<{ readonly exit: number; readonly err: string }> => {
    writeFileSync(file, `${before}\n[[schedule]]\nname = "morning"\ngoal = "report"\ncron = "${cron}"\n`)
    return config(['validate'])
  }
  assert.equal((await validate('0 7 * * 1-5')).exit, 0)
  const { exit, err } = await validate('99 7 * * 1-5')
  assert.equal(exit, 3)
  assert.match(err, /\[\[schedule\]\] "morning": The cron expression "99 7 \* \* 1-5" is not valid/)
  writeFileSync(file, before)
})

test('a value that cannot be used changes nothing, and neither does an edit', async () => {
  const before = readFileSync(file, 'utf8')
  for (const words of [
    ['set', 'approval.mode', 'nonsense'],
    ['set', 'no.such.key', '1'],
    ['set', 'model.api_key', 'sk-1234567890123456789012'],
    ['set', '__proto__.x', '1'],
    ['get', 'approval.nope'],
    ['get', 'constructor.name'],
  ]) {
    const { exit, err } = await config(words)
    assert.ok(exit > 1, words.join(' '))
    assert.match(err, /^error: .+\nhint: /s)
    assert.doesNotMatch(err, /sk-1234/)
  }
  const misspelt = await config(['set', 'agent.rihgts', 'x', 'aproval.mode', 'auto'])
  assert.match(misspelt.err, /agent\.rihgts: unknown key; did you mean rights\?/)
  assert.match(misspelt.err, /aproval: unknown key; did you mean approval\?/)
  // The line of a file that was not written would tell nobody anything.
  assert.doesNotMatch(misspelt.err, /line \d|config\.toml/)
  assert.match((await config(['get', 'model.nam'])).err, /"model\.nam"; did you mean model\.name\?\n/)
  const wrong = await config(['edit'], { EDITOR: 'sed -i s/manual/nonsense/' })
  const [, draft] = /your text is in (\S+)\./.exec(wrong.err.replaceAll(/\n +/g, ' ')) ?? []
  assert.match(readFileSync(draft!, 'utf8'), /nonsense/)
  assert.equal(readFileSync(file, 'utf8'), before)
  assert.equal((await config(['edit'], { EDITOR: 'sed -i s/manual/auto/' })).exit, 0)
  assert.equal((await config(['get', 'approval.mode'])).out, 'auto\n')
})

test('a model of a plugin that is not there is no model to configure', async () => {
  const before = readFileSync(file, 'utf8')
  const { exit, err } = await config(['set', 'model.name', 'plugin:misspelt'])
  assert.equal(exit, 4)
  assert.match(err, /There is no plugin "misspelt" that serves the model/)
  assert.equal(readFileSync(file, 'utf8'), before)
})

test('a value of one user goes into the file of that user and takes precedence', async () => {
  assert.equal((await config(['set', 'approval.mode', 'manual', '--user', 'ada'])).exit, 0)
  assert.ok(existsSync(join(home, 'users/ada/config.toml')))
  assert.equal((await config(['get', 'approval.mode', '--user', 'ada'])).out, 'manual\n')
  assert.equal((await config(['get', 'approval.mode'])).out, 'auto\n')
  assert.match((await config(['set', 'approval.mode', 'allow_list', '--user', 'ada', '--json'])).out, /"changed":true/)
})

test('a change goes into the file that has the key last, so that it has an effect', async () => {
  assert.equal((await config(['set', 'approval.mode', 'auto', '--user', 'default'])).exit, 0)
  assert.match((await config(['set', 'approval.mode', 'manual'])).out, /users\/default\/config\.toml/)
  assert.equal((await config(['get', 'approval.mode'])).out, 'manual\n')
  assert.match(readFileSync(file, 'utf8'), /mode = "auto"/, 'the file of all users is as it was')
})

test('a rule for a call that there is not is saved with a warning that names the one that may be meant', async () => {
  const { exit, err } = await config(['set', 'approval.calls."file.raed"', 'deny'])
  assert.equal(exit, 0, err)
  assert.match(err, /warning: approval\.calls names "file\.raed" \(Did you mean file\.read\?\), which does not exist/)
  const two = await config(['set', 'approval.calls."file.wirte"', 'deny'])
  assert.match(two.err, /file\.wirte.*file\.raed.*, which do not exist/)
})

test('another provider is set with a warning of what is kept of the one before', async () => {
  writeFileSync(file, '[model]\nprovider = "openai"\nname = "mine"\nbase_url = "http://127.0.0.1:9/v1"\ncontext_tokens = 32768\n')
  const words = ['set', 'model.provider', 'anthropic', 'model.name', 'claude-sonnet-4-5']
  const { exit, err } = await config(words, { ANTHROPIC_API_KEY: 'x' })
  assert.equal(exit, 0, err)
  assert.match(err.replaceAll(/\n +/g, ' '), /still sets model\.base_url, model\.context_tokens\. .*remove it: oxbow config edit/)
  assert.doesNotMatch((await config(words, { ANTHROPIC_API_KEY: 'x' })).err, /still sets/)
})

test('a value is explained with each file and line that names it, and with what its machine lets change', async () => {
  const machine = join(home, 'machine.toml')
  writeFileSync(machine, '# all\nonly_tighten = ["approval"]\n[approval]\nmode = "allow_list"\n')
  writeFileSync(file, '[approval]\nmode = "manual"\n')
  rmSync(join(home, 'users/default/config.toml'), { force: true })
  const env = { OXBOW_MACHINE_CONFIG: machine }
  const explained = JSON.parse((await config(['explain', 'approval.mode', '--json'], env)).out)
  assert.deepEqual(explained, {
    key: 'approval.mode',
    value: 'manual',
    default: 'allow_list',
    layers: [
      { source: 'machine', where: machine, line: 4, value: 'allow_list', counts: false },
      { source: 'all_users', where: file, line: 2, value: 'manual', counts: true },
    ],
    only_tightened_after: [machine],
  })
  assert.match((await config(['explain', 'approval.mode'], env)).out, /machine\.toml:4 +"allow_list"\n.*config\.toml:2 +"manual" +counts/)
  const looser = await config(['set', 'approval.mode', 'auto'], env)
  assert.equal(looser.exit, 3, looser.err)
  assert.match(
    looser.err.replaceAll(/\n +/g, ' '),
    /approval\.mode = "auto" .*is looser than "allow_list": .*machine\.toml lets later layers only tighten it/,
  )
  assert.match((await config(['explain', 'approval.mode'], { OXBOW__APPROVAL__MODE: 'auto' })).out, /the environment +"auto" +counts/)
  const set = await config(['set', 'approval.mode', 'allow_list'], { OXBOW__APPROVAL__MODE: 'auto' })
  assert.match(set.err, /approval\.mode is "auto" by the environment, which takes precedence/)
})

test('a removed value leaves the rest of the file, and what is below it applies', async () => {
  writeFileSync(file, '# mine\n[approval]\nmode = "manual" # for now\n[turn]\nmax_turns = 3\n')
  assert.match(
    (await config(['unset', 'approval.mode', 'turn.max_turns'])).out,
    /approval\.mode is removed from .*\n?.*turn\.max_turns is removed/,
  )
  assert.equal((await config(['get', 'approval.mode'])).out, 'allow_list\n')
  assert.match(readFileSync(file, 'utf8'), /^# mine\n/)
  assert.match((await config(['unset', 'approval.mode'])).out, /is not in/)
  assert.match((await config(['unset', 'aproval.mode'])).err, /There is no key "aproval\.mode"/)
})

test('what shows the configuration does so where a file cannot be used, and says what is wrong', async () => {
  writeFileSync(file, '[approval]\nmode = "nonsense"\n')
  writeFileSync(join(home, 'users/default/config.toml'), '[turn]\nmax_turns = 3\n')
  for (const words of [['list'], ['get', 'turn.max_turns'], ['explain', 'turn.max_turns']]) {
    const { exit, out, err } = await config(words)
    assert.equal(exit, 0, err)
    assert.match(out, /\b3\b/)
    assert.match(err.replaceAll(/\n +/g, ' '), /warning: .*line 2, approval\.mode: must be one of manual/)
  }
  assert.equal((await config(['validate'])).exit, 3)
  rmSync(join(home, 'users/default/config.toml'))
})

test('configurations that worked are listed, compared, and brought back', async () => {
  writeFileSync(file, '[approval]\nmode = "auto"\n')
  assert.match((await config(['history'])).err, /no configuration is kept/)
  assert.equal((await config(['rollback'])).exit, 4)
  const { openHome, openWorkspace, parseUser } = await import('../../runner/index.ts')
  const { rememberGood, textsNow } = await import('../../runner/config/good-config.ts')
  const opened = openHome({ OXBOW_HOME: home })
  const place = { home: opened, workspace: openWorkspace(opened, parseUser('default')) }
  for (const [at, mode] of (['auto', 'manual', 'allow_list'] as const).entries()) {
    writeFileSync(file, `# ${mode}\n[approval]\nmode = "${mode}"\n`)
    rememberGood(place, { texts: textsNow(place)!, at: Date.UTC(2026, 0, 1 + at) })
  }
  writeFileSync(file, '[approval]\nmode = "allow_list"\n[turn]\nmax_turns = 5\n')
  const history = (await config(['history', '--json'])).out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    history.map(({ number, changed }) => [number, changed]),
    [
      [1, ['approval.mode']],
      [2, ['approval.mode']],
      [3, null],
    ],
  )
  assert.match((await config(['diff'])).out, /^turn\.max_turns +100 +→ +5$/m)
  assert.match((await config(['diff', '2'])).out, /approval\.mode +"manual" +→ +"allow_list"/)
  assert.match((await config(['rollback', '2', '--dry-run'])).out, /Would make .*config\.toml as on .*Nothing is changed/s)
  assert.match(readFileSync(file, 'utf8'), /max_turns = 5/)
  assert.equal((await config(['rollback', '2'])).exit, 0)
  assert.equal(readFileSync(file, 'utf8'), '# manual\n[approval]\nmode = "manual"\n')
  assert.match((await config(['rollback', '2'])).out, /The files are as they were/)
  assert.equal((await config(['rollback', '9'])).exit, 2)
  writeFileSync(file, '[approval\n')
  assert.match((await config(['rollback', '2', '--dry-run'])).out, /as on [^,]*\. Nothing is changed/)
  const back = await config(['rollback', '2'])
  assert.deepEqual([back.exit, back.err], [0, ''])
  assert.equal(readFileSync(file, 'utf8'), '# manual\n[approval]\nmode = "manual"\n')
  assert.equal((await config(['diff', 'x'])).exit, 2)
  assert.match((await config(['reload'])).out, /No guest is running/)
})

test('a file that is no TOML is mended in the editor, which is asked for where nobody can type', async () => {
  writeFileSync(file, '[approval\nmode = "manual"\n')
  const none = await config(['edit'])
  assert.equal(none.exit, 2)
  assert.match(none.err, /no terminal here to edit in\.\nhint: Set EDITOR/)
  assert.equal((await config(['edit'], { EDITOR: "sed -i 's/^.approval$/[approval]/'" })).exit, 0)
  assert.equal(readFileSync(file, 'utf8'), '[approval]\nmode = "manual"\n')
})

test('warnings about keys and variables are whole sentences', async () => {
  writeFileSync(file, '[turn]\nmax_trns = 3\nx = 1\n')
  const { err } = await config([])
  assert.match(err, /did you mean max_turns\? It has no effect\.\n/)
  assert.match(err, /turn\.x: unknown key\. It has no effect\.\n/)
  writeFileSync(file, '')
  assert.match((await config([], { OXBOW__TURN__MAX_TURNS: 'abc' })).err, /must be a number\. Shown is/)
  assert.match((await config(['unset', 'approval.modee'])).err, /did you mean approval\.mode\?/)
})

test('a key of a call is shown though nobody has set it, and one whose dots need quotes is named with them', async () => {
  writeFileSync(file, '')
  assert.deepEqual(await config(['get', 'approval.calls."file.delete"']), { exit: 0, out: 'null\n', err: '' })
  assert.match((await config(['explain', 'approval.calls."file.delete"'])).out, /approval\.calls\."file\.delete" = null/)
  for (const words of [
    ['set', 'approval.calls.file.delete', 'deny'],
    ['get', 'approval.calls.file.delete'],
    ['unset', 'approval.calls.file.delete'],
  ]) {
    const { exit, err } = await config(words)
    assert.equal(exit, 2, err)
    assert.match(err.replaceAll(/\n +/g, ' '), /hint: A name with a dot stands in quotes: 'approval\.calls\."file\.delete"'/)
  }
  assert.match((await config(['get', 'flow.sinks.web.fetch.both'])).err, /'flow\.sinks\."web\.fetch"\.both'/)
  const wrong = await config(['set', 'approval.mode', 'nonsense'])
  assert.match(
    wrong.err.replaceAll(/\n +/g, ' '),
    /approval\.mode: must be one of [^]*hint: `oxbow config explain approval\.mode` shows the value/,
  )
})

test('a removed key takes its empty section along, and a mistyped section or key is removed from a file that cannot be used', async () => {
  writeFileSync(file, '# mine\n\n[turn]\nmax_turns = 3\n\n[approval]\n# why\nmode = "auto"\n')
  assert.equal((await config(['unset', 'turn.max_turns'])).exit, 0)
  assert.equal(readFileSync(file, 'utf8'), '# mine\n\n[approval]\n# why\nmode = "auto"\n')
  assert.equal((await config(['unset', 'approval.mode'])).exit, 0)
  assert.equal(readFileSync(file, 'utf8'), '# mine\n\n[approval]\n# why\n')
  writeFileSync(file, '[turn]\nmax_turns = 3\n[aproval]\nmode = "manual"\n[modle.x]\nname = "a"\n[approval]\nmod = "auto"\n')
  for (const key of ['aproval.mode', 'modle', 'approval.mod']) {
    const { exit, err } = await config(['unset', key])
    assert.equal(exit, 0, err)
  }
  assert.equal(readFileSync(file, 'utf8'), '[turn]\nmax_turns = 3\n')
  // One fault after the other; another one is not added.
  writeFileSync(file, '[turn]\nmax_turns = 0\n[approval]\nmode = "nonsense"\n')
  assert.equal((await config(['set', 'turn.max_turns', '-1'])).exit, 2)
  assert.equal((await config(['set', 'approval.mode', 'manual'])).exit, 0)
  assert.equal((await config(['set', 'turn.max_turns', '5'])).exit, 0)
  assert.equal((await config(['validate'])).exit, 0)
})

test('a change can be looked at first', async () => {
  const before = readFileSync(file, 'utf8')
  assert.match((await config(['set', 'turn.max_turns', '7', '--dry-run'])).out, /Would set turn\.max_turns = 7 in .*Nothing is changed/s)
  assert.match((await config(['unset', 'turn.max_turns', '--dry-run'])).out, /Would remove turn\.max_turns from .*Nothing is changed/s)
  assert.equal((await config(['set', 'approval.mode', 'nonsense', '--dry-run'])).exit, 2)
  const [shown, rest] = (await config(['set', 'turn.max_turns', '7', '--dry-run', '--json'])).out.split('\n')
  assert.deepEqual([JSON.parse(shown!).target[0].changed, rest], [true, ''])
  assert.equal(readFileSync(file, 'utf8'), before)
})

test('what is valid is listed with the file of the machine and the variables, and a section is explained in one document', async () => {
  const machine = join(home, 'machine.toml')
  const env = { OXBOW_MACHINE_CONFIG: machine, OXBOW__APPROVAL__MODE: 'manual' }
  const { out, err } = await config(['validate'], env)
  assert.equal(err, '')
  for (const each of [machine, file, 'OXBOW__APPROVAL__MODE']) assert.ok(out.includes(each), each)
  assert.deepEqual(JSON.parse((await config(['validate', '--json'], env)).out).variables, ['OXBOW__APPROVAL__MODE'])
  for (const words of [['approval'], ['approval', '--user', 'ada'], ['flow.sinks'], ['turn.max_turns']]) {
    const explained = await config(['explain', ...words, '--json'], env)
    assert.equal(explained.out.trim().split('\n').length, 1, explained.out)
    assert.equal(JSON.parse(explained.out).key, words[0])
  }
})

test('an edit that meets a changed file keeps both the text of the person and the text of the file', async () => {
  writeFileSync(file, '[turn]\nmax_turns = 5\n')
  const editor = join(home, 'editor.sh')
  writeFileSync(editor, `#!/bin/sh\nsed -i s/5/6/ "$1"\nprintf '[turn]\\nmax_turns = 7\\n' > ${file}\n`, { mode: 0o755 })
  const { exit, err } = await config(['edit'], { EDITOR: editor })
  assert.equal(exit, 12, err)
  const [, draft] = /has what somebody else has written; your text is in (\S+)\./.exec(err.replaceAll(/\n +/g, ' ')) ?? []
  assert.match(readFileSync(draft!, 'utf8'), /max_turns = 6/)
  assert.match(readFileSync(file, 'utf8'), /max_turns = 7/)
})
