/** `oxbow channel`: the person's agent where people are. */
import { formatTime, plainLine, table } from '../../terminal/index.ts'
import { isObject, OxbowError, textIn } from '../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { channelKind, pipedHint } from './setup/channel-kinds.ts'

type View = OutputOf<'channel.list'>[number]
type Line = OutputOf<'channel.log'>[number]
type Person = OutputOf<'identity.list'>[number]

const nameChars = 60
const whyChars = 300

const one = { omit: true, typed: { channel: 'channel' } } as const

export const channelVerbs: readonly ServiceVerb[] = [
  {
    words: 'channel',
    summary: 'reach your agent from Telegram and other places',
    examples: ['oxbow channel add telegram --token-stdin < token.txt', 'oxbow channel pair telegram', 'oxbow channel list'],
  },
  {
    words: 'channel add <kind>',
    summary: 'add a channel, or give it another token, and try it',
    examples: ['oxbow channel add telegram --token-stdin < token.txt', 'oxbow channel add webhook --name ci --option template=github'],
    call: 'channel.add',
    keeps: () => false,
    omit: true,
    typed: {
      kind: 'kind',
      '--token-stdin': { field: '', help: 'read the token from standard input: it is in no argument and no variable' },
      '--name <name>': { field: 'name', help: 'name of the channel; default: its kind' },
      '--option <key=value...>': { field: '', help: 'what is no secret, such as the address of a server; KEY= takes one away' },
    },
    async input(input, { options, readPiped }) {
      const given = optionsOf((options['option'] ?? []) as readonly string[])
      const kind = textIn(input, 'kind')
      const { secrets, isWebhook = false } = channelKind(kind)
      if (options['tokenStdin'] !== true && isWebhook) return { ...input, secrets: {}, options: given }
      const hint = pipedHint(kind)
      if (options['tokenStdin'] !== true)
        throw new OxbowError('bad_input', `a ${secrets[0]} is needed, and is not taken from the command line`, {
          hint: `Add --token-stdin, and pipe it in: ${hint}`,
        })
      const piped = (await readPiped()).trim()
      if (piped === '') throw new OxbowError('bad_input', 'nothing was piped in', { hint })
      // Where a channel has several secrets, they come as JSON.
      return { ...input, secrets: piped.startsWith('{') ? parsedSecrets(piped) : { [secrets[0]]: piped }, options: given }
    },
    show: (view: OutputOf<'channel.add'>) => {
      if (view.hook !== '') return hookText(view)
      return [stateText(view), ...(view.state === 'up' ? [`Link yourself now: oxbow channel pair ${view.name}`] : [])].join('\n')
    },
    fails: failureOf,
  },
  {
    words: 'channel list',
    summary: 'list channels: state, what waits, why one is off',
    examples: ['oxbow channel list'],
    call: 'channel.list',
    lists: { channel: 'name' },
    lines: (views: readonly View[]) => views,
    empty: 'No channel is configured. Add one: oxbow channel add telegram --token-stdin',
    show: (views: readonly View[]) => table(views.map(rowOf)),
  },
  {
    words: 'channel test <channel>',
    summary: 'connect a channel anew, and say whether that works',
    examples: ['oxbow channel test telegram'],
    call: 'channel.test',
    ...one,
    show: stateText,
    fails: failureOf,
  },
  {
    words: 'channel pair <channel>',
    summary: 'make a code by which somebody becomes linked, good once and for ten minutes',
    examples: ['oxbow channel pair telegram', 'oxbow channel pair telegram --role member'],
    call: 'channel.pair',
    omit: true,
    typed: { channel: 'channel', '--role <role>': { field: 'role', help: 'owner (default), member or guest' } },
    show: ({ link, code, role }: OutputOf<'channel.pair'>) => {
      const isMail = link.startsWith('mailto:')
      const where = isMail ? 'as a mail that has nothing else in it' : 'in a direct chat'
      return [
        ...(link === '' ? [] : [`Open this link, and ${isMail ? 'send the mail' : 'press Start'}:\n  ${link}`]),
        `${link === '' ? 'Send' : 'Or send'} this code ${where}:\n  ${code}`,
        `Whoever does that first is linked as ${role}. The code is good for ten minutes, and is read while a guest runs: oxbow start`,
      ].join('\n')
    },
  },
  {
    words: 'channel approve <code>',
    summary: 'link the stranger who was shown a code',
    examples: ['oxbow channel approve K7QM-2ZPA', 'oxbow channel approve K7QM-2ZPA --role guest'],
    call: 'channel.approve',
    omit: true,
    typed: { '--role <role>': { field: 'role', help: 'member (default), guest or owner' } },
    show: ({ shown, role }: OutputOf<'channel.approve'>) => `${plainLine(shown, nameChars)} is linked as ${role}.`,
  },
  {
    words: 'channel people',
    summary: 'list who is linked: id, channel, role, name and the id of the platform',
    examples: ['oxbow channel people'],
    call: 'identity.list',
    lists: { identity: 'id' },
    lines: (people: readonly Person[]) => people,
    empty: 'Nobody is linked. Make a code for somebody: oxbow channel pair CHANNEL',
    show: (people: readonly Person[]) =>
      table(
        people.map(({ id, channel, role, shown, sender }) => [
          id,
          channel,
          role,
          plainLine(shown, nameChars),
          plainLine(sender, nameChars),
        ]),
      ),
  },
  {
    words: 'channel unlink <identity>',
    summary: 'unlink somebody: from now on they are a stranger',
    examples: ['oxbow channel unlink 26c4f2996ba0e006'],
    call: 'identity.unlink',
    omit: true,
    typed: { identity: 'identity' },
    show: ({ unlinked }: OutputOf<'identity.unlink'>) => `${unlinked} is a stranger from now on.`,
  },
  {
    words: 'channel pause <channel>',
    summary: 'stop a channel until it is resumed',
    examples: ['oxbow channel pause telegram'],
    call: 'channel.pause',
    ...one,
    show: stateText,
  },
  {
    words: 'channel resume <channel>',
    summary: 'let a channel go on',
    examples: ['oxbow channel resume telegram'],
    call: 'channel.resume',
    ...one,
    show: stateText,
    fails: failureOf,
  },
  {
    words: 'channel retry <channel> [delivery]',
    summary: 'send again what was given up',
    examples: ['oxbow channel retry telegram'],
    call: 'channel.retry',
    omit: true,
    typed: { channel: 'channel', delivery: 'delivery' },
    show: ({ retried }: OutputOf<'channel.retry'>) => (retried === 0 ? 'Nothing was given up.' : `${retried} will be sent again.`),
  },
  {
    words: 'channel log <channel>',
    summary: 'list what a channel has not delivered',
    examples: ['oxbow channel log telegram'],
    call: 'channel.log',
    ...one,
    lines: (lines: readonly Line[]) => lines,
    empty: 'Everything was delivered.',
    show: (lines: readonly Line[]) =>
      table(
        lines.map(({ delivery, kind, state, why, made_at }) => [
          delivery.slice(0, 8),
          kind,
          state,
          formatTime(made_at),
          plainLine(why, whyChars),
        ]),
      ),
  },
  {
    words: 'channel remove <channel>',
    summary: 'remove a channel, with its token',
    examples: ['oxbow channel remove telegram', 'oxbow channel remove telegram --dry-run'],
    call: 'channel.remove',
    ...one,
    async preview({ channel }, ask) {
      const undelivered = (await ask('channel.log', { channel: channel! })).length
      const target = (await ask('channel.list', {})).find(({ name }) => name === channel)!
      const more = undelivered === 0 ? '' : ` and ${undelivered} ${undelivered === 1 ? 'message' : 'messages'} not yet delivered`
      return { would: `remove the channel ${target.name} with its token${more}`, target }
    },
    show: ({ removed }: OutputOf<'channel.remove'>) => `Removed ${removed}. Its sessions stay.`,
  },
]

