/** A call that asks again after it was approved, at the verbs: they say that another question waits, and do not wait for it themselves. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { errorTable } from '../../src/base/index.ts'
import { startModel, type TestModel } from '../support/model.ts'
import { type Home, openHome, type Ran } from '../support/program.ts'

let model: TestModel
let home: Home
const runs = (match: string, name: string, args: object) => ({
  match,
  steps: [{ events: [{ tool_call: { name, arguments: args } }] }, { events: [{ text: 'It is done.' }] }],
})

before(async () => {
  model = await startModel({
    turns: [runs('Run it.', 'shell_exec', { command: 'sh t*.sh' }), runs('Write it.', 'file_write', { path: 'two.txt', text: 'x' })],
  })
  home = await openHome(
    `[model]\nprovider = "openai"\nbase_url = "${model.config.base_url}"\n[memory]\nembedder = "none"\n[approval]\ntwo_person = ["file.write"]\n`,
  )
  mkdirSync(shared(), { recursive: true })
})
after(async () => {
  await home[Symbol.asyncDispose]()
  await model[Symbol.asyncDispose]()
})

const shared = (...path: string[]): string => join(home.folder, 'users', 'default', 'shared', ...path)
const exits = (ran: Ran, code: keyof typeof errorTable): void => assert.equal(ran.exit, errorTable[code].exit, ran.err)
/** @returns the id of the call that waits, as the message says it */
const waiting = ({ err }: Ran): string => /oxbow approve (\S+) /.exec(err)?.[1] ?? assert.fail(err)

describe('a call that asks again after it was approved', { timeout: 120_000 }, () => {
  for (const approve of [['approvals', 'approve'], ['approve']])
    it(`is told by \`oxbow ${approve.join(' ')}\`, with the id to decide it by`, async () => {
      writeFileSync(shared('t.sh'), 'echo harmless > /shared/ran.txt\n')
      const asked = await home.oxbow(['run', 'Run it.'])
      exits(asked, 'approval_required')
      writeFileSync(shared('t.sh'), 'echo exchanged > /shared/ran.txt\n')
      const again = await home.oxbow([...approve, waiting(asked)])
      exits(again, 'approval_required')
      assert.match(again.err, /t\.sh changed after it was allowed/)
      assert.equal(waiting(again), waiting(asked))
      assert.doesNotMatch((await home.oxbow(['approvals', 'list'])).out, /another person/)
      const approved = await home.oxbow([...approve, waiting(again)])
      assert.deepEqual([approved.exit, approved.out], [0, 'It is done.\n'], approved.err)
      assert.equal(readFileSync(shared('ran.txt'), 'utf8'), 'exchanged\n')
    })

  it('is followed to its answer after a decision beyond yes and no, too', async () => {
    const changed = JSON.stringify({ command: 'echo edited > /shared/ran.txt' })
    for (const [decision, shown] of [
      [['approve', '--input', changed], 'It is done.\n'],
      [['approve', '--always', 'call'], /^Allowed from now on: shell\.exec [^]+\nIt is done\.\n$/],
      [['deny', '--reason', 'Not now.'], 'Denied; the agent reads your reason.\nIt is done.\n'],
    ] as const) {
      writeFileSync(shared('t.sh'), `echo ${decision[0]} ${decision[1]}\n`)
      const asked = await home.oxbow(['run', 'Run it.'])
      exits(asked, 'approval_required')
      const [verb, ...options] = decision
      const { exit, out, err } = await home.oxbow(['approvals', verb, waiting(asked), ...options])
      assert.equal(exit, 0, err)
      if (typeof shown === 'string') assert.equal(out, shown)
      else assert.match(out, shown)
      if (verb === 'approve' && options[0] === '--input') assert.equal(readFileSync(shared('ran.txt'), 'utf8'), 'edited\n')
      if (options[0] !== '--always') continue
      const [rule = ''] = /^\w+/.exec((await home.oxbow(['approvals', 'rules'])).out) ?? []
      assert.equal((await home.oxbow(['approvals', 'revoke', rule])).exit, 0)
    }
  })

  it('is allowed again by `oxbow run --yes`, while a log is written all the time', async () => {
    let lines = 0
    const log = setInterval(() => writeFileSync(shared('server.log'), String((lines += 1))), 5)
    try {
      writeFileSync(shared('t.sh'), 'echo ran > /shared/ran.txt\n')
      const ran = await home.oxbow(['run', '--yes', 'Run it.'])
      assert.deepEqual([ran.exit, ran.out], [0, 'It is done.\n'], ran.err)
    } finally {
      clearInterval(log)
    }
    assert.equal(readFileSync(shared('ran.txt'), 'utf8'), 'ran\n')
  })

  it('is among the newest events, and an unknown kind is named with the nearest known one', async () => {
    const { out: all } = await home.oxbow(['events'])
    const lines = all.trimEnd().split('\n')
    assert.ok(lines.length > 4)
    assert.deepEqual((await home.oxbow(['events', '--limit', '3'])).out.trimEnd().split('\n').slice(0, 3), lines.slice(-3))
    assert.deepEqual((await home.oxbow(['events', '--limit', '2', '--after', '0'])).out.trimEnd().split('\n'), lines.slice(0, 2))
    assert.match(
      (await home.oxbow(['events', '--kind', 'turn_strated'])).err,
      /no event of the kind turn_strated is known; did you mean turn_started\?/,
    )
  })

  it('is told where another person must allow it, too', async () => {
    const asked = await home.oxbow(['run', 'Write it.'])
    exits(asked, 'approval_required')
    for (const approve of [['approvals', 'approve'], ['approve']]) {
      const once = await home.oxbow([...approve, waiting(asked)])
      if (once.exit === 0) assert.match(once.out, /Another person must allow it, too/)
      else assert.match(once.err, /another person must/)
      assert.match((await home.oxbow(['approvals', 'list'])).out, /another person must allow it, too/)
    }
    const denied = await home.oxbow(['approvals', 'deny', waiting(asked)])
    assert.match(denied.out, /It is done/)
  })
})
