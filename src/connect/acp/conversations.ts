/** Programs of coding agents that run, one for each conversation: started on need, kept while somebody may continue, ended when idle. */
import { OxbowError, tailOf } from '../../base/index.ts'
import type { Hands, Sandbox, ServerProcess } from '../../protocol/index.ts'
import { type ProgramDeps, startProgram } from '../program.ts'
import type { AcpAgentClient } from './acp-client.ts'
import { idleMs, maxIdle, maxLogChars } from './limits.ts'
import type { AgentFiles } from './request-calls.ts'
import type { NamedCoder } from './settings.ts'

export interface Conversation {
  readonly id: string
  readonly coder: NamedCoder
  /** Whose it is: no other session continues it. */
  readonly session: string
  /** Of files; empty: it works on none. */
  readonly branch: string
  readonly client: AcpAgentClient
  /** Ends a command that runs in a terminal. */
  stopCommand(terminal: string): void
}

export interface Conversations {
  /** @throws OxbowError */
  begin(coder: NamedCoder, of: Pick<Conversation, 'id' | 'session' | 'branch'>): Promise<Conversation>
  /** Takes a conversation that waits. @throws OxbowError `not_found`, `limit_reached` */
  resume(coder: NamedCoder, id: string, session: string): Conversation
  /** Lets it wait for the next task, or ends it. */
  leave(conversation: Conversation, ends: boolean): Promise<void>
  /** @throws OxbowError `not_found` */
  filesOf(agent: string, id: string): AgentFiles
  running(agent: string): number
  /** Ends an agent's conversations, or all. */
  end(agent?: string): Promise<void>
}

export interface ConversationDeps extends Omit<ProgramDeps, 'sandbox'> {
  readonly sandbox: Pick<Sandbox, 'serve' | 'lockOf' | 'hands' | 'branches'>
  readonly version: string
}

export interface StartedAgent {
  readonly client: AcpAgentClient
  /** The end of what its program has written to its standard error. */
  log(): string
}

interface Held extends Conversation {
  readonly hands: () => Promise<Hands>
  readonly commands: Map<string, AbortController>
  timer: NodeJS.Timeout | undefined
  busy: boolean
}

/** @param branch of files; empty: none @param cwd empty: no conversation is begun. @throws OxbowError with the end of its log */
export async function startAgent(deps: ConversationDeps, coder: NamedCoder, branch: string, cwd: string): Promise<StartedAgent> {
  const { name, settings } = coder
  const { command, args, program_folder: programFolder, env, allow } = settings
  const sandbox = branch === '' ? deps.sandbox : await branchesOf(deps).open(branch)
  const folders = settings.files === 'none' || cwd === '' ? [] : [{ path: '/shared', writable: branch !== '' }]
  const program = await startProgram(`The agent ${name}`, { command, args, env, programFolder, folders, allow }, { ...deps, sandbox })
  const log = collectLog(program)
  const { connectAgent } = await import('./acp-client.ts')
  try {
    return { client: await connectAgent(name, program, deps.version, cwd), log }
  } catch (error) {
    if (!(error instanceof OxbowError) || log() === '') throw error
    throw new OxbowError(error.code, `${error.message} It wrote: ${tailOf(log(), 500)}`, { hint: error.hint, cause: error })
  }
}

/** Programs of coding agents that may get another message; each ends after ten minutes without one. */
export function createConversations(deps: ConversationDeps): Conversations {
  const all = new Map<string, Held>()
  const end = async (held: Held): Promise<void> => {
    clearTimeout(held.timer)
    if (all.get(held.id) === held) all.delete(held.id)
    for (const command of held.commands.values()) command.abort()
    await held.client.close()
    if (held.branch !== '') await deps.sandbox.branches?.rest(held.branch)
  }
  const find = (id: string, agent: string): Held => {
    const held = all.get(id)
    if (held !== undefined && held.coder.name === agent) return held
    throw gone(agent)
  }
  return {
    async begin(coder, { id, session, branch }) {
      const { client } = await startAgent(deps, coder, branch, coder.settings.files === 'none' ? '/tmp' : '/shared')
      const commands = new Map<string, AbortController>()
      const hands = async (): Promise<Hands> => (branch === '' ? deps.sandbox : await branchesOf(deps).open(branch)).hands('work')
      const stopCommand = (terminal: string): void => commands.get(terminal)?.abort()
      const held: Held = { id, coder, session, branch, client, hands, commands, stopCommand, timer: undefined, busy: true }
      all.set(id, held)
      return held
    },
    resume(coder, id, session) {
      const held = find(id, coder.name)
      if (held.session !== session || !held.client.isOpen()) throw gone(coder.name)
      if (held.busy)
        throw new OxbowError('limit_reached', `The agent ${coder.name} still works on the last task of this conversation.`, {
          hint: 'Wait for it, or begin another conversation.',
        })
      clearTimeout(held.timer)
      held.busy = true
      return held
    },
    async leave({ id, coder }, ends) {
      const held = find(id, coder.name)
      if (ends || !held.client.isOpen()) return end(held)
      held.busy = false
      held.timer = setTimeout(() => void end(held), idleMs).unref()
      const idle = [...all.values()].filter(({ busy }) => !busy)
      // A map keeps the order in which they began.
      if (idle.length > maxIdle) await end(idle[0]!)
    },
    filesOf(agent, id) {
      const held = find(id, agent)
      return {
        hands: held.hands,
        writable: held.branch !== '',
        readable: held.coder.settings.files !== 'none',
        commandSignal(terminal) {
          const controller = new AbortController()
          held.commands.set(terminal, controller)
          return controller.signal
        },
      }
    },
    running: (agent) => [...all.values()].filter(({ coder }) => coder.name === agent).length,
    end: async (agent) => {
      const ending = [...all.values()].filter(({ coder }) => agent === undefined || coder.name === agent)
      await Promise.all(ending.map(end))
    },
  }
}

function branchesOf({ sandbox }: Pick<ConversationDeps, 'sandbox'>): NonNullable<Sandbox['branches']> {
  if (sandbox.branches !== undefined) return sandbox.branches
  throw new OxbowError('sandbox_missing', 'There are no branches of files here.', {
    hint: 'Set files = "read" or "none" for this agent, or run the guest without isolate_guest.',
  })
}

function gone(agent: string): OxbowError {
  return new OxbowError('not_found', `This conversation with ${agent} has ended.`, {
    hint: 'Begin another one, without `context`, and say again what matters.',
  })
}

function collectLog({ errors }: ServerProcess): () => string {
  let kept = ''
  errors.on('data', (bytes: Buffer) => (kept = `${kept}${bytes.toString()}`.slice(-maxLogChars)))
  return () => kept
}
