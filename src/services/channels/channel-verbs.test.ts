import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isOxbowError } from '../../base/index.ts'
import { checkedOptions } from './setup/channel-kinds.ts'
import { channelVerbs } from './channel-verbs.ts'

const verb = (words: string) => channelVerbs.find((each) => each.words.startsWith(words))!
const view = {
  name: 'team',
  kind: 'slack',
  state: 'failed',
  why: 'The token is refused.',
  account: '',
  console: '',
  hook: '',
  replaces: false,
}

/** @returns what is said where the options or secrets of a channel cannot work */
async function refusal(work: () => unknown): Promise<string> {
  try {
    await work()
  } catch (error) {
    if (isOxbowError(error)) return `${error.message} ${error.hint}`
    throw error
  }
  return ''
}

const add = (kind: string, option: readonly string[], piped?: string) => () =>
  verb('channel add').input!({ kind }, {
    options: { option, tokenStdin: piped !== undefined },
    readPiped: async () => piped ?? '',
  } as never)

test('add refuses an unknown kind before it asks for a token, and says where a token comes from', async () => {
  assert.match(await refusal(add('telegrm', [])), /^"telegrm" is not a kind of channel\. .*telegram/)
  assert.match(await refusal(add('constructor', [])), /is not a kind of channel/)
  assert.match(await refusal(add('telegram', [])), /--token-stdin < token\.txt\. .*BotFather/)
  assert.match(await refusal(add('slack', [])), /< tokens\.json\. .*"app_token": "…".*slack\.md/)
  assert.match(await refusal(add('email', [])), /a password is needed.*password\.txt/)
  for (const bare of ['foo', '=x']) assert.match(await refusal(add('telegram', [bare], 'a token')), /is no option with a value/)
  assert.deepEqual(await add('email', ['imap=a=b'], 'a password')(), {
    kind: 'email',
    secrets: { password: 'a password' },
    options: { imap: 'a=b' },
  })
})

test('a channel keeps its options with another secret, and takes none that its kind does not have', async () => {
  const settings = { name: 'team', kind: 'email', secrets: { password: 'long enough' }, options: {} }
  const before = { kind: 'email', options: { address: 'ox@example.com', imap: 'one' } }
  assert.deepEqual(checkedOptions({ ...settings, options: { imap: 'two' } }, before), { address: 'ox@example.com', imap: 'two' })
  assert.match(
    await refusal(() => checkedOptions({ ...settings, options: { adress: 'x' } }, undefined)),
    /no option adress\. It has address,/,
  )
  assert.match(await refusal(() => checkedOptions(settings, { kind: 'slack', options: {} })), /of the kind slack\. .*--name/)
  assert.match(await refusal(() => checkedOptions({ ...settings, secrets: { password: 'short' } }, undefined)), /fewer than 8/)
  assert.match(await refusal(() => checkedOptions({ ...settings, kind: 'slack', secrets: {} }, undefined)), /needs token and app_token/)
})

test('a channel that does not work fails its verb, once, with the verb that mends it', () => {
  for (const words of ['channel add', 'channel test', 'channel resume']) {
    const failed = verb(words).fails!(view as never)
    assert.ok(isOxbowError(failed), words)
    assert.match(failed.hint, /oxbow channel test team\. .*oxbow channel add slack --name team --token-stdin/)
    assert.doesNotMatch(verb(words).show!(view as never, {} as never) as string, /refused/)
    assert.equal(verb(words).fails!({ ...view, state: 'up' } as never), null)
  }
})

test('what is to be done next fits the kind of channel', async () => {
  const pair = (link: string) => verb('channel pair').show!({ link, code: 'AAAA-BBBB', role: 'owner' } as never, {} as never) as string
  assert.match(pair('mailto:ox@example.com?body=x'), /send the mail[\s\S]*nothing else in it/)
  assert.match(pair('https://t.me/x?start=y'), /press Start[\s\S]*direct chat[\s\S]*oxbow start/)
  const hook = { ...view, kind: 'webhook', state: 'up', why: '', account: 'answers stay here', hook: '/hooks/team', secret: 'whsec_x' }
  const shown = (more: object) => verb('channel add').show!({ ...hook, ...more } as never, {} as never) as string
  assert.match(shown({ replaces: true }), /good no more/)
  assert.doesNotMatch(shown({}), /good no more/)
  assert.equal(verb('channel test').show!(hook as never, {} as never), 'team works: answers stay here.')
})
