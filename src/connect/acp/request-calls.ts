/** The calls behind what coding agents ask; see `agent-requests.ts`. They act on the files of the agent that asks, through hands. */
import { z } from 'zod'
import { ownValue, OxbowError } from '../../base/index.ts'
import { type Call, defineCall, type Hands, type StartedProgram, type Tier } from '../../protocol/index.ts'
import { commandTimeoutMs, fileTimeoutMs, maxCommandOutputBytes, maxFileChars, maxShownChars } from './limits.ts'

/** The files of one conversation. */
export interface AgentFiles {
  /** @throws OxbowError `sandbox_missing` */
  hands(): Promise<Hands>
  /** Whether it may write: it works on a branch. */
  readonly writable: boolean
  /** None: it sees no files. */
  readonly readable: boolean
  /** Aborts when the agent kills the command. */
  commandSignal(terminal: string): AbortSignal
}

/** @param find of a conversation that runs @throws OxbowError `not_found` */
export function requestCalls(find: (agent: string, context: string) => AgentFiles): readonly Call[] {
  return [permitCall(), readCall(find), writeCall(find), runCall(find)]
}

const shared = {
  // A process has this right whatever its configuration says.
  right: 'turn.run',
  audience: ['runtime'],
  labels: { adds: [], sink: false },
} as const satisfies Partial<Call>

const asker = {
  agent: z.string().describe('The coding agent that asks.'),
  context: z.string().describe('Its conversation.'),
}

const tiers: Readonly<Record<string, Tier>> = {
  read: 'read_only',
  search: 'read_only',
  think: 'read_only',
  edit: 'side_effecting',
  delete: 'side_effecting',
  move: 'side_effecting',
}

function permitCall(): Call {
  return defineCall({
    ...shared,
    name: 'coder.permit',
    summary: 'Permits a coding agent what it asks for.',
    input: z.strictObject({
      ...asker,
      title: z.string().max(4_000).describe('What it asks for, in its own words, which may be untrue.'),
      kind: z.string().max(50).describe('What it says that it is: read, edit, execute and so on.'),
      detail: z
        .string()
        .max(maxShownChars * 8)
        .describe('Its input, as JSON.'),
      paths: z.array(z.string().max(4_000)).max(20).describe('Files that it says it touches.'),
    }),
    output: z.strictObject({}),
    example: { agent: 'helper', context: 'c1', title: 'Run the tests', kind: 'execute', detail: '{"command":"npm test"}', paths: [] },
    tier: 'read_only',
    tierOf: ({ kind }) => ownValue(tiers, kind) ?? 'privileged',
    effect: 'none',
    timeoutMs: 10_000,
    run: async () => ({ output: {}, text: '' }),
  })
}

type Find = Parameters<typeof requestCalls>[0]

function readCall(find: Find): Call {
  return defineCall({
    ...shared,
    name: 'coder.read_file',
    summary: 'Reads a text file for a coding agent, as that sees it.',
    input: z.strictObject({
      ...asker,
      path: z.string().max(4_096),
      line: z.int().min(1).describe('First line.'),
      limit: z.int().min(1).optional().describe('Number of lines.'),
    }),
    output: z.strictObject({ text: z.string() }),
    example: { agent: 'helper', context: 'c1', path: '/shared/README.md', line: 1 },
    tier: 'read_only',
    effect: 'none',
    timeoutMs: fileTimeoutMs,
    recordOutput: ({ text }) => ({ characters: text.length }),
    async run({ agent, context, path, line, limit }, { signal }) {
      const files = find(agent, context)
      if (!files.readable) throw noFiles(agent)
      const input = { path, fromLine: line, maxLines: limit ?? maxLines, maxBytes: maxFileChars }
      const { text, newline, lines, truncated } = await (await files.hands()).ask('read', input, { signal, timeoutMs: fileTimeoutMs })
      // Also of a range: one that ends before its last line would be written back so.
      if (truncated && (lines < (limit ?? maxLines) || !newline))
        throw new OxbowError('limit_reached', `${path} is too large to read whole.`, { hint: 'Read it in parts, by line and limit.' })
      return { output: { text: newline ? `${text}\n` : text }, text: '' }
    },
  })
}

const maxLines = 1_000_000

function writeCall(find: Find): Call {
  return defineCall({
    ...shared,
    name: 'coder.write_file',
    does: ['overwrite'],
    summary: 'Writes a text file for a coding agent, in its branch of the files.',
    input: z.strictObject({ ...asker, path: z.string().max(4_096), text: z.string().max(maxFileChars) }),
    output: z.strictObject({ bytes: z.int() }),
    example: { agent: 'helper', context: 'c1', path: '/shared/README.md', text: '# Oxbow\n' },
    tier: 'side_effecting',
    effect: 'idempotent',
    timeoutMs: fileTimeoutMs,
    recordInput: ({ agent, context, path, text }) => ({ agent, context, path, characters: text.length }),
    async run({ agent, context, path, text }, { signal }) {
      const files = find(agent, context)
      if (!files.writable) throw noFiles(agent)
      const { bytes } = await (await files.hands()).ask('write', { path, text, ifHash: '' }, { signal, timeoutMs: fileTimeoutMs })
      return { output: { bytes }, text: '' }
    },
  })
}

function runCall(find: Find): Call {
  return defineCall({
    ...shared,
    name: 'coder.run',
    summary: 'Runs a command for a coding agent, in its branch of the files and without network.',
    input: z.strictObject({
      ...asker,
      terminal: z.string(),
      line: z.string().min(1).max(100_000).describe('Command line for bash.'),
      cwd: z.string().max(4_096),
      env: z.record(z.string().max(200), z.string().max(32_000)),
    }),
    output: z.strictObject({ text: z.string(), exit_code: z.int().nullable(), signal: z.string().nullable() }),
    example: { agent: 'helper', context: 'c1', terminal: 'c1-t1', line: 'npm test', cwd: '/shared', env: {} },
    tier: 'read_only',
    tierOf: () => 'privileged',
    starts: ({ line, cwd, env }): StartedProgram => ({ shell: line, binary: '', args: [], env: Object.keys(env), cwd }),
    effect: 'once',
    timeoutMs: commandTimeoutMs + fileTimeoutMs,
    recordInput: ({ env, ...input }) => ({ ...input, env: Object.keys(env) }),
    recordOutput: ({ exit_code, signal, text }) => ({ exit_code, signal, characters: text.length }),
    async run({ agent, context, terminal, line, cwd, env }, { signal }) {
      const files = find(agent, context)
      if (!files.writable) throw noFiles(agent)
      const input = { command: line, env: { ...env }, cwd, stdin: '', timeoutMs: commandTimeoutMs, maxOutputBytes: maxCommandOutputBytes }
      const stopped = AbortSignal.any([signal, files.commandSignal(terminal)])
      const hands = await files.hands()
      const ended = await hands.ask('exec', input, { signal: stopped, timeoutMs: commandTimeoutMs + fileTimeoutMs })
      return { output: { text: ended.stdout + ended.stderr, exit_code: ended.exitCode, signal: ended.signal }, text: '' }
    },
  })
}

function noFiles(agent: string): OxbowError {
  return new OxbowError('denied', `The agent ${agent} may not do that with files.`, { hint: 'A person can set files = "branch" for it.' })
}
