/**
 * Branches of files for an isolated guest: its runner makes and removes the copies, and serves hands over them. A connection begins with a
 * line of JSON. It asks for one thing and is answered with a line, or names a branch and a profile and becomes the connection to hands.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { type Profile, type Sandbox, type SandboxBranches, type SandboxStatus } from '../../protocol/index.ts'
import { keepHands } from '../keep-hands.ts'
import { maxPassLineBytes, maxServedBranchConnections } from '../limits.ts'
import { askRunner, failedAnswer, failedAnswerTo, type Listening, listenAt, readLine } from './local-socket.ts'
import { connectHands, relayHands } from './remote-hands.ts'
import { connectPrograms } from './remote-servers.ts'

const name = z.string().max(100)
const question = z.union([
  z.strictObject({ ask: z.enum(['create', 'open', 'rest', 'drop']), name }),
  z.strictObject({ hands: z.enum(['work', 'online']), name }),
])
type Question = z.infer<typeof question>

const answer = z.union([z.strictObject({}), failedAnswer])

const branchesSocket = (folder: string): string => join(folder, 'branches.sock')

/** The runner's end. @throws a system error when the socket cannot be made */
export function serveBranches(branches: SandboxBranches, folder: string): Promise<Listening> {
  return listenAt(branchesSocket(folder), maxServedBranchConnections, (socket) => {
    const gone = new AbortController()
    socket.once('close', () => gone.abort())
    const serve = async (): Promise<void> => {
      const asked: Question = question.parse(JSON.parse(await readLine(socket, maxPassLineBytes)))
      if ('hands' in asked) {
        relayHands(socket, await branches.open(asked.name), asked.hands)
        socket.resume()
        return
      }
      // A guest that goes is noticed only while its socket is read.
      socket.resume()
      socket.end(`${JSON.stringify(await answerTo(branches, asked, gone.signal))}\n`)
    }
    serve().catch(() => socket.destroy())
  })
}

async function answerTo(
  branches: SandboxBranches,
  { ask, name: branch }: Extract<Question, { ask: unknown }>,
  signal: AbortSignal,
): Promise<z.infer<typeof answer>> {
  try {
    await (ask === 'create' ? branches.create(branch, signal) : branches[ask](branch))
    return {}
  } catch (error) {
    return failedAnswerTo(error, 'sandbox_failed')
  }
}

/** The guest's end. @param main the sandbox of the workspace, which has the profiles that see no copy */
export function connectBranches(folder: string, status: SandboxStatus, main: () => Sandbox): SandboxBranches {
  const open = new Map<string, Sandbox>()
  const ask = async (asked: Question, signal?: AbortSignal): Promise<void> => {
    await askRunner(branchesSocket(folder), asked, answer, 'branches of files', { maxBytes: maxPassLineBytes, signal })
  }
  const forget = async (branch: string): Promise<void> => {
    const opened = open.get(branch)
    open.delete(branch)
    await opened?.close()
  }
  return {
    create: (branch, signal) => ask({ ask: 'create', name: branch }, signal),
    async open(branch) {
      await ask({ ask: 'open', name: branch })
      const opened = open.get(branch) ?? connectBranch(folder, status, main, branch)
      open.set(branch, opened)
      return opened
    },
    async rest(branch) {
      await forget(branch)
      await ask({ ask: 'rest', name: branch })
    },
    async drop(branch) {
      await forget(branch)
      await ask({ ask: 'drop', name: branch })
    },
  }
}

function connectBranch(folder: string, status: SandboxStatus, main: () => Sandbox, branch: string): Sandbox {
  const start = (profile: Profile): ReturnType<typeof connectHands> =>
    connectHands(branchesSocket(folder), `${JSON.stringify({ hands: profile, name: branch })}\n`)
  const own = keepHands(status, { start, serve: connectPrograms(folder, branch).serve, close: () => Promise.resolve() }, () => undefined)
  return { ...own, hands: (profile) => (profile === 'work' || profile === 'online' ? own.hands(profile) : main().hands(profile)) }
}
