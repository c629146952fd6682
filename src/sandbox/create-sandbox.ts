/** Chooses the tier that isolates hands on this machine: the configured one, or a lower one that the configuration allows. */
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { once, toError } from '../base/index.ts'
import { sandboxTiers } from '../protocol/index.ts'
import type { Failure, LogLevel } from '../base/index.ts'
import type { HostFolder, Sandbox, SandboxStatus, SandboxTier } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import { bubblewrapTier } from './bubblewrap/bubblewrap-tier.ts'
import { ownSearchPath } from './host-programs.ts'
import { type KeptBranches, keepHands } from './keep-hands.ts'
import { shownFolder } from './shown-skills.ts'
import { isPlan } from './tier-plan.ts'
import { createFolderBook, type FolderBook } from './folder-book.ts'
import type { EgressSocket, TierOptions, TierPlan, TierProvider, WorkspaceFolders } from './tier-plan.ts'

export interface SandboxOptions {
  /** Folder of the workspace; its `shared` and `tmp` become `/shared` and `/tmp`, its `vault` is what `vault-read` sees. */
  readonly workspaceRoot: string
  readonly limits: Config['sandbox']
  readonly browser: Config['browser']
  /** Folders of the person to mount in /shared. Those that do not exist are left out. */
  readonly mounts?: readonly HostFolder[]
  /** File tools without a sandbox, held by path policy alone; commands stay off. */
  readonly insecure: boolean
  /** See TierOptions. */
  readonly egressSocket?: EgressSocket
  /** Where the launcher's programs are looked for; the search path of this process when absent. */
  readonly searchPath?: string
  /** See TierOptions. */
  readonly branchesPass?: boolean
  /** See TierOptions; a folder of the workspace that agents do not see, when absent. */
  readonly cacheFolder?: string
  /** See TierOptions; the cache folder when absent. */
  readonly imageFolder?: string
  /** @param level absent: something is wrong */
  readonly logger?: (message: string, level?: LogLevel) => void
}

/** Quick: looks at what is installed, starts nothing. @throws a system error when the workspace cannot be made. */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  const { limits, logger = () => undefined, egressSocket, cacheFolder = join(options.workspaceRoot, 'internal') } = options
  const diskProblem = await putDisk(options.workspaceRoot, limits)
  const own = { ...(await prepareFolders(options.workspaceRoot)), ...(await withSkills(cacheFolder)) }
  const book = createFolderBook(own.shared, logger)
  const folders: WorkspaceFolders = {
    ...own,
    get mounts() {
      return book.mounts()
    },
  }
  const tierOptions: TierOptions = {
    folders,
    limits,
    diskProblem,
    browser: options.browser,
    searchPath: options.searchPath ?? ownSearchPath(),
    cacheFolder,
    imageFolder: options.imageFolder ?? join(options.workspaceRoot, 'internal'),
    logger,
    ...(options.branchesPass === true && { branchesPass: true }),
    ...(egressSocket !== undefined && { egressSocket }),
  }
  const kept = async (status: SandboxStatus, plan: KeptPlan, again: PlanAgain): Promise<Sandbox> => {
    await book.open(options.mounts ?? [], plan.mounts)
    return keepWithBranches({ status, plan, again, options: tierOptions, root: branchesFolder(options.workspaceRoot, tierOptions), book })
  }
  if (options.insecure) return kept({ ...insecureStatus, asked: limits.tier }, await planInsecure(tierOptions), planInsecure)
  const problems: Failure[] = []
  for (const tier of tiersToTry(limits)) {
    const plan = await planTier(tier, tierOptions)
    if (isPlan(plan)) return kept(statusOf(tier, plan, tierOptions, problems[0] ?? null), plan, (other) => planTier(tier, other))
    problems.push(plan)
  }
  return withoutHands(problems[0]!, limits.tier)
}

type KeptPlan = Pick<TierPlan, 'start' | 'serve' | 'close'> & Partial<Pick<TierPlan, 'mounts' | 'enters'>>
type PlanAgain = (options: TierOptions) => Promise<KeptPlan | Failure>

interface Kept {
  readonly status: SandboxStatus
  readonly plan: KeptPlan
  /** Plans the same tier over other folders. */
  readonly again: PlanAgain
  readonly options: TierOptions
  readonly book: FolderBook
  /** Folder of the branches. */
  readonly root: string
}

/** On the disk whose size is limited, where disk.ts has mounted one. */
function branchesFolder(workspaceRoot: string, { limits, diskProblem }: TierOptions): string {
  const hasDisk = limits.disk !== 'folder' && limits.disk_mb !== null && limits.tier !== 'micro_vm' && diskProblem === null
  return join(workspaceRoot, ...(hasDisk ? ['disk', 'mounted'] : []), 'branches')
}

/** Most workspaces have no branches: what keeps them is loaded with the first. */
function keepWithBranches({ status, plan, again, options, root, book }: Kept): Sandbox {
  const branches = once(async () =>
    (await import('./branches/keep-branches.ts')).keepBranches({
      folder: root,
      main: kept,
      status,
      options,
      plan: again,
      enters: plan.enters === true,
      tell: (text) => void (own.how = text),
    }),
  )
  const own = {
    how: plan.enters === true ? 'overlays' : 'copies',
    create: async (name, signal) => (await branches()).create(name, signal),
    changes: async (name, ignore, signal) => (await branches()).changes(name, ignore, signal),
    open: async (name) => (await branches()).open(name),
    rest: async (name) => (await branches.made())?.rest(name),
    drop: async (name) => (await branches()).drop(name),
    close: async () => (await branches.made())?.close(),
  } satisfies KeptBranches
  const kept = keepHands(status, plan, options.logger, { book, branches: own })
  return kept
}

