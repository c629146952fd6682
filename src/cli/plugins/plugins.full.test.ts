/** `oxbow plugin` as a person uses it, with a guest that serves: from an empty folder to a signed update, and back. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { after, before, test } from 'node:test'
import { guestEntry } from '../../../test/support/built.ts'
import { type Home, openHome } from '../../../test/support/program.ts'
import type { JsonObject } from '../../base/index.ts'
import { runProgram } from '../program.ts'
import type { Terminal } from '../terminal.ts'

let home: Home
before(async () => {
  home = await openHome()
})
after(() => home[Symbol.asyncDispose]())

interface Done {
  readonly exit: number
  readonly out: string
  readonly err: string
}

/** @param answer of a person at a terminal, who answers when asked; absent: no terminal */
async function oxbow(args: readonly string[], answer?: string): Promise<Done> {
  const [input, output, errors] = [new PassThrough(), new PassThrough(), new PassThrough()]
  if (answer === undefined) input.end()
  else {
    const write = errors.write.bind(errors)
    const asked = (chunk: unknown): boolean => (String(chunk).includes('[y/N]') && input.write(`${answer}\n`), write(chunk))
    Object.assign(errors, { write: asked })
  }
  const tty = { isTTY: answer !== undefined, setRawMode: () => input }
  const terminal = { input: Object.assign(input, tty), output: Object.assign(output, tty), errors: Object.assign(errors, tty) }
  const env = { PATH: process.env['PATH'], HOME: home.folder, OXBOW_HOME: home.folder, NO_COLOR: '1' }
  const exit = await runProgram(args, { ...terminal, env, version: '1', program: { entry: guestEntry } } as unknown as Terminal)
  return { exit, out: String(output.read() ?? ''), err: String(errors.read() ?? '') }
}

const plugin = (...args: readonly string[]): Promise<Done> => oxbow(['plugin', ...args])

async function json(...args: readonly string[]): Promise<JsonObject> {
  const { exit, out, err } = await plugin(...args, '--json')
  assert.equal(exit, 0, `${args.join(' ')}: ${err}`)
  return JSON.parse(out) as JsonObject
}

async function greet(): Promise<string> {
  const { exit, out, err } = await oxbow(['call', 'hello.hello', '{"who": "Ann"}'])
  return exit === 0 ? out.trim() : err
}

const path = (...parts: readonly string[]): string => join(home.folder, ...parts)
const change = (file: string, from: string, to: string): void => writeFileSync(file, readFileSync(file, 'utf8').replace(from, to))
const folder = (): string => path('hello')
const entry = (): string => path('hello', 'index.js')
/** Of the files as they are in the folder now. */
const hashOf = async (): Promise<string> => (await json('verify', folder()))['tree_hash'] as string

test('a folder that is not there, or has no manifest, is named', async () => {
  assert.match((await plugin('verify', './nonesuch')).err, /^error: There is no folder \S+\/nonesuch\./)
  assert.match((await plugin('verify', home.folder)).err, /has no oxbow\.plugin\.json/)
})

test('a new plugin is installed once a person approves its files, and its action is called', async () => {
  assert.match((await plugin('new', folder())).out, /Made the plugin hello .*oxbow plugin add \S+ --grant/s)
  assert.match((await plugin('verify', folder())).out, /hello 0\.1\.0 can be added/)
  const refused = await plugin('add', folder())
  assert.match(refused.err, /Nobody has signed it\.\nIt may do nothing but compute\.\n.*needs approval.*--digest [0-9a-f]{64}/s)
  assert.equal(refused.exit, 6)
  assert.match((await oxbow(['plugin', 'add', folder()], 'n')).err, /Nothing was installed/)
  assert.equal((await plugin('add', folder(), '--dry-run')).exit, 0)
  assert.equal((await plugin('list', '--json')).out, '[]\n')
  assert.equal((await plugin('add', folder(), '--digest', '0'.repeat(64))).exit, 5)
  const added = await json('add', folder(), '--digest', await hashOf(), '--grant')
  assert.deepEqual([added['granted'], added['problems']], [true, []])
  assert.match(readFileSync(path('config.toml'), 'utf8'), /"file\.read".*"plugin\.hello"/)
  assert.equal(await greet(), 'Hello, Ann!')
  const tested = await plugin('test', 'hello')
  assert.equal(tested.err, '')
  assert.match(tested.out, /passed {2}hello › greets by name\n1 passed, 0 failed/)
  assert.match(
    (await plugin('info', 'hello')).out,
    /Your agent may use it\.\n\nActions\n {2}hello\.hello {2}Greets somebody by name\.\n.*Host: running/s,
  )
  assert.match((await plugin('list')).out, /hello +0\.1\.0 +on +unsigned/)
  assert.match((await plugin('verify')).out, /hello: as approved/)
})

