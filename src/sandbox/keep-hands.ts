/**
 * Keeps one hands process for each profile: started at the first request, started afresh after it ended. What goes wrong at a
 * start is shown in the status from that moment on.
 */
import { OxbowError, isOxbowError, toFailure } from '../types/index.ts'
import type { Hands, Profile, Sandbox, SandboxBranches, SandboxStatus, ServerProcess } from '../types/index.ts'
import type { HandsProcess } from './hands/hands-process.ts'
import { profileIdleMs } from './limits.ts'
import type { TierPlan } from './tier-plan.ts'

interface Keeper {
  open(): Promise<Hands>
  close(): Promise<void>
}

/** Branches of files, which are closed with the sandbox. */
export interface KeptBranches extends SandboxBranches {
  close(): Promise<void>
}

export function keepHands(
  planned: SandboxStatus,
  plan: Pick<TierPlan, 'start' | 'serve' | 'close'>,
  logger: (message: string) => void,
  branches?: KeptBranches,
): Sandbox {
  let status = planned
  let closed = false
  const keepers = new Map<Profile, Keeper>()
  const servers = new Set<ServerProcess>()

  const start = async (profile: Profile): Promise<HandsProcess> => {
    try {
      const started = await plan.start(profile)
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
      return status
    },
    hands(profile) {
      if (closed) return Promise.reject(closedFailure())
      if (!planned.profiles.includes(profile)) return Promise.reject(notOffered(profile, planned))
      const keeper = keepers.get(profile) ?? keepProfile(() => start(profile), profileIdleMs[profile])
      keepers.set(profile, keeper)
      return keeper.open()
    },
    ...(plan.serve !== undefined && {
      async serve(program) {
        if (closed) throw closedFailure()
        const server = await plan.serve!(program)
        servers.add(server)
        void server.exited.then(() => servers.delete(server))
        if (closed) await server.kill()
        return server
      },
    }),
    ...(branches !== undefined && { branches }),
    async close() {
      closed = true
      await branches?.close()
      await Promise.all([...[...keepers.values()].map((keeper) => keeper.close()), ...[...servers].map((server) => server.kill())])
      await plan.close()
    },
  }
}

function closedFailure(): OxbowError {
  return new OxbowError('sandbox_failed', 'The sandbox is closed.', { hint: 'Start again.' })
}

function notOffered(profile: Profile, { tier }: SandboxStatus): OxbowError {
  const hints: Readonly<Partial<Record<string, string>>> = {
    'container browser': 'Build an image with one: oxbow image build --with browser (and kernel = "runc").',
    'micro_vm browser': 'A micro VM has no browser. sandbox.tier = "container" has one, with kernel = "runc".',
    'micro_vm online': 'Machines of microsandbox have no way to the web. sandbox.micro_vm.provider = "qemu" has one.',
  }
  return new OxbowError('sandbox_missing', `This sandbox (${tier}) has no profile "${profile}".`, {
    hint: hints[`${tier} ${profile}`] ?? 'oxbow status says what it has; oxbow doctor says what is missing.',
  })
}

/** @param idleMs how long without a request until it is ended; null: it stays */
function keepProfile(start: () => Promise<HandsProcess>, idleMs: number | null): Keeper {
  let current: Promise<HandsProcess> | null = null
  let closed = false
  let requests = 0
  let idle: NodeJS.Timeout | undefined

  const retire = (): void => {
    clearTimeout(idle)
    if (idleMs === null || requests > 0) return
    idle = setTimeout(() => void end(), idleMs)
    idle.unref()
  }
  const end = async (): Promise<void> => {
    clearTimeout(idle)
    const ending = current
    current = null
    const running = await ending?.catch(() => null)
    await running?.kill()
  }
  const counted = (hands: Hands): Hands => ({
    async ask(op, input, options) {
      requests += 1
      clearTimeout(idle)
      try {
        return await hands.ask(op, input, options)
      } finally {
        requests -= 1
        retire()
      }
    },
  })
  return {
    async open() {
      const before = current
      const running = before === null ? null : await before.catch(() => null)
      if (closed) throw closedFailure()
      if (running?.isOpen() !== true && current === before) current = start()
      // Another request may have begun a new one while this one waited.
      const { hands } = await (current ??= start())
      retire()
      return idleMs === null ? hands : counted(hands)
    },
    async close() {
      closed = true
      await end()
    },
  }
}
