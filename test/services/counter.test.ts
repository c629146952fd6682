/** A service is its folder and one line: what `counter/` brings works in a real guest, with nothing else of the product changed. */
import assert from 'node:assert/strict'
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { type Home, openHome } from '../support/program.ts'

const repository = resolve(import.meta.dirname, '../..')
let copy: string

before(() => {
  copy = mkdtempSync(join(tmpdir(), 'oxbow-counted-'))
  for (const name of ['src', 'skills', 'package.json']) cpSync(join(repository, name), join(copy, name), { recursive: true })
  symlinkSync(join(repository, 'node_modules'), join(copy, 'node_modules'))
  cpSync(join(import.meta.dirname, 'counter'), join(copy, 'src/services/counter'), { recursive: true })
  const list = join(copy, 'src/services/index.ts')
  const text = readFileSync(list, 'utf8')
  const listed = text.replace('Service[] = [', 'Service[] = [counter, ')
  assert.notEqual(listed, text)
  writeFileSync(list, `import { counter } from './counter/service.ts'\n${listed}`)
})

after(() => rmSync(copy, { recursive: true, force: true }))

const openCounted = (config = '', folder?: string): Promise<Home> =>
  openHome(`[memory]\nembedder = "none"\n${config}`, folder, join(copy, 'src/cli/main.ts'))

void test('a service of one folder has calls, documents, events, a section of the configuration, a health check and verbs', async () => {
  await using home = await openCounted('[counter]\nmost = 7\n')
  const add = await home.oxbow(['counter', 'add', '3', '--json'])
  assert.deepEqual(JSON.parse(add.out), { count: 3 }, add.err)
  assert.equal((await home.oxbow(['counter', 'add'])).exit, 0)
  const [shown] = await home.json<{ count: number }>('counter', 'show')
  assert.equal(shown?.count, 4)

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
})