test('an update that fails its tests leaves the version before, with the reason; one that passes takes over', async () => {
  change(entry(), 'Hello, ${', 'Good day, ${')
  change(entry(), 'export default', "console.log('it begins')\nexport default")
  assert.match((await plugin('reload', 'hello')).err, /have changed: oxbow plugin update hello/)
  const failed = await plugin('update', 'hello', '--digest', await hashOf())
  assert.match(failed.err, /hello 0\.1\.0 stays: 1 of 1 tests of hello 0\.1\.0 failed: hello › greets by name: It says Good day, Ann!/)
  assert.deepEqual([failed.exit, await greet(), (await plugin('verify')).exit], [12, 'Hello, Ann!', 0])
  assert.match((await plugin('logs', 'hello')).out, /it begins/)
  change(entry(), "'Hello, Ann!'", "'Good day, Ann!'")
  assert.match((await oxbow(['plugin', 'update', 'hello'], 'y')).out, /Installed hello 0\.1\.0/)
  assert.equal(await greet(), 'Good day, Ann!')
  assert.match((await plugin('update', 'hello')).out, /installed already, with the same files/)
})

test('a signed update asks for wider rights alone; a signature of other files is refused', async () => {
  const manifest = path('hello', 'oxbow.plugin.json')
  const key = path('key.pem')
  const nowhere = await plugin('sign', folder(), path('absent', 'key.pem'))
  assert.deepEqual([nowhere.exit, /No key can be made at .*\nhint: Make its folder first/.test(nowhere.err)], [2, true], nowhere.err)
  assert.match((await plugin('sign', folder(), key)).err, /Made the key/)
  await json('update', 'hello', '--digest', await hashOf())
  change(manifest, '0.1.0', '0.2.0')
  const stale = await plugin('update', 'hello')
  assert.match(stale.err, /signature of the package is wrong: the files are not those that were signed/)
  await json('sign', folder(), key)
  assert.deepEqual((await json('update', 'hello'))['problems'], [])
  change(manifest, '"hooks": []', '"hooks": ["call.before"]')
  await json('sign', folder(), key)
  const wider = await plugin('update', 'hello')
  assert.match(wider.err, /It may do more than the installed version:\n {2}see, change and refuse what happens at call\.before/)
  assert.deepEqual([wider.exit, /approval: it may do more than before/.test(wider.err)], [6, true])
  const [listed] = (await json('list')) as unknown as JsonObject[]
  assert.equal((listed!['manifest'] as JsonObject)['version'], '0.2.0')
})

test('a changed byte of the package or of the lock keeps the plugin from being started, and says so', async () => {
  const installed = path(
    'plugins',
    'hello',
    readdirSync(path('plugins', 'hello')).find((name) => name.startsWith('0.2.0'))!,
    'index.js',
  )
  const good = readFileSync(installed, 'utf8')
  chmodSync(installed, 0o644)
  writeFileSync(installed, good.replace('Good day', 'Bad  day'))
  const verified = await plugin('verify', 'hello')
  assert.deepEqual([verified.exit, /hello: The files in .* are not those that were approved/.test(verified.out)], [1, true])
  assert.match((await plugin('reload', 'hello')).err, /are not those that were approved/)
  assert.equal(await greet(), 'Good day, Ann!')
  writeFileSync(installed, good)
  const lock = path('plugins.lock')
  const text = readFileSync(lock, 'utf8')
  writeFileSync(lock, text.replace('"secrets": []', '"secrets": ["KEY"]'))
  for (const verb of [
    ['info', 'hello'],
    ['add', folder()],
    ['remove', 'hello'],
  ] as const)
    assert.match((await plugin(...verb)).err, /plugins\.lock cannot be used, so no plugin is started: it is not as Oxbow has written it/)
  assert.equal((await plugin('list')).exit, 1)
  writeFileSync(lock, text)
})

