/**
 * Keeps one hands process for each profile, and the servers that were started. What goes wrong at a start is shown in the status from
 * that moment on.
 */
import { OxbowError, isOxbowError, type LogLevel, toFailure } from '../base/index.ts'
import type { Hands } from '../protocol/index.ts'
import type {
  Profile,
  Sandbox,
  SandboxBranches,
  ShownFolder,
  SandboxFolders,
  SandboxStatus,
  ServerProcess,
  ServerProgram,
} from '../protocol/index.ts'
import type { FolderBook } from './folder-book.ts'
import type { HandsProcess } from './hands/hands-process.ts'
import { keepProfile, type ProfileKeeper } from './keep-profile.ts'
import { profileIdleMs, sessionListMs } from './limits.ts'
import type { TierPlan } from './tier-plan.ts'
import { refuseUnseen } from './unseen-folders.ts'

/** Branches of files, which are closed with the sandbox. */
export interface KeptBranches extends SandboxBranches {
  /** How branches have their files, for people. */
  readonly how: string
  close(): Promise<void>
}

interface KeptParts {
  readonly branches: KeptBranches
  readonly book: FolderBook
}

/** @param parts absent: there are no branches, and the folders of the person stay as they are */
export function keepHands(
  planned: SandboxStatus,
  plan: Pick<TierPlan, 'start' | 'serve' | 'close'> & Partial<Pick<TierPlan, 'mounts'>>,
  logger: (message: string, level?: LogLevel) => void,
  parts?: KeptParts,
): Sandbox {
  const branches = parts?.branches
  let status = planned
  let shown = { of: planned, how: '', status: planned }
  let closed = false
  const keepers = new Map<Profile, ProfileKeeper>()
  const servers = new Map<ServerProcess, ServerProgram>()

  const start = async (profile: Profile): Promise<HandsProcess> => {
    try {
      const started = await plan.start(profile)
      logger(`hands of the profile ${profile} have started`, 'info')
      if (profile === 'work') status = planned
      return started
    } catch (error) {
      const problem = toFailure(error, 'sandbox_missing', 'Check the workspace folder.')
      // What cannot start now may start later (memory, processes): the next request tries again.
      if (profile === 'work') status = { ...planned, tier: 'none', provider: '', files: false, shell: false, problem }
      logger(problem.message)
      throw isOxbowError(error) ? error : new OxbowError(problem.code, problem.message, { hint: problem.hint, cause: error })
    }
  }
  return {
    get status() {
      const unseen = parts?.book.unseen ?? []
      if (parts === undefined || status.tier === 'none') return status
      // Every call asks for it, and branches seldom change how they have their files.
      const { how } = parts.branches
      if (shown.of !== status || shown.how !== how)
        shown = { of: status, how, status: { ...status, limits: [...status.limits, `branches: ${how}`] } }
      if (unseen.length === 0) return shown.status
      const lacking = unseen.map(({ name, problem }) => `folders: /shared/${name} ${problem}`)
      return { ...shown.status, degraded: [...status.degraded, ...lacking] }
    },
    async hands(profile) {
      if (closed) throw closedFailure()
      if (!planned.profiles.includes(profile)) throw notOffered(profile, planned)
      const keeper = keepers.get(profile) ?? keepProfile(() => start(profile), profileIdleMs[profile], closedFailure)
      keepers.set(profile, keeper)
      const hands = await keeper.open()
      if (parts === undefined) return hands
      // Which folders are not shown can change while a call runs.
      const now = (): Hands => (parts.book.unseen.length === 0 ? hands : refuseUnseen(hands, parts.book.unseen))
      return { ask: (...request) => now().ask(...request) }
    },
    ...(plan.serve !== undefined && {
      async serve(program) {
        if (closed) throw closedFailure()
        const server = await plan.serve!(program)
        servers.set(server, program)
        void server.exited.then(() => servers.delete(server))
        if (closed) await server.kill()
        return server
      },
    }),
    ...(branches !== undefined && { branches }),
    ...(parts !== undefined && plan.mounts !== undefined && { folders: showFolders({ ...parts, keepers, servers }) }),
    async close() {
      closed = true
      await branches?.close()
      await Promise.all([...[...keepers.values()].map((keeper) => keeper.close()), ...[...servers.keys()].map((server) => server.kill())])
      await plan.close()
    },
  }
}

function closedFailure(): OxbowError {
  return new OxbowError('sandbox_failed', 'The sandbox is closed.', { hint: 'Start again.' })
}

function notOffered(profile: Profile, { tier, lacking }: SandboxStatus): OxbowError {
  return new OxbowError('sandbox_missing', `This sandbox (${tier}) has no profile "${profile}".`, {
    hint: lacking?.[profile]?.hint ?? 'oxbow status says what it has; oxbow doctor says what is missing.',
  })
}

interface ShowParts extends KeptParts {
  readonly keepers: ReadonlyMap<Profile, ProfileKeeper>
  readonly servers: ReadonlyMap<ServerProcess, ServerProgram>
}

/** The profiles that see the folders of the person. */
const showing: readonly Profile[] = ['work', 'online']

function showFolders({ book, branches, keepers, servers }: ShowParts): SandboxFolders {
  const list = (): readonly ShownFolder[] => book.list()
  const seen = (): readonly ProfileKeeper[] => showing.flatMap((profile) => keepers.get(profile) ?? [])
  let last: Promise<unknown> = Promise.resolve()
  const change = async (folders: Parameters<SandboxFolders['show']>[0]): ReturnType<SandboxFolders['show']> => {
    const { isMore, taken, inBranches, use, tidy } = await book.plan(folders)
    const endsAll = taken.length > 0
    if (isMore && !endsAll) for (const keeper of seen()) assertNothingRuns(await sessionsOf(await keeper.running()))
    use()
    if (!isMore && !endsAll) {
      await tidy()
      return list()
    }
    const stale = [...servers].filter(([, program]) => program.folders.some(({ path }) => taken.includes(path)))
    await Promise.all([
      ...seen().map((keeper) => keeper.replace(endsAll)),
      ...stale.map(([server]) => server.kill()),
      ...(inBranches ? [branches.close()] : []),
    ])
    await tidy()
    return list()
  }
  return {
    list,
    show(folders) {
      const mine = last.then(() => change(folders))
      last = mine.catch(() => {})
      return mine
    },
  }
}

/** @returns the shells and jobs that run, for people. Hands that do not answer count as having none: they end with their next request. */
async function sessionsOf(process: HandsProcess | null): Promise<readonly string[]> {
  if (process === null) return []
  const options = { signal: new AbortController().signal, timeoutMs: sessionListMs }
  const { sessions } = await process.hands.ask('sessionList', { owner: '' }, options).catch(() => ({ sessions: [] }))
  return sessions
    .filter(({ ended }) => ended === null)
    .map(({ id, kind, command }) => (kind === 'shell' ? id : `${id}, ${JSON.stringify(command.slice(0, 60))}`))
}

function assertNothingRuns(sessions: readonly string[]): void {
  const [first] = sessions
  if (first === undefined) return
  const others = sessions.length === 1 ? '' : ` and ${sessions.length - 1} more`
  throw new OxbowError('workspace_busy', `A shell or job of an agent is running (${first}${others}), which cannot see a new folder.`, {
    hint: `Wait until it has ended, or end it: oxbow call shell.session_close '{"id":"${first.split(',')[0]}"}'. \`oxbow restart\` ends all.`,
  })
}
