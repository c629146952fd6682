/** The calls of the suite that leave this guest or begin in it: sinks, a server and a coder that see folders, pages, agents and graphs. */
import { z } from 'zod'
import { toolCall } from '../../src/connect/mcp/tool-call.ts'
import { done, testCall } from '../../src/kernel/kernel-fixture.ts'
import type { Call, Hands, Sandbox } from '../../src/protocol/index.ts'
import type { DefinitionText, HostPort } from '../../src/config/index.ts'
import type { Ground } from './grounds.ts'

/** The calls that leave the machine; a command with network sends the files that it names. */
export function sinkCalls(described: readonly Call[], { read }: Ground, arrived: string[]): readonly Call[] {
  const real = described.filter(({ labels, audience, name }) => labels.sink && audience.includes('model') && name !== 'media.send')
  const outside = ['a2a.translator', 'acp.helper', 'mcp.desk.upload'].map((name) =>
    testCall(name, async () => done('sent'), {
      right: name.split('.').slice(0, 2).join('.'),
      labels: { adds: ['untrusted'], sink: true },
      // A coder sees the workspace by itself.
      ...(name === 'acp.helper' && { files: 'workspace' }),
    }),
  )
  return [...real, ...outside].map((call) => ({
    ...call,
    timeoutMs: 5_000,
    output: z.unknown(),
    async run(input: object) {
      const text = JSON.stringify(input)
      arrived.push(text, ...[...text.matchAll(/@?(\/(?:shared|tmp)\/[\w./-]+)/g)].map(([, path = '']) => read(path) ?? ''))
      return done('sent')
    },
  }))
}

/** Tools of a server that sees /shared by itself: the real call, before a server in this process. */
export function deskTools({ read, write }: Ground): readonly Call[] {
  const tools = {
    copy: ({ from, to }: Record<string, unknown>) => (write(String(to), read(String(from)) ?? ''), 'copied'),
    show: ({ path }: Record<string, unknown>) => read(String(path)) ?? '',
  }
  const client = {
    callTool: async (name: keyof typeof tools, input: Record<string, unknown>) => ({
      content: [{ type: 'text', text: tools[name](input) }],
    }),
  }
  return Object.keys(tools).map((part) => {
    const definition = { name: part, title: '', description: part, inputSchema: { type: 'object' }, outputSchema: null }
    return toolCall({
      server: { name: 'desk', settings: { folders: ['/shared:rw', '/tmp:rw'], timeout_s: 10 } },
      tool: { definition, readOnly: false, sink: false, part, hash: 'same' },
      connection: {
        listed: async () => ({ tools: [{ definition, hash: 'same' }] }),
        request: (_: unknown, __: unknown, ask: (to: typeof client) => unknown) => ask(client),
      },
      schemas: { validate: async () => [] },
    } as never)
  })
}

/** A page that the next look at it finds, with a file that it saves. */
export interface Page {
  path: string
  text: string
}

/** Calls with network write down what they send, and pages save what they have; the guard looks for programs all the same. */
export function withOutside(sandbox: Sandbox, ground: Ground, page: Page): Sandbox {
  return {
    ...sandbox,
    hands: async (profile) => (profile === 'browser' ? browserHands(ground, page) : sandbox.hands(profile === 'online' ? 'work' : profile)),
  }
}

function browserHands(ground: Ground, page: Page): Hands {
  const view = { tab: 't1', url: 'https://bank.example/', title: '', status: 200, shows: 'text', text: 'A page', fromByte: 0, notes: [] }
  const answer = (op: string): object => {
    if (op === 'browserDownloads') return { downloads: [] }
    if (op === 'browserTabs') return { tabs: [] }
    ground.write(page.path, page.text)
    return { ...view, nextByte: null, totalBytes: 6, path: '/tmp/screenshots/a.png', bytes: 1, width: 1, height: 1 }
  }
  return { ask: async (op) => answer(op) as never }
}

/** What a person has defined: an agent with all these rights, and graphs that keep a text and copy a file. */
export function definedBy(rights: readonly string[]): HostPort {
  const list = JSON.stringify(rights)
  const node = (name: string, call: string, input: string, next: string): string =>
    `[nodes.${name}]\ntype = "call"\ncall = "${call}"\ninput = ${input}\n${next}\n`
  const end = '[nodes.done]\ntype = "end"\ntext = "kept ${text}"\n'
  const write = node('write', 'file.write', '{ path = "${to}", text = "${text}" }', 'next = "done"')
  const text = '[state.text]\ntype = "string"\n'
  const paths = ['from', 'to'].map((name) => `[state.${name}]\ntype = "string"\n`)
  const read = node('read', 'file.read', '{ path = "${from}" }', 'save = { text = "text" }\nnext = "write"')
  const texts: readonly DefinitionText[] = [
    { kind: 'agents', name: 'helper', toml: `description = "helper"\nrights = ${list}`, text: 'Help.', problem: '' },
    {
      kind: 'graphs',
      name: 'keep',
      toml: `start = "write"\ninputs = ["to", "text"]\n${paths[1]}${text}${write}${end}`,
      text: '',
      problem: '',
    },
    {
      kind: 'graphs',
      name: 'copy',
      toml: `start = "read"\ninputs = ["from", "to"]\n${paths.join('')}${text}${read}${write}${end}`,
      text: '',
      problem: '',
    },
  ]
  return { definitions: async () => texts } as unknown as HostPort
}
