/**
 * Sessions in memory: each line of input is one command, and a test supplies its result. They end when closed, or by the line `exit N`; a
 * job ends at once. Reads never wait.
 */
import type { HandsOps, SessionEnd, SessionEntry, SessionOps, SessionOutput, SessionPrompt } from '../../protocol/index.ts'
import { fail, type Operations } from './fake-files.ts'

type Run = (input: HandsOps['exec']['input'], signal: AbortSignal) => Promise<HandsOps['exec']['output']>

interface FakeSession {
  readonly owner: string
  readonly facts: Pick<SessionEntry, 'kind' | 'terminal' | 'command' | 'cwd'>
  output: Buffer
  exitCode: number | null
  ended: SessionEnd | null
}

/** @param run gives the result of a command */
export function fakeSessions(run: Run): Pick<Operations, keyof SessionOps> {
  const sessions = new Map<string, FakeSession>()
  let count = 0
  const find = (owner: string, id: string): FakeSession => {
    const session = sessions.get(id)
    if (session !== undefined && (owner === '' || session.owner === owner)) return session
    throw fail('not_found', 'There is no session of this name.')
  }
  const execute = async (session: FakeSession, command: string): Promise<void> => {
    const { cwd } = session.facts
    const limits = { stdin: '', timeoutMs: 1_000, maxOutputBytes: 1_000_000 }
    const { stdout, stderr, exitCode } = await run({ command, cwd, ...limits }, new AbortController().signal)
    session.output = Buffer.concat([session.output, Buffer.from(stdout + stderr)])
    session.exitCode = exitCode
  }
  return {
    async sessionOpen({ owner, kind, command, cwd, terminal }) {
      const facts = { kind, terminal: terminal !== null, command, cwd }
      const session: FakeSession = { owner, facts, output: Buffer.alloc(0), exitCode: 0, ended: null }
      const id = `${kind}-${(count += 1)}-fake`
      sessions.set(id, session)
      if (kind === 'job') {
        await execute(session, command)
        session.ended = { exitCode: session.exitCode, signal: null }
      }
      return { id, terminal: facts.terminal }
    },
    async sessionWrite({ owner, id, text }) {
      const session = find(owner, id)
      if (session.ended !== null || session.facts.kind === 'job') throw fail('tool_failed', `${id} takes no input.`)
      const total = session.output.length
      for (const line of text.split('\n').filter((each) => each !== '')) {
        const [, code] = /^exit (\d+)$/.exec(line) ?? []
        if (code === undefined) await execute(session, line)
        else session.ended = { exitCode: Number(code), signal: null }
      }
      return { total }
    },
    sessionRead({ owner, id, from: requested, maxBytes }) {
      const session = find(owner, id)
      const { ended } = session
      return { ...pageOf(session.output, requested, maxBytes), ended, prompt: promptOf(session) }
    },
    sessionResize({ owner, id, columns, rows }) {
      if (!find(owner, id).facts.terminal) throw fail('tool_failed', `${id} has no terminal.`)
      return { columns, rows }
    },
    sessionSignal({ owner, id, signal, to }) {
      const session = find(owner, id)
      if (session.ended !== null || to === 'foreground') return { processes: 0 }
      if (signal === 'SIGKILL') session.ended = { exitCode: null, signal }
      return { processes: 1 }
    },
    sessionClose({ owner, id }) {
      const { ended, output } = find(owner, id)
      sessions.delete(id)
      return { ended: ended ?? { exitCode: null, signal: 'SIGHUP' }, total: output.length }
    },
    sessionList({ owner }) {
      const own = [...sessions].filter(([, session]) => owner === '' || session.owner === owner)
      return { sessions: own.map(([id, session]) => entryOf(id, session)) }
    },
  }
}

function promptOf({ facts, ended, exitCode }: FakeSession): SessionPrompt | null {
  return facts.kind === 'shell' && ended === null ? { exitCode } : null
}

function pageOf(output: Buffer, requested: number, maxBytes: number): Omit<SessionOutput, 'ended' | 'prompt'> {
  const total = output.length
  const from = Math.min(total, requested < 0 ? Math.max(0, total + requested) : requested)
  const page = output.subarray(from, from + maxBytes)
  return { text: page.toString(), from, next: from + page.length, total, dropped: 0 }
}

function entryOf(id: string, session: FakeSession): SessionEntry {
  const { facts, output, ended } = session
  return { id, ...facts, ageMs: 0, total: output.length, ended, prompt: promptOf(session) }
}
