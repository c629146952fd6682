/** A service is its folder and one line: what `counter/` brings works in a built product, with nothing else of it changed. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { errorTable } from '../../src/base/index.ts'
import { inTime } from '../support/patience.ts'
import { type Home, openHome } from '../support/program.ts'

const repository = resolve(import.meta.dirname, '../..')
let copy: string

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'oxbow-counted-'))
  for (const name of ['src', 'skills', 'package.json', 'tsdown.config.ts'])
    cpSync(join(repository, name), join(copy, name), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
  cpSync(join(import.meta.dirname, 'counter'), join(copy, 'src/services/counter'), { recursive: true })
  const list = join(copy, 'src/services/list.ts')
  const text = readFileSync(list, 'utf8')
  const listed = text.replace('Service[] = [', 'Service[] = [counter, ')
  assert.notEqual(listed, text)
  writeFileSync(list, `import { counter } from './counter/service.ts'\n${listed}`)
  const entries = `
    import { build } from 'tsdown'
    import configs from './tsdown.config.ts'
    const parts = ['oxbow', 'guest', 'sqlite-worker', 'hands']
    for (const config of configs.filter(({ entry }) => parts.some((part) => part in entry))) await build({ ...config, config: false, clean: false, logLevel: 'error' })`
  const built = spawnSync(process.execPath, ['--input-type=module', '-e', entries], { cwd: copy, encoding: 'utf8' })
  assert.equal(built.status, 0, built.stderr)
})

after(() => rmSync(copy, { recursive: true, force: true }))

/** The built command line, as people have it. */
const openCounted = (config = ''): Promise<Home> =>
  openHome(`[memory]\nembedder = "none"\n${config}`, undefined, join(copy, 'dist/oxbow.js'))

interface Shown {
  readonly count: number
  readonly recovered: number
}

const show = async (home: Home): Promise<Shown | undefined> => (await home.json<Shown>('counter', 'show'))[0]

void test('a service of one folder has calls, documents, events, a section of the configuration, a health check and verbs', async () => {
  await using home = await openCounted('[counter]\nmost = 7\n')
  const add = await home.oxbow(['counter', 'add', '3', '--json'])
  assert.deepEqual(JSON.parse(add.out), { count: 3 }, add.err)
  assert.equal((await home.oxbow(['counter', 'add'])).exit, 0)
  assert.equal((await show(home))?.count, 4)

  const beyond = await home.oxbow(['counter', 'add', '4'])
  assert.equal(beyond.exit, errorTable.limit_reached.exit)
  assert.match(beyond.err, /The counter stops at 7\./)
  const wrong = await home.oxbow(['counter', 'add', 'many'])
  assert.equal(wrong.exit, errorTable.bad_input.exit)
  assert.match(wrong.err, /'many' is invalid for argument 'by'\. Give a whole number from 1/)
  assert.match((await home.oxbow(['counter', 'add', '--help'])).out, /by\s+how many\n/)
  assert.match((await home.oxbow(['counter', 'remove'])).err, /no verb "remove"/)

  const events = await home.json<{ kind: string; fields: object }>('events', '--kind', 'counter_*')
  assert.deepEqual(
    events.map(({ kind, fields }) => [kind, fields]),
    [
      ['counter_moved', { count: 3 }],
      ['counter_moved', { count: 4 }],
    ],
  )
  assert.match((await home.oxbow(['doctor'])).out, /counter\s.*stands at 4/)
  assert.match((await home.oxbow(['config', 'get', 'counter.most'])).out, /7/)
  const tooMany = await home.oxbow(['config', 'set', 'counter.most', '1001'])
  assert.match(tooMany.err, /counter\.most/)
  assert.match((await home.oxbow(['calls'])).out, /counter\.add/)
  // The copy differs from the product by the folder of the service and its line in the list.
  assert.deepEqual(changedFiles(), ['src/services/counter', 'src/services/list.ts'])
})

function changedFiles(): readonly string[] {
  const { stdout } = spawnSync('diff', ['-rq', join(repository, 'src'), join(copy, 'src')], { encoding: 'utf8' })
  const named = stdout
    .split('\n')
    .flatMap((line) => /^Only in (.*): (.*)$/.exec(line)?.slice(1).join('/') ?? /^Files .* and (.*) differ$/.exec(line)?.[1] ?? [])
  return named.map((path) => path.slice(copy.length + 1)).sort()
}

void test('a service of one folder goes on after its guest was killed', async () => {
  await using home = await openCounted()
  assert.equal((await home.oxbow(['counter', 'add', '3'])).exit, 0)
  assert.deepEqual(await show(home), { count: 3, recovered: 1 })
  const { pid } = JSON.parse(readFileSync(join(home.folder, 'users/default/ipc/gateway.json'), 'utf8')) as { readonly pid: number }
  process.kill(pid, 'SIGKILL')
  // What comes too early is refused, and asked again.
  const again = async (): Promise<Shown | undefined> => show(home).catch(() => delay(100).then(again))
  assert.deepEqual(await inTime(again(), () => 'the guest to start again'), { count: 3, recovered: 1 })
})

void test('a service of one folder that does not open is named, its calls say why, and the rest lives', async () => {
  // What its `open` refuses.
  await using home = await openCounted('[counter]\nmost = 666\n')
  const add = await home.oxbow(['counter', 'add'])
  assert.notEqual(add.exit, 0)
  assert.match(add.err, /The service counter does not work: it does not count as far as that/)
  assert.match((await home.oxbow(['status'])).out, /counter.*it does not count as far as that/)
  assert.match((await home.oxbow(['doctor'])).out, /service counter\s.*it does not count as far as that/)
  const ran = await home.oxbow(['run', 'list files'])
  assert.equal(ran.exit, 0, ran.err)
})