test('a plugin that is disabled is not there, until it is enabled; one that is removed leaves no right', async () => {
  await json('disable', 'hello')
  assert.match(await greet(), /no call named "hello\.hello"/)
  for (const verb of ['test', 'logs', 'reload']) assert.match((await plugin(verb, 'hello')).err, /is disabled: oxbow plugin enable hello/)
  assert.deepEqual((await json('enable', 'hello'))['problems'], [])
  assert.equal(await greet(), 'Good day, Ann!')
  assert.match((await plugin('remove', 'hello', '--dry-run')).out, /Would remove hello 0\.2\.0/)
  assert.deepEqual((await json('remove', 'hello'))['problems'], [])
  assert.ok(!existsSync(path('plugins', 'hello')))
  assert.doesNotMatch(readFileSync(path('config.toml'), 'utf8'), /plugin\.hello/)
  assert.match((await plugin('remove', 'hello')).err, /There is no plugin hello/)
})

test('an update that does not start leaves the version before where no guest runs, and is named when it is forced', async () => {
  assert.match((await oxbow(['stop'])).out, /stopped/)
  const [made, code] = [path('watch'), path('watch', 'index.js')]
  const hash = async (): Promise<string> => (await json('verify', made))['tree_hash'] as string
  await plugin('new', made)
  assert.equal((await plugin('add', made, '--digest', await hash())).exit, 0)
  change(code, 'export default', "throw new Error('no luck')\nexport default")
  const failed = await plugin('update', 'watch', '--digest', await hash())
  assert.match(failed.err, /watch 0\.1\.0 stays: index\.js:\d+: Error: no luck/)
  assert.equal((await plugin('test', 'watch')).exit, 0)

  change(path('watch', 'oxbow.plugin.json'), '"hooks": []', '"hooks": ["call.before"]')
  await json('disable', 'watch')
  assert.equal((await plugin('update', 'watch', '--digest', await hash())).exit, 0)
  assert.match((await plugin('enable', 'watch')).err, /warning: watch did not start when it was tried: index\.js:\d+: Error: no luck/)
  const about = /The plugin watch 0\.1\.0 has not started\. Its hooks look at nothing until it starts: call\.before/
  const listed = await plugin('list')
  assert.match(listed.out, /watch +0\.1\.0 +not started/)
  for (const text of [listed.err, (await oxbow(['status'])).out, (await oxbow(['doctor'])).out]) assert.match(text, about)

  change(code, "throw new Error('no luck')", '')
  assert.equal((await plugin('update', 'watch', '--digest', await hash())).exit, 0)
  assert.match((await plugin('list')).out, /watch +0\.1\.0 +on/)
})

test('a model of a plugin that is misspelt is refused before the turn, with the nearest names', async () => {
  await plugin('new', path('atlas'))
  const models = `models: { TEXT_LARGE: { handler: () => 'It is near.' } },`
  writeFileSync(path('atlas', 'index.js'), `export default { name: 'atlas', ${models} }\n`)
  assert.equal((await plugin('add', path('atlas'), '--digest', (await json('verify', path('atlas')))['tree_hash'] as string)).exit, 0)
  const asked = (model: string): Promise<Done> => oxbow(['run', '--model', model, 'Where is it?'])
  assert.match((await asked('plugin:atlas')).out, /It is near\./)
  for (const [model, message] of [
    ['plugin:atls', 'no plugin "atls" that serves the model TEXT_LARGE'],
    ['plugin:atlas/TEXT_LARG', 'no plugin "atlas" that serves the model TEXT_LARG'],
  ] as const) {
    const { exit, out, err } = await asked(model)
    assert.deepEqual([exit === 0, out], [false, ''])
    assert.ok(err.includes(message) && err.includes('Plugins serve plugin:atlas/TEXT_LARGE.'), err)
  }
})