/** Makes the folders of a workspace where they are missing. @returns their real paths. @throws a system error */
export async function prepareFolders(workspaceRoot: string): Promise<WorkspaceFolders> {
  const [shared, tmp, vault] = await Promise.all(
    ['shared', 'tmp', 'vault'].map(async (name) => {
      const folder = join(workspaceRoot, name)
      await mkdir(folder, { recursive: true })
      return realpath(folder)
    }),
  )
  return { shared: shared!, tmp: tmp!, vault: vault! }
}

/** The folder exists before hands do, so that what is put into it later can be seen. */
async function withSkills(cacheFolder: string): Promise<Pick<WorkspaceFolders, 'skills'>> {
  const folder = shownFolder(cacheFolder)
  await mkdir(folder, { recursive: true })
  return { skills: await realpath(folder) }
}

/** A micro VM has its own disk. @returns see TierOptions.diskProblem */
async function putDisk(workspaceRoot: string, limits: Config['sandbox']): Promise<string | null> {
  if (limits.disk === 'folder' || limits.disk_mb === null || limits.tier === 'micro_vm') return null
  return (await import('./disk.ts')).holdDisk(workspaceRoot, limits)
}

/** The configured tier is a minimum: lower ones are tried only where the configuration names the lowest. Highest first. */
function tiersToTry({ tier, allow_lower: lowest }: Config['sandbox']): readonly SandboxTier[] {
  if (lowest === '') return [tier]
  const from = sandboxTiers.indexOf(lowest)
  return sandboxTiers.slice(from, Math.max(from, sandboxTiers.indexOf(tier)) + 1).toReversed()
}

interface ProviderChoice {
  /** Absent: always. */
  readonly isFor?: (limits: Config['sandbox']) => boolean
  /** Loaded only when it is tried, so that providers of other tiers do not slow down a start. */
  readonly load: () => Promise<TierProvider>
}

/** The providers of each tier, in the order in which they are tried. */
const providers: Readonly<Record<SandboxTier, readonly ProviderChoice[]>> = {
  process: [
    { isFor: () => process.platform !== 'darwin', load: () => Promise.resolve(bubblewrapTier) },
    { isFor: () => process.platform === 'darwin', load: async () => (await import('./srt-tier.ts')).srtTier },
  ],
  container: [{ load: async () => (await import('./container/container-tier.ts')).containerTier }],
  micro_vm: [
    {
      isFor: ({ micro_vm: { provider } }) => provider !== 'microsandbox',
      load: async () => (await import('./micro-vm/qemu-tier.ts')).qemuTier,
    },
    {
      isFor: ({ micro_vm: { provider } }) => provider !== 'qemu',
      load: async () => (await import('./micro-vm/microsandbox-tier.ts')).microsandboxTier,
    },
  ],
}

/** @returns the plan of the first provider that has one; else the failure of the first provider, which is the one that docs describe */
async function planTier(tier: SandboxTier, options: TierOptions): Promise<TierPlan | Failure> {
  const failures: Failure[] = []
  for (const { isFor, load } of providers[tier]) {
    if (isFor?.(options.limits) === false) continue
    const plan = await (await load()).plan(options)
    if (isPlan(plan)) return plan
    failures.push(plan)
  }
  return failures[0]!
}

/** `--insecure`: file tools in a process without a sandbox, which maps `/shared` and `/tmp`. No commands. */
async function planInsecure({ folders, cacheFolder }: TierOptions): Promise<Pick<TierPlan, 'start' | 'close'>> {
  const [{ loadHandsProgram }, { startHands }, { keepFile }] = await Promise.all([
    import('./bubblewrap/hands-program.ts'),
    import('./hands/hands-process.ts'),
    import('./kept-files.ts'),
  ])
  return {
    async start() {
      const program = keepFile(join(cacheFolder, 'hands-insecure', 'hands.cjs'), await loadHandsProgram())
      // A separate process here too: a hostile pattern or a huge file cannot block the kernel.
      const args = [program, '--mapped', folders.shared, folders.tmp]
      return startHands({ file: process.execPath, args, cwd: folders.shared, data: [] }, () => Promise.resolve())
    },
    close: () => Promise.resolve(),
  }
}

const insecureStatus: Omit<SandboxStatus, 'asked'> = {
  tier: 'insecure',
  provider: '',
  files: true,
  shell: false,
  profiles: ['work'],
  problem: {
    code: 'sandbox_missing',
    message: 'Started with --insecure: file tools run without a sandbox, commands are off.',
    hint: 'Start without --insecure; oxbow doctor says what is missing for that.',
  },
  limits: [],
  degraded: ['everything: no sandbox; paths are checked, nothing else is limited'],
}

function statusOf(tier: SandboxTier, plan: TierPlan, { limits: { tier: asked } }: TierOptions, missing: Failure | null): SandboxStatus {
  const { provider, profiles, lacking, limits, degraded, shell = true } = plan
  const problem = missing === null ? null : { ...missing, message: `Weaker than asked for (${asked}): ${missing.message}` }
  const lacks = lacking !== undefined && { lacking }
  return { asked, tier, provider, files: true, shell, profiles, ...lacks, problem, limits, degraded }
}

function withoutHands(problem: Failure, asked: SandboxTier): Sandbox {
  return {
    status: { asked, tier: 'none', provider: '', files: false, shell: false, profiles: [], problem, limits: [], degraded: [] },
    hands: () => Promise.reject(toError(problem)),
    close: () => Promise.resolve(),
  }
}
