/** Rights that do not exist, and rights that are not for agents: refused where they are written, with the one that may be meant. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { parseConfig } from '../../src/services/index.ts'
import { type Home, openHome } from '../support/program.ts'

let home: Home
before(async () => (home = await openHome('[model]\nprovider = "offline"\n')))
after(() => home[Symbol.asyncDispose]())

describe('a right that does not exist', { timeout: 120_000 }, () => {
  for (const [verb, written, meant] of [
    [['keys', 'create', 'one'], 'file.raed', 'file.read'],
    [['keys', 'create', 'one'], '!shel.run', 'shell.run'],
    [['keys', 'create', 'one'], 'file.wirte:/shared/a', 'file.write'],
    [['roles', 'add', 'one'], 'turn.sned', 'turn.send'],
  ] as const)
    it(`is refused: oxbow ${verb.join(' ')} --right ${written}`, async () => {
      const { exit, err } = await home.oxbow([...verb, '--right', written])
      assert.notEqual(exit, 0)
      assert.match(err, /There is no right/)
      assert.ok(err.includes(`Did you mean ${meant}?`), err)
      assert.doesNotMatch((await home.oxbow([verb[0], 'list', '--json'])).out, /"one"/)
    })

  it('does not keep away rights of what may be added, of roles, and of calls that are off here', async () => {
    const rights = ['mcp.files', 'plugin.notes', 'worker', 'browser.use', 'shell.network', 'text.embed', '!vault.copy', 'secret.use']
    const { exit, err } = await home.oxbow(['keys', 'create', 'all', ...rights.flatMap((right) => ['--right', right])])
    assert.equal(exit, 0, err)
  })
})

describe('every right at once', () => {
  it('is refused for an agent, which would be offered no tool', () => {
    for (const rights of ['*', 'admin']) assert.throws(() => parseConfig({ agent: { rights: [rights] } }, 'it'), /is not for agents/)
  })
})