function rowOf({ name, kind, state, account, why, waiting, undelivered, failed }: View): string[] {
  const counts = [
    waiting > 0 ? `${waiting} waiting` : '',
    undelivered > 0 ? `${undelivered} to deliver` : '',
    failed > 0 ? `${failed} not delivered` : '',
  ]
  return [
    name,
    kind,
    state,
    plainLine(account, nameChars),
    [...counts.filter((text) => text !== ''), plainLine(why, whyChars)].join('  ').trim(),
  ]
}

function hookText({ hook, secret, why, replaces }: OutputOf<'channel.add'>): string {
  return [
    hook.startsWith('/')
      ? `Post to the address of the gateway, as \`oxbow status\` shows it while a guest runs, with the path\n  ${hook}`
      : `Post to\n  ${hook}`,
    ...(secret === '' ? [] : [`signed with this secret, which is shown once:\n  ${secret}`]),
    ...(replaces ? ['The secret that it had before is good no more.'] : []),
    'What comes is untrusted: it becomes a message in a session of its own.',
    ...(why === '' ? [] : [plainLine(why, whyChars)]),
  ].join('\n')
}

function stateText({ name, kind, state, account, why, console: note }: View): string {
  // Why it has failed stands in the error.
  if (state === 'failed') return `${name}: failed.`
  const shown = plainLine(account, nameChars)
  const works = kind === 'webhook' ? `${name} works: ${shown}.` : `${name} is connected as ${shown}.`
  const says = state === 'up' ? works : `${name}: ${state}${why === '' ? '' : `, ${plainLine(why, whyChars).replace(/\.$/, '')}`}.`
  return note === '' ? says : `${says}\n${note.startsWith('{') ? `The manifest of its app, in case yours lacks something:\n${note}` : note}`
}

function failureOf({ name, kind, state, why }: View): OxbowError | null {
  if (state !== 'failed') return null
  const again = `oxbow channel add ${kind}${name === kind ? '' : ` --name ${name}`}${kind === 'webhook' ? '' : ' --token-stdin'}`
  return new OxbowError('bad_config', why, { hint: `Mend that, then: oxbow channel test ${name}. With other secrets: ${again}` })
}

/** @throws OxbowError `bad_input` for what has no name */
function optionsOf(pairs: readonly string[]): Record<string, string> {
  const bare = pairs.find((pair) => !/^[^=]+=/.test(pair))
  if (bare !== undefined)
    throw new OxbowError('bad_input', `${plainLine(bare, nameChars)} is no option with a value.`, {
      hint: 'Write it as --option NAME=VALUE; --option NAME= takes one away.',
    })
  return Object.fromEntries(pairs.map((pair) => pair.split(/=(.*)/s) as [string, string]))
}

/** @throws OxbowError `bad_input`, without a word of what was piped in */
function parsedSecrets(piped: string): Record<string, string> {
  try {
    const parsed: unknown = JSON.parse(piped)
    if (isObject(parsed) && Object.values(parsed).every((value) => typeof value === 'string'))
      return { ...parsed } as Record<string, string>
  } catch {
    // Told below: the error of the parser would quote a secret.
  }
  throw new OxbowError('bad_input', 'What was piped in looks like JSON, but is not an object whose values are texts.', {
    hint: 'Write the names of the secrets and their values, as in { "token": "…", "app_token": "…" }.',
  })
}
