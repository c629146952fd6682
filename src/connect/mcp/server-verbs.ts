/** `oxbow servers`: what servers of tools offer, and what of it a person approves. The verbs that add and remove them are in the terminal. */
import { plural } from '../../base/index.ts'
import { approveOffer, offersText, plainLine, plainText, table, toolLines } from '../../terminal/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import type { ServerDiff } from './approval-calls.ts'
import type { ServerLine } from './server-calls.ts'

const whatChars = 80

/** Of a verb about one server. */
const one = { omit: true } as const

const diff: ServiceVerb = {
  words: 'servers diff <server>',
  summary: 'start a server and compare what it offers with what you have approved',
  examples: ['oxbow servers diff files'],
  call: 'server.diff',
  ...one,
  show: diffText,
}

export const serverVerbs: readonly ServiceVerb[] = [
  {
    words: 'servers list',
    summary: 'list servers, whether they run, and what of them is approved',
    examples: ['oxbow servers list', 'oxbow servers list --json'],
    call: 'server.list',
    lists: { server: 'server' },
    show: listText,
  },
  diff,
  {
    words: 'servers approve <server>',
    summary: 'show what a server offers, and approve it',
    examples: ['oxbow servers approve files', 'oxbow servers approve files --tool read_file --read-only read_file'],
    call: 'server.approve',
    typed: {
      '--tool <tool>': { field: 'tools', help: 'approve only this tool; repeat for more' },
      '--read-only <tool>': { field: 'read_only', help: 'this tool changes nothing and may be repeated; repeat for more' },
      '--not-sink <tool>': { field: 'no_sink', help: 'nothing leaves this machine through this tool; repeat for more' },
      '--no-resources': { field: 'resources', help: 'agents may not read its resources' },
      '--no-prompts': { field: 'prompts', help: 'you do not use its prompts' },
      '--digest <digest>': { field: 'digest', help: 'approve without a question what `diff --json` has shown with this digest' },
    },
    agree: {
      by: diff,
      field: 'digest',
      question: (name) => approveOffer(name).question,
      declined: approveOffer('').declined,
    },
    show: ({ approved }: { readonly approved: readonly string[] }, { name }) =>
      `Approved: ${plural(approved.length, 'tool')}. Agents with the right mcp.${name} are offered them.`,
  },
  {
    words: 'servers disable <server>',
    summary: 'stop a server and no longer offer its tools',
    examples: ['oxbow servers disable files'],
    call: 'server.switch',
    ...one,
    fixed: { enabled: false },
    show: (_, { name }) => `${name} is off; its tools are not offered.`,
  },
  {
    words: 'servers enable <server>',
    summary: 'offer the approved tools of a server again',
    examples: ['oxbow servers enable files'],
    call: 'server.switch',
    ...one,
    fixed: { enabled: true },
    show: (_, { name }) => `${name} is on.`,
  },
]

function listText({ servers }: { readonly servers: readonly ServerLine[] }): string {
  if (servers.length === 0) return 'There is no server of tools. `oxbow servers add` adds one.'
  const rows = servers.map(({ server, from, what, enabled, running, approved, quarantined }) => [
    server,
    enabled ? (running ? 'running' : 'on') : 'off',
    `${approved} approved${quarantined.length === 0 ? '' : `, ${quarantined.length} changed`}`,
    from,
    plainLine(what, whatChars),
  ])
  const logs = servers.filter(({ log }) => log !== '').map(({ server, log }) => `Log of ${server}:\n${plainText(log.trimEnd())}`)
  return [table([['NAME', 'STATE', 'TOOLS', 'FROM', 'RUNS'], ...rows]), ...logs].join('\n\n')
}

function diffText({ server, identity, instructions, offers, tools }: ServerDiff): string {
  const parts = [
    ...changed('Runs', identity.approved, identity.now),
    ...changed('Instructions', instructions.approved, instructions.now),
    ...changed('Other offers', offersText(offers.approved), offersText(offers.now)),
    ...tools.map(({ tool, state, problem, approved, now, read_only: readOnly, sink }) => {
      const marks = [...(readOnly ? ['read-only'] : []), ...(sink ? [] : ['no sink'])]
      const head = `${plainLine(tool, 128)}: ${state}${marks.length === 0 ? '' : `, ${marks.join(', ')}`}`
      if (problem !== '') return `${head}\n  cannot be approved: ${problem}`
      const before = state === 'new' || approved === null ? [] : toolLines(approved)
      const after = now === null ? [] : toolLines(now)
      if (state === 'same') return head
      const lines = [
        ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
        ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
      ]
      // What is hashed but not shown, such as a text behind the first 2 KiB, has changed then.
      return `${head}\n${lines.length === 0 ? '  (the part that is shown is the same)' : lines.join('\n')}`
    }),
  ]
  return `${server} offers ${plural(tools.filter(({ now }) => now !== null).length, 'tool')}.\n\n${plainText(parts.join('\n\n'))}`
}

function changed(what: string, before: string, now: string): readonly string[] {
  if (before === now) return []
  return [`${what}:${before === '' ? '' : `\n- ${before.replaceAll('\n', '\n- ')}`}\n+ ${now.replaceAll('\n', '\n+ ')}`]
}
