/**
 * What a coding agent asks while its task runs: permission, files, commands in a terminal. Each is a call through the gate with the agent as
 * its actor, recorded, and waits for the person where `[approval]` says so for its tier. An agent acts inside its own sandbox without asking
 * too: what it asks here is as it claims, and widens nothing.
 */
import { posix } from 'node:path'
import type { CreateTerminalRequest, PermissionOption, RequestPermissionRequest } from '@agentclientprotocol/sdk'
import { headOf, OxbowError, tailOf } from '../../base/index.ts'
import type { CallContext } from '../../protocol/index.ts'
import { visible } from '../mcp/definitions.ts'
import type { AgentRequests } from './acp-client.ts'
import { maxCommandOutputBytes, maxShownChars, maxTerminals } from './limits.ts'

/** The actor of what an agent asks for: budgets of this name apply, and policy judges it as an agent. */
const actorOf = (name: string): string => `agent:acp.${name}`

export interface Asking {
  readonly name: string
  /** Conversation id; locates the agent's files. */
  readonly context: string
  readonly call: CallContext['call']
  /** Aborts commands; false when none has that id. */
  readonly stopCommand: (terminal: string) => void
}

export function createAgentRequests(asking: Asking): AgentRequests {
  const { name, context } = asking
  const call = async (verb: string, input: object): Promise<unknown> => {
    const outcome = await asking.call(actorOf(name), `coder.${verb}`, { agent: name, context, ...input })
    if (outcome.status === 'ok') return outcome.output
    const { code, message, hint } = outcome.failure
    throw new OxbowError(code, message, { hint })
  }
  return {
    async permit({ toolCall, options }) {
      const allowed = await call('permit', permitInput(toolCall)).then(
        () => true,
        () => false,
      )
      const option = choose(options, allowed)
      return { outcome: option === undefined ? { outcome: 'cancelled' } : { outcome: 'selected', optionId: option.optionId } }
    },
    readFile: async (path, line, limit) =>
      ((await call('read_file', { path: plainPath(path), line: line ?? 1, ...(limit !== null && { limit }) })) as { text: string }).text,
    writeFile: async (path, text) => void (await call('write_file', { path: plainPath(path), text })),
    ...createTerminals(asking, call),
  }
}

/** Never a choice for always: what an agent remembers is its own. */
function choose(options: readonly PermissionOption[], allowed: boolean): PermissionOption | undefined {
  const kinds = allowed ? (['allow_once', 'allow_always'] as const) : (['reject_once', 'reject_always'] as const)
  return kinds.flatMap((kind) => options.find((option) => option.kind === kind) ?? [])[0]
}

function permitInput({ title, kind, rawInput, locations }: RequestPermissionRequest['toolCall']): object {
  const paths = (locations ?? []).slice(0, 20).map(({ path }) => visible(headOf(path, 500)))
  return {
    title: visible(headOf(title ?? 'a call', 500)),
    kind: kind ?? 'other',
    detail: visible(headOf(rawInput === undefined ? '' : JSON.stringify(rawInput), maxShownChars)),
    paths,
  }
}

/** Agents name files of their sandbox by absolute paths. */
function plainPath(path: string): string {
  const normal = posix.normalize(path)
  if (normal === '/shared' || normal.startsWith('/shared/')) return normal
  throw new OxbowError('path_refused', 'Only files below /shared are read and written this way.', {
    hint: 'Use your own tools for others.',
  })
}

interface Terminal {
  readonly ended: Promise<void>
  output: string
  exit: { exitCode: number | null; signal: string | null } | null
}

type TerminalRequests = Pick<AgentRequests, 'createTerminal' | 'terminalOutput' | 'waitForExit' | 'kill' | 'release'>

function createTerminals({ context, stopCommand }: Asking, call: (verb: string, input: object) => Promise<unknown>): TerminalRequests {
  const terminals = new Map<string, Terminal & { readonly maxBytes: number }>()
  let made = 0
  const find = (id: string): Terminal & { readonly maxBytes: number } => {
    const terminal = terminals.get(id)
    if (terminal !== undefined) return terminal
    throw new OxbowError('not_found', 'There is no such terminal.', { hint: 'It was released, or never created.' })
  }
  return {
    createTerminal(request) {
      if (terminals.size >= maxTerminals)
        throw new OxbowError('limit_reached', `There are ${maxTerminals} terminals.`, { hint: 'Release one.' })
      const id = `${context}-t${(made += 1)}`
      const terminal = { output: '', exit: null as Terminal['exit'], maxBytes: request.outputByteLimit ?? maxCommandOutputBytes }
      const ended = call('run', { terminal: id, ...commandOf(request) }).then(
        (output) => {
          const { text, exit_code: exitCode, signal } = output as { text: string; exit_code: number | null; signal: string | null }
          Object.assign(terminal, { output: text, exit: { exitCode, signal } })
        },
        (error: unknown) => {
          const text = error instanceof Error ? error.message : 'The command did not run.'
          Object.assign(terminal, { output: text, exit: { exitCode: notRun, signal: null } })
        },
      )
      terminals.set(id, Object.assign(terminal, { ended }))
      return id
    },
    terminalOutput(id) {
      const { output, exit, maxBytes } = find(id)
      const shown = tailOf(output, maxBytes)
      return { output: shown, truncated: shown.length < output.length, exitStatus: exit }
    },
    async waitForExit(id) {
      const terminal = find(id)
      await terminal.ended
      return terminal.exit ?? { exitCode: null, signal: null }
    },
    kill: (id) => {
      find(id)
      stopCommand(id)
    },
    release(id) {
      find(id)
      stopCommand(id)
      terminals.delete(id)
    },
  }
}

/** As a shell does for a program that it may not start. */
const notRun = 126

/** A program with arguments becomes a command line, so that the rules for shells hold. Some agents send a whole line as the command. */
function commandOf({ command, args = [], cwd, env = [] }: CreateTerminalRequest): object {
  return {
    line: args.length === 0 ? command : [command, ...args].map(quoted).join(' '),
    cwd: cwd === null || cwd === undefined ? '/shared' : plainPath(cwd),
    env: Object.fromEntries(env.slice(0, 50).map(({ name, value }) => [name, value])),
  }
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
