/** How configuration files are saved: one writer after the other, all files of a change or none, and nothing but files. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { type Home, openHome, openWorkspace, parseUser, type Workspace } from '../home.ts'
import { changeFile, replaceConfigs } from './config-file.ts'
import { grantRight } from './config-rights.ts'
import { loadConfig } from './config-layers.ts'

async function withHome(check: (home: Home, workspace: Workspace, file: string) => void | Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'oxbow-writes-'))
  try {
    const home = openHome({ OXBOW_HOME: root, OXBOW_MACHINE_CONFIG: join(root, 'machine.toml') })
    await check(home, openWorkspace(home, parseUser('default')), join(root, 'config.toml'))
  } finally {
    rmSync(root, { recursive: true })
  }
}

const turns = (value: number) => [{ key: ['turn', 'max_turns'], value }]
const read = (file: string): string => readFileSync(file, 'utf8')

test('processes that change a file at the same time lose nothing of each other', async () => {
  await withHome(async (home, _, file) => {
    const code = `import { changeFile } from ${JSON.stringify(import.meta.resolve('./config-file.ts'))}
import { openHome } from ${JSON.stringify(import.meta.resolve('../home.ts'))}
const home = openHome({ OXBOW_HOME: ${JSON.stringify(home.root)} })
for (let at = 0; at < 10; at += 1) changeFile(home, ${JSON.stringify(file)}, [{ key: ['approval', 'calls', process.argv[1] + at], value: 'ask' }])`
    const writers = ['a', 'b', 'c'].map(
      (name) =>
        new Promise<number | null>((resolve) =>
          spawn(process.execPath, ['--input-type=module', '-e', code, name], { stdio: 'inherit' }).once('close', resolve),
        ),
    )
    assert.deepEqual(await Promise.all(writers), [0, 0, 0])
    assert.equal(read(file).match(/= "ask"/g)?.length, 30)
  })
})

test('a text that was made from an older one is not saved', async () => {
  await withHome((home, _, file) => {
    writeFileSync(file, '[turn]\nmax_turns = 2\n')
    assert.throws(
      () => replaceConfigs(home, [{ file, before: '', text: '[turn]\nmax_turns = 3\n' }]),
      (error) => isOxbowError(error, 'edit_mismatch') && error.message.includes(file),
    )
    assert.equal(read(file), '[turn]\nmax_turns = 2\n')
  })
})

test('of several files all are replaced or none, also by whoever reads after a crash between them', async () => {
  await withHome((home, workspace, file) => {
    const second = join(workspace.root, 'config.toml')
    rmSync(second, { force: true })
    mkdirSync(second)
    const writes = (text: string) => [
      { file, before: '', text },
      { file: second, before: '', text },
    ]
    assert.throws(() => replaceConfigs(home, writes('[turn]\nmax_turns = 3\n')))
    rmSync(second, { recursive: true })
    assert.equal(existsSync(file) ? read(file) : '', '')
    // As a crash after the first one leaves it.
    writeFileSync(file, '[turn]\nmax_turns = 4\n')
    const left = join(home.runner, 'config-change.json')
    writeFileSync(left, JSON.stringify({ writes: writes('[turn]\nmax_turns = 4\n') }))
    assert.equal(loadConfig(home, workspace).turn.max_turns, 4)
    assert.equal(read(second), '[turn]\nmax_turns = 4\n')
    assert.equal(existsSync(left), false)
    // What a person has written since stays, and what is no such file hinders nobody.
    writeFileSync(left, JSON.stringify({ writes: [{ file: second, before: 'old', text: 'new' }] }))
    assert.equal(loadConfig(home, workspace).turn.max_turns, 4)
    for (const text of ['x', '7', '{"writes":[7,{"file":7}]}', '']) {
      writeFileSync(left, text)
      assert.equal(loadConfig(home, workspace).turn.max_turns, 4, text)
    }
  })
})

test('what killed processes left is removed, and a link stays one, also to a file that is not there yet', async () => {
  await withHome((home, _, file) => {
    writeFileSync(join(home.root, '.config.toml.999999999'), 'x')
    writeFileSync(join(home.root, 'config.toml.0190c2b4-0000-7000-8000-000000000000.new'), 'x')
    writeFileSync(join(home.root, 'config.toml.mine'), 'x')
    mkdirSync(join(home.root, 'dotfiles'))
    const target = join(home.root, 'dotfiles', 'oxbow.toml')
    symlinkSync('dotfiles/oxbow.toml', file)
    for (const value of [3, 4]) {
      assert.equal(changeFile(home, file, turns(value)), true)
      assert.equal(read(target), `[turn]\nmax_turns = ${value}\n`)
      assert.ok(lstatSync(file).isSymbolicLink())
    }
    chmodSync(target, 0o644)
    changeFile(home, file, turns(5))
    assert.equal(lstatSync(target).mode & 0o777, 0o644)
    assert.deepEqual(
      readdirSync(home.root).filter((name) => name.includes('config.toml')),
      ['config.toml', 'config.toml.mine'],
    )
  })
})

test('what is no file is not replaced', async () => {
  await withHome((home, _, file) => {
    for (const make of [
      () => execFileSync('mkfifo', [file]),
      () => symlinkSync('/dev/null', file),
      () => symlinkSync('config.toml', file),
      () => symlinkSync('no/such/folder/x', file),
      () => mkdirSync(file),
    ]) {
      make()
      assert.throws(
        () => changeFile(home, file, turns(3)),
        (error) => isOxbowError(error, 'bad_config') && error.message.includes(file),
      )
      rmSync(file, { recursive: true })
    }
    assert.ok(lstatSync('/dev/null').isCharacterDevice())
  })
})

test('a right that the machine does not let anybody add is not granted along with a plugin', async () => {
  await withHome((home, workspace, file) => {
    writeFileSync(home.machineConfig, 'only_tighten = ["agent.rights"]\n')
    assert.throws(
      () => grantRight(home, workspace, 'plugin.hello', true),
      (error) => isOxbowError(error, 'bad_config') && /only tighten/.test(error.message),
    )
    assert.equal(existsSync(file), false)
  })
})
