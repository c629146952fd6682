/** `oxbow coders`: coding agents of others that speak the Agent Client Protocol, and which of them a person approves. */
import { resolve } from 'node:path'
import { approveOffer, filesOfCoder, plainLine, plainText, removeCoder, table } from '../../terminal/index.ts'
import { isObject, OxbowError, ownValue } from '../../base/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import type { CoderLine, Shown } from './coder-calls.ts'

interface Listed {
  readonly agents: readonly CoderLine[]
}

const commandChars = 80

/** Of a verb about one agent. */
const one = { typed: { coder: 'agent' }, omit: true } as const

const show: ServiceVerb = {
  words: 'coders show <coder>',
  summary: 'start a coding agent and show what it is, and whether it is as you have approved it',
  examples: ['oxbow coders show helper'],
  call: 'coder.show',
  ...one,
  show: shownText,
}

export const coderVerbs: readonly ServiceVerb[] = [
  {
    words: 'coders',
    summary: 'add other people’s coding agents that speak ACP, approve and remove them',
    examples: [
      'oxbow coders add helper --program-folder ~/helper --allow api.example.com -- node /opt/server/agent.js',
      'oxbow coders approve helper',
    ],
  },
  {
    words: 'coders list',
    summary: 'list coding agents, and whether they are approved',
    examples: ['oxbow coders list', 'oxbow coders list --json'],
    call: 'coder.list',
    lists: { coder: 'agent' },
    show: listText,
  },
  {
    words: 'coders add <name> <command...>',
    summary: 'add a coding agent, or change its settings; you approve it before it is offered',
    examples: [
      'oxbow coders add helper --program-folder ~/helper --allow api.example.com -- node /opt/server/agent.js',
      "oxbow coders add reviewer --files read --env 'API_KEY=$REVIEWER_KEY' --allow api.example.com -- /opt/server/bin/reviewer --acp",
    ],
    call: 'coder.add',
    typed: {
      name: 'agent',
      command: { field: '', help: 'program and its arguments' },
      '--description <text>': { field: 'settings.description', help: 'what it is good at, for the agents that choose it' },
      '--program-folder <folder>': {
        field: 'settings.program_folder',
        help: 'folder where the program is installed; it is shown at /opt/server, read-only',
      },
      '--files <how>': { field: 'settings.files', help: 'a branch of the workspace, the workspace to read, or no files' },
      '--allow <host>': { field: 'settings.allow', help: 'let it reach this host; repeat for more' },
      '--env <name=value>': { field: 'settings.env', help: 'set a variable; $NAME is the secret NAME; repeat for more' },
      '--timeout <seconds>': { field: 'settings.timeout_s', help: 'end a task after this time' },
    },
    input(input, { options: { command: words, programFolder: folder } }) {
      const [command = '', ...args] = words as readonly string[]
      const settings = isObject(input['settings']) ? input['settings'] : {}
      return {
        ...input,
        settings: { ...settings, command, args, ...(typeof folder === 'string' && { program_folder: resolve(folder) }) },
      }
    },
    show: (_, { name }) =>
      `Added ${name}. It is not offered yet: \`oxbow coders approve ${name}\` shows what it is.\n` +
      `Agents need the right for it: "acp.${name}" in rights under [agent] in config.toml.`,
  },
  show,
  {
    words: 'coders approve <coder>',
    summary: 'show what a coding agent is, and approve it',
    examples: ['oxbow coders approve helper', 'oxbow coders approve helper --digest 5f1d'],
    call: 'coder.approve',
    typed: {
      ...one.typed,
      '--digest <digest>': { field: 'digest', help: 'approve without a question what `show --json` has shown with this digest' },
    },
    agree: {
      by: show,
      field: 'digest',
      question: (name) => approveOffer(name).question,
      declined: approveOffer('').declined,
    },
    show: ({ approved }: { readonly approved: string }) => `Approved. Agents with the right ${approved} can give it tasks.`,
  },
  {
    words: 'coders remove <coder>',
    summary: 'remove a coding agent and its approval',
    examples: ['oxbow coders remove helper', 'oxbow coders remove helper --dry-run'],
    call: 'coder.remove',
    ...one,
    async preview({ agent: name }, ask) {
      const target = ((await ask('coder.list', {})) as Listed).agents.find(({ agent }) => agent === name)
      if (target !== undefined) return { would: removeCoder(target.agent, target.from === 'config.toml').would, target }
      throw new OxbowError('not_found', `There is no coding agent ${JSON.stringify(name)}.`, {
        hint: '`oxbow coders list` shows them; `oxbow coders add` adds one.',
      })
    },
    show: ({ removed }: { readonly removed: boolean }, { name }) => removeCoder(name, !removed).done,
  },
]

function listText({ agents }: Listed): string {
  if (agents.length === 0) return 'No coding agent was added. `oxbow coders add` adds one.'
  const rows = agents.map(({ agent, from, command, files, hosts, approved, running }) => [
    agent,
    approved ? (running === 0 ? 'approved' : `${running} running`) : 'not approved',
    files,
    hosts.length === 0 ? 'no network' : plainLine(hosts.join(', '), commandChars),
    from,
    plainLine(command, commandChars),
  ])
  return table([['NAME', 'STATE', 'FILES', 'HOSTS', 'FROM', 'RUNS'], ...rows])
}

function shownText({ agent, state, identity, says, settings: { files, allow, env } }: Shown): string {
  const lines = [
    `${agent} is ${state === 'same' ? 'as you have approved it' : state}.`,
    `  ${identity}`,
    `  it says that it is: ${says}`,
    `  ${ownValue(filesOfCoder, files) ?? files}`,
    allow.length === 0 ? '  has no network' : `  reaches ${allow.join(', ')}`,
    ...Object.entries(env).map(([name, value]) => `  gets ${name}=${value}`),
  ]
  return plainText(lines.join('\n'))
}
