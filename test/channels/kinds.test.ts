/** A kind of channel is its folder, a line in each of two lists, and a page: none can be forgotten. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isOxbowError } from '../../src/base/index.ts'
import { adapters } from '../../src/channels/adapters.ts'
import { channelKinds } from '../../src/services/channels/setup/channel-kinds.ts'
import { channelVerbs } from '../../src/services/channels/channel-verbs.ts'

const page = (name: string): string => readFileSync(new URL(`../../docs/channels/${name}.md`, import.meta.url), 'utf8')

test('the guest and the process of channels know the same kinds', () => {
  assert.deepEqual(channelKinds.toSorted(), Object.keys(adapters).toSorted())
})

test('each kind has a page, which the first page of channels names', () => {
  for (const kind of channelKinds) {
    assert.match(page(kind), /^# /)
    assert.ok(page('README').includes(`](${kind}.md)`), `docs/channels/README.md does not name ${kind}.md`)
  }
})

test('what is piped in is the secret of its kind, and several come as JSON', async () => {
  const { input } = channelVerbs.find(({ words }) => words === 'channel add <kind>')!
  const add = async (kind: string, piped: string | null): Promise<unknown> => {
    const typed = { options: { tokenStdin: piped !== null }, readPiped: async () => piped ?? '' }
    const made = await input!({ kind }, typed as never)
    return made['secrets']
  }
  assert.deepEqual(await add('telegram', 'one\n'), { token: 'one' })
  assert.deepEqual(await add('email', 'one\n'), { password: 'one' })
  assert.deepEqual(await add('webhook', 'one\n'), { secret: 'one' })
  assert.deepEqual(await add('webhook', null), {})
  assert.deepEqual(await add('slack', '{"token":"one","app_token":"two"}'), { token: 'one', app_token: 'two' })
  await assert.rejects(add('slack', null), (error: unknown) => isOxbowError(error, 'bad_input') && error.hint.includes('tokens.json'))
  await assert.rejects(add('discord', null), (error: unknown) => isOxbowError(error, 'bad_input') && error.hint.includes('token.txt'))
})
