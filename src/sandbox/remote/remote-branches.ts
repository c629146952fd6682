/**
 * Branches of files for an isolated guest: its runner makes and removes the copies, and serves hands over them. A connection begins with a
 * line of JSON. It asks for one thing and is answered with a line, or names a branch and a profile and becomes the connection to hands.
 */
import { join } from 'node:path'
import { z } from 'zod'
import { OxbowError } from '../../base/index.ts'
import { type BranchChange, type Profile, type Sandbox, type SandboxBranches, type SandboxStatus } from '../../protocol/index.ts'
import { keepHands } from '../keep-hands.ts'
import { maxChangesLineBytes, maxPassLineBytes, maxServedBranchConnections } from '../limits.ts'
import { askRunner, failedAnswer, failedAnswerTo, type Listening, listenAt, readLine } from './local-socket.ts'
import { connectHands, relayHands } from './remote-hands.ts'
import { connectPrograms } from './remote-servers.ts'

const name = z.string().max(100)
const question = z.union([
  z.strictObject({ ask: z.enum(['create', 'open', 'rest', 'drop']), name }),
  z.strictObject({ ask: z.literal('changes'), name, ignore: z.array(z.string()) }),
  z.strictObject({ hands: z.enum(['work', 'online']), name }),
])
type Question = z.infer<typeof question>

const branchFiles = z.strictObject({ kind: z.enum(['overlay', 'copy']), why: z.string() })
const branchChange = z.strictObject({ path: z.string(), state: z.enum(['file', 'gone', 'folder', 'new_folder']) })
const answer = z.union([
  z.strictObject({ made: branchFiles }),
  z.strictObject({ changes: z.array(branchChange).readonly().nullable() }),
  z.strictObject({}),
  failedAnswer,
])

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

/** @throws OxbowError `limit_reached` */
async function changesOf(
  branches: SandboxBranches,
  { name: branch, ignore }: Extract<Question, { ask: 'changes' }>,
  signal: AbortSignal,
): Promise<readonly BranchChange[] | null> {
  const changes = await branches.changes(branch, ignore, signal)
  if (changes === null || JSON.stringify(changes).length < maxChangesLineBytes) return changes
  throw new OxbowError('limit_reached', `The branch ${branch} has changed ${changes.length} files and folders, too many to list.`, {
    hint: 'Name what can be made again in versions.ignore, or remove it in the branch.',
  })
}

async function answerTo(
  branches: SandboxBranches,
  asked: Extract<Question, { ask: unknown }>,
  signal: AbortSignal,
): Promise<z.infer<typeof answer>> {
  try {
    if (asked.ask === 'create') return { made: await branches.create(asked.name, signal) }
    if (asked.ask === 'changes') return { changes: await changesOf(branches, asked, signal) }
    await branches[asked.ask](asked.name)
    return {}
  } catch (error) {
    return failedAnswerTo(error, 'sandbox_failed')
  }
}

/** The guest's end. @param main the sandbox of the workspace, which has the profiles that see no copy */
export function connectBranches(folder: string, status: SandboxStatus, main: () => Sandbox): SandboxBranches {
  const open = new Map<string, Sandbox>()
  const ask = (asked: Question, signal?: AbortSignal, maxBytes = maxPassLineBytes) =>
    askRunner(branchesSocket(folder), asked, answer, 'branches of files', { maxBytes, signal })
  const forget = async (branch: string): Promise<void> => {
    const opened = open.get(branch)
    open.delete(branch)
    await opened?.close()
  }
  return {
    async create(branch, signal) {
      const made = await ask({ ask: 'create', name: branch }, signal)
      return 'made' in made ? made.made : { kind: 'copy', why: '' }
    },
    async changes(branch, ignore, signal) {
      const found = await ask({ ask: 'changes', name: branch, ignore: [...ignore] }, signal, maxChangesLineBytes)
      return 'changes' in found ? found.changes : null
    },
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
