/** What each tier brings: how to find out whether this machine has it, and how to start hands in it. */
import type { Failure } from '../base/index.ts'
import type { Lack, Lacking, OwnProgram, Profile, SandboxTier, ServerProcess, ServerProgram } from '../protocol/index.ts'
import type { Config } from '../config/index.ts'
import type { HandsProcess } from './hands/hands-process.ts'

export { sandboxUid } from '../protocol/index.ts'

// Paths inside, the same in every tier that has its own root.
export const insideNode = '/opt/oxbow/node'
/** The hands program. */
export const insideProgram = '/opt/oxbow/hands.cjs'
/** Where hands with a way out find the egress proxy. */
export const insideEgressSocket = '/run/oxbow/egress.sock'

/** Hands do little in JavaScript: fewer threads leave more of the process limit to commands, and a small young heap stays small. */
export const nodeFlags: readonly string[] = ['--v8-pool-size=1', '--max-semi-space-size=1']

/** The folders of a workspace that a sandbox may see; real paths on the host. */
export interface WorkspaceFolders {
  readonly shared: string
  readonly tmp: string
  readonly vault: string
  /** Shown read-only at `/skills`; see shown-skills.ts. */
  readonly skills?: string
  /** Folders of the person, at `/shared/NAME`. They may change between two starts. */
  readonly mounts?: readonly FolderMount[]
}

/** A folder or file of the host and its path inside; both absolute. */
export interface FolderMount {
  readonly host: string
  readonly inside: string
  readonly writable: boolean
  /** Parts of it with rules of their own; see git-guard.ts. */
  readonly guarded?: readonly GuardedPath[]
}

/** A path below a folder: real folders all the way, with a file or a folder at its end. */
export interface GuardedPath {
  readonly path: string
  readonly writable: boolean
}

/** Where a server's program folder is shown. */
export const insideServer = '/opt/server'
/** Where a server finds its own folder. */
export const insideState = '/data'
/** Path of one of Oxbow's own programs that servers run. */
export const insideOwn = (name: OwnProgram): string => `/opt/oxbow/${name}.cjs`

export type OnlineProfile = 'online' | 'browser'
/** @param branch of files that it is for; absent: the workspace */
export type EgressSocket = (profile: OnlineProfile, branch?: string) => Promise<string>

export interface TierOptions {
  readonly folders: WorkspaceFolders
  readonly limits: Config['sandbox']
  /** Why `sandbox.disk` is not there; null when it is, or was not asked for. */
  readonly diskProblem: string | null
  readonly browser: Config['browser']
  /**
   * Socket of the egress proxy on the host, which profiles `online` and `browser` get to see; it listens from their first start
   * on, one for each of the two. Absent: nothing in the sandbox has a way out, and there are no such profiles.
   *
   * What a tier does with it: shows the socket at a fixed path inside, so that it can be connected to and not replaced; starts
   * hands with `--relay <that path>`, which makes it an HTTP proxy at 127.0.0.1:8118 there; gives no other network but a loopback
   * interface. Only `sandboxUid` (or, without root, the kernel's own uid) and root may open it. What bytes arrive there is
   * judged outside: a tier that has no sockets to show may carry them in any other way.
   */
  readonly egressSocket?: EgressSocket
  /** Branches are gone when this process ends: their overlays need not wait for the disk, and each is opened once. */
  readonly branchesPass?: boolean
  /** Where the programs of the tier are looked for. */
  readonly searchPath: string
  /** Folder on the host for what the tier keeps of this workspace: profiles of browsers, the disk of a machine. Nobody else may write there. */
  readonly cacheFolder: string
  /** Folder on the host for what all workspaces share: images of machines, and snapshots of them. */
  readonly imageFolder: string
  readonly logger: (message: string) => void
  /** A command behind these words runs where the folders are mounted; absent: they are there for everybody. See branches/overlay.ts. */
  readonly enter?: readonly string[]
}

/** A tier that this machine seems to have. Whether it works is known when hands have greeted. */
export interface TierPlan {
  readonly provider: string
  readonly profiles: readonly Profile[]
  /** Why it does not have one of the others. */
  readonly lacking?: Lacking
  readonly limits: readonly string[]
  readonly degraded: readonly string[]
  /** Which folders of the person can be shown: all, or those that agents may change; absent: none. */
  readonly mounts?: true | 'writable'
  /** Whether it starts hands behind `TierOptions.enter`. */
  readonly enters?: boolean
  /** False where nothing could end all that a command has started: then there are file calls only. */
  readonly shell?: boolean
  /** Each start is a new process over the same folders. @throws OxbowError `sandbox_missing`, `sandbox_failed` */
  start(profile: Profile): Promise<HandsProcess>
  /** See `Sandbox.serve`. */
  readonly serve?: (program: ServerProgram) => Promise<ServerProcess>
  /** Ends what outlives single hands: a pool, a container of the user. */
  close(): Promise<void>
}

/** Of every provider of micro VMs. */
export const noBrowserInVm: Lack = {
  why: 'the tier micro_vm does not have',
  hint: 'Set sandbox.tier = "process", or "container" with an image that has one: oxbow image build --with browser',
}

export interface TierProvider {
  readonly tier: SandboxTier
  /** Quick: looks at what is installed, starts nothing that stays. @returns the plan, or why the tier is missing and what to install */
  plan(options: TierOptions): Promise<TierPlan | Failure>
}

export function isPlan(plan: TierPlan | Failure): plan is TierPlan {
  return 'start' in plan
}
