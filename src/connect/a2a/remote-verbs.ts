/** `oxbow remotes`: agents of others that speak A2A, and whose cards a person approves. */
import { approveOffer, cardLines, plainLine, plainText, removeRemote, table } from '../../terminal/index.ts'
import { OxbowError } from '../../base/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import type { CardDiff, RemoteLine } from './remote-calls.ts'

interface Listed {
  readonly remotes: readonly RemoteLine[]
}

const urlChars = 80

/** Of a verb about one agent. */
const one = { omit: true } as const

const diff: ServiceVerb = {
  words: 'remotes diff <remote>',
  summary: "fetch an agent's card and compare it with the one that you have approved",
  examples: ['oxbow remotes diff translator'],
  call: 'remote.diff',
  ...one,
  show: diffText,
}

export const remoteVerbs: readonly ServiceVerb[] = [
  {
    words: 'remotes',
    summary: 'add other people’s agents that speak A2A, approve their cards, turn them off',
    examples: [
      "oxbow remotes add translator https://agents.example.com --header 'authorization=Bearer $TRANSLATOR_TOKEN'",
      'oxbow remotes approve translator',
    ],
  },
  {
    words: 'remotes list',
    summary: 'list other people’s agents, and whether their cards are approved',
    examples: ['oxbow remotes list', 'oxbow remotes list --json'],
    call: 'remote.list',
    lists: { remote: 'remote' },
    show: listText,
  },
  {
    words: 'remotes add <name> <url>',
    summary: 'add an agent, or change its settings; it is not offered before you approve its card',
    examples: [
      'oxbow remotes add translator https://agents.example.com',
      "oxbow remotes add lab http://10.0.0.7:8080 --allow 10.0.0.7:8080 --header 'authorization=Bearer $LAB_TOKEN'",
    ],
    call: 'remote.add',
    typed: {
      name: 'remote',
      url: 'settings.url',
      '--header <name=value>': {
        field: 'settings.headers',
        help: 'send a header with each request; $NAME is the secret NAME; repeat for more',
      },
      '--allow <host>': {
        field: 'settings.allow',
        help: 'let it be reached at this host too, or at its own if that is private; repeat for more',
      },
      '--timeout <seconds>': { field: 'settings.timeout_s', help: 'cancel a task after this time' },
    },
    show: (_, { name }) =>
      `Added ${name}. It is not offered yet: \`oxbow remotes approve ${name}\` shows its card.\n` +
      `Agents need the right for it: "a2a.${name}" in rights under [agent] in config.toml.`,
  },
  diff,
  {
    words: 'remotes approve <remote>',
    summary: 'show the card of an agent, and approve it',
    examples: ['oxbow remotes approve translator'],
    call: 'remote.approve',
    typed: {
      '--digest <digest>': { field: 'digest', help: 'approve without a question what `diff --json` has shown with this digest' },
    },
    agree: {
      by: diff,
      field: 'digest',
      question: (name) => approveOffer(name).question,
      declined: approveOffer('').declined,
    },
    show: ({ call }: { readonly call: string }) => `Approved. Agents with the right ${call} can ask it.`,
  },
  {
    words: 'remotes disable <remote>',
    summary: 'do not offer an agent',
    examples: ['oxbow remotes disable translator'],
    call: 'remote.switch',
    ...one,
    fixed: { enabled: false },
    show: (_, { name }) => `${name} is off; it is not offered.`,
  },
  {
    words: 'remotes enable <remote>',
    summary: 'offer an agent whose card is approved again',
    examples: ['oxbow remotes enable translator'],
    call: 'remote.switch',
    ...one,
    fixed: { enabled: true },
    show: (_, { name }) => `${name} is on.`,
  },
  {
    words: 'remotes remove <remote>',
    summary: 'remove an agent and its approval',
    examples: ['oxbow remotes remove translator', 'oxbow remotes remove translator --dry-run'],
    call: 'remote.remove',
    ...one,
    async preview({ remote: name }, ask) {
      const target = ((await ask('remote.list', {})) as Listed).remotes.find(({ remote }) => remote === name)
      if (target !== undefined) return { would: removeRemote(target.remote, target.from === 'config.toml').would, target }
      throw new OxbowError('not_found', `There is no remote agent ${JSON.stringify(name)}.`, {
        hint: '`oxbow remotes list` shows them; `oxbow remotes add` adds one.',
      })
    },
    show: ({ removed }: { readonly removed: boolean }, { name }) => removeRemote(name, !removed).done,
  },
]

function listText({ remotes }: Listed): string {
  if (remotes.length === 0) return 'No remote agent was added. `oxbow remotes add` adds one.'
  const rows = remotes.map(({ remote, from, url, enabled, approved, changed }) => [
    remote,
    enabled ? 'on' : 'off',
    changed ? 'changed' : approved ? 'approved' : 'not approved',
    from,
    plainLine(url, urlChars),
  ])
  return table([['NAME', 'STATE', 'CARD', 'FROM', 'ADDRESS'], ...rows])
}

function diffText({ remote, state, problem, approved, now }: CardDiff): string {
  const before = approved === null ? [] : cardLines(approved)
  const after = cardLines(now)
  const removed = before.filter((line) => !after.includes(line)).map((line) => `- ${line}`)
  const added = after.map((line) => (state === 'new' || before.includes(line) ? `  ${line}` : `+ ${line}`))
  // What is hashed but not shown, such as a text behind the first 2 KiB, has changed then.
  const isHidden = state === 'changed' && removed.length === 0 && added.every((line) => line.startsWith(' '))
  const lines = [
    `The card of ${remote} is ${state === 'same' ? 'as you have approved it' : state}.`,
    ...removed,
    ...added,
    ...(isHidden ? ['(a part that is not shown)'] : []),
    ...(problem === '' ? [] : [`It cannot be approved: ${problem}.`]),
  ]
  return plainText(lines.join('\n'))
}
