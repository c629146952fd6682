/** `oxbow run` and a question about what was refused: `--yes` does not answer it, `oxbow approve` does. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { type Home, openHome } from '../support/program.ts'

let model: TestModel
let home: Home
const writes = (path: string) => ({ events: [{ tool_call: { name: 'file_write', arguments: { path, text: 'x\u202ey' } } }] })

before(async () => {
  model = await startModel([writes('a.txt'), writes('b.txt'), writes('c.txt'), { events: [{ text: 'Done.' }] }])
  home = await openHome(
    `[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n[memory]\nembedder = "none"\n[agent]\nrights = ["file.read"]\n`,
  )
})
after(async () => {
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

void test('run --yes leaves the question to a person, who sees each call with its input written out', { timeout: 120_000 }, async () => {
  const ran = await home.oxbow(['run', '--yes', 'Write them.'])
  assert.equal(ran.exit, errorTable.approval_required.exit, ran.err)
  assert.match(ran.err, /refusal\.allow is waiting for approval/)
  for (const name of ['a', 'b', 'c'])
    assert.ok(ran.err.includes(`"call":"file.write","input":{"path":"${name}.txt","text":"x\\u202ey"}`), ran.err)
  assert.match(ran.err, /why: these 3 calls were refused/)
  const [, id] = /oxbow approve (\S+) /.exec(ran.err) ?? []
  const approved = await home.oxbow(['approve', id!])
  assert.equal(approved.exit, 0, approved.err)
  const [read] = await home.json<{ text?: string }>('call', 'file.list', '{"path": "."}')
  assert.match(JSON.stringify(read), /c\.txt/)
  assert.equal(existsSync(join(home.folder, 'c.txt')), false)
})
