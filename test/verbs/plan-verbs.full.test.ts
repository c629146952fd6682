/** `oxbow plan` and `oxbow apply` as a person types them: in a pipe, and in a terminal that asks; by two people at once; on a full disk. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type Home, openHome } from '../support/program.ts'
import { openTerminal } from '../tui/virtual-terminal.ts'

const call = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
const done = { events: [{ text: 'Done.' }] }
const scenario = {
  turns: [
    { match: 'Remember', steps: [{ events: [{ text: 'The ox is named Bo.' }] }] },
    {
      match: 'Change it',
      steps: [call('file_write', { path: 'a.txt', text: 'new\n' }), call('memory_save', { content: 'The cart is red.' }), done],
    },
    { match: 'Go on', steps: [call('file_write', { path: 'b.txt', text: 'went on\n' }), done] },
  ],
}

describe('the verbs of plans', () => {
  let home: Home
  let scripts = ''
  const shared = (name: string): string => join(home.folder, 'users', 'default', 'shared', name)
  const read = (name: string): string | null => (existsSync(shared(name)) ? readFileSync(shared(name), 'utf8') : null)
  const planned = async (...args: readonly string[]): Promise<{ id: string; digest: string; session: string; home: string }> =>
    (await home.json<{ id: string; digest: string; session: string; home: string }>('plan', ...args))[0]!
  const notes = async (): Promise<string> => (await home.oxbow(['memory', 'search', 'red cart'])).out

  before(async () => {
    scripts = mkdtempSync(join(tmpdir(), 'oxbow-script-'))
    writeFileSync(join(scripts, 'scenario.json'), JSON.stringify(scenario))
    home = await openHome(
      [
        '[model]\nprovider = "scripted"',
        `scenario = ${JSON.stringify(join(scripts, 'scenario.json'))}`,
        '[memory]\nembedder = "none"',
        '[agent]\nrights = ["file.read", "file.write", "memory.read", "memory.write"]',
      ].join('\n'),
    )
  })
  after(async () => {
    await home[Symbol.asyncDispose]()
    rmSync(scripts, { recursive: true })
  })

  it('go on from a session, which stays as it is', async () => {
    const [said] = await home.json<{ session: string }>('run', 'Remember this')
    const count = async () => (await home.json<object>('sessions', 'show', said!.session)).length
    const was = await count()
    const plan = await planned('--session', said!.session.slice(0, 13), 'Go on')
    assert.equal(plan.home, said!.session)
    assert.notEqual(plan.session, said!.session)
    assert.equal(await count(), was)
    const history = JSON.stringify(await home.json('sessions', 'show', plan.session))
    assert.match(history, /The ox is named Bo/)
    const found = await home.oxbow(['memory', 'search', 'Done'])
    assert.doesNotMatch(found.out, /> Done\./, 'what the agent of a plan says is in no memory')
    // The session of the plan is left out of the list, and its id begins as the other one does.
    const [, listed = ''] = /^(\S+) .*Remember this/m.exec((await home.oxbow(['sessions'])).out) ?? []
    assert.equal((await home.json<{ session: string }>('sessions', 'show', listed)).length, was)
    assert.match((await home.oxbow(['plan', '--session', 'nosuchsession', 'Go on'])).err, /nosuchsession/)
    assert.equal((await home.oxbow(['plan', 'drop', plan.id])).exit, 0)
  })

  it('make a plan within a budget, and say that it did not suffice', async () => {
    const small = await home.oxbow(['plan', '--max-tokens', '1', 'Change it'])
    assert.notEqual(small.exit, 0, small.out)
    assert.match(small.err, /budget/)
    assert.match((await home.oxbow(['plan', '--budget', 'much', 'Change it'])).err, /budget/)
    const plan = await planned('--budget', '0.50', 'Change it')
    assert.equal((await home.oxbow(['plan', 'drop', plan.id])).exit, 0)
    assert.equal(read('a.txt'), null)
  })

  it('ask in a terminal: no answer but yes does anything', async () => {
    const { id } = await planned('Change it')
    for (const no of ['', 'n', 'x']) {
      const terminal = openTerminal({ home: home.folder, args: ['apply', id], lines: 60 })
      await terminal.see('+new', 'memory.save', `Apply ${id}? [y/N]`)
      terminal.type(`${no}\r`)
      await terminal.see('Nothing was done.')
      assert.equal(await terminal.exit, 0)
      assert.equal(read('a.txt'), null)
    }
    const terminal = openTerminal({ home: home.folder, args: ['apply', id], lines: 60 })
    await terminal.see('[y/N]')
    terminal.type('y\r')
    await terminal.see('1 file, 1 effect', 'oxbow undo')
    assert.equal(await terminal.exit, 0)
    assert.equal(read('a.txt'), 'new\n')
    assert.match(await notes(), /The cart is red/)
    assert.match((await home.oxbow(['apply', id])).err, /is applied already/)
    assert.equal((await home.oxbow(['undo', '--yes'])).exit, 0)
    assert.equal(read('a.txt'), null)
    assert.doesNotMatch(await notes(), /The cart is red/)
  })

  it('are told in two terminals which of them has applied it', async () => {
    const { id } = await planned('Change it')
    const two = [0, 1].map(() => openTerminal({ home: home.folder, args: ['apply', id], lines: 60 }))
    await Promise.all(two.map((terminal) => terminal.see('[y/N]')))
    for (const terminal of two) terminal.type('y\r')
    assert.deepEqual(await Promise.all(two.map((terminal) => terminal.exit)), [0, 0])
    const said = two.map((terminal) => terminal.rows().join(' '))
    assert.equal(said.filter((text) => /Applied \S+: 1 file, 1 effect\./.test(text)).length, 1, said.join('\n'))
    assert.equal(said.filter((text) => /is applied already, and nothing was done twice/.test(text)).length, 1, said.join('\n'))
    assert.equal((await notes()).match(/The cart is red/g)?.length, 1)
  })

  it('need the digest where nobody can be asked', async () => {
    const { id, digest } = await planned('Go on')
    const refused = await home.oxbow(['apply', id])
    assert.equal(refused.exit, 2)
    assert.match(refused.err, /name the digest of what you have seen[^]*--digest DIGEST/)
    assert.match((await home.oxbow(['apply', id, '--digest', 'f'.repeat(64)])).err, /another digest/)
    assert.equal(read('b.txt'), null)
    const applied = await home.oxbow(['apply', id, '--digest', digest])
    assert.match(applied.out, /Applied \S+: 1 file, 0 effects\.\n.oxbow undo. takes it back/)
    assert.equal(read('b.txt'), 'went on\n')
  })

  it('are no texts where one is misspelt', async () => {
    const { exit, err } = await home.oxbow(['plan', 'shw'])
    assert.deepEqual([exit, await home.json('plan', 'list')], [2, []])
    assert.match(err, /did you mean show/)
  })
})
