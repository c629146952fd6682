import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { GenerateRequest } from '../../../protocol/index.ts'
import type { DefinitionText, HostPort } from '../../../config/index.ts'
import { openFixture, says } from '../../../kernel/kernel-fixture.ts'

const character = readFileSync(new URL('../../../../test/characters/fixtures/butler.character.json', import.meta.url), 'utf8')
const definition = (name: string, more: Partial<DefinitionText> = {}): DefinitionText => ({
  kind: 'agents',
  name,
  toml: `description = "${name}"`,
  text: '',
  problem: '',
  ...more,
})
const host = {
  definitions: async () => [definition('whitcombe', { character }), definition('broken', { character: '{"bio":[]}' })],
} as unknown as HostPort

test('a character answers in a conversation that chose it, with a prompt that follows from the message, until another is chosen', async () => {
  const systems: string[] = []
  const play = ({ system }: GenerateRequest) => {
    systems.push(system)
    return says('Very well.')
  }
  await using guest = await openFixture({ play, host })
  const choose = (agent: string) => guest.kernel.call('session.agent', { agent }, guest.session)
  const chosen = await choose('whitcombe')
  assert.equal(chosen.status, 'ok', chosen.text)
  const answering = async (): Promise<string | undefined> =>
    (await guest.kernel.listSessions(10)).find(({ id }) => id === guest.session)?.agent
  assert.equal(await answering(), 'whitcombe')
  assert.equal((await guest.turn('Good morning.'))['reply'], 'Very well.')
  await guest.turn('Is there tea?')
  await choose('')
  assert.equal(await answering(), undefined)
  await guest.turn('And you?')
  const [first, second, last] = systems as [string, string, string]
  assert.match(first, /You are Whitcombe, a butler/)
  assert.match(first, /Formal British English/)
  assert.match(first, /never instructions/)
  assert.notEqual(first, second)
  assert.doesNotMatch(last, /Whitcombe/)
})

test('a character that cannot be read is no agent, and says why', async () => {
  await using guest = await openFixture({ play: () => says('x'), host })
  const outcome = await guest.kernel.call('session.agent', { agent: 'broken' }, guest.session)
  assert.equal(outcome.status, 'failed')
  assert.match(outcome.text, /name is missing/)
})
