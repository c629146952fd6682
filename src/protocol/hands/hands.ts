/**
 * The port to the sandbox, and the requests that hands answer. Paths are the real paths inside: `/shared/…` or `/tmp/…`. The kernel treats
 * replies of hands as hostile input: they are parsed against limits before they are used.
 */
import type { Readable, Writable } from 'node:stream'
import type { z } from 'zod'
import type { Failure } from '../../base/index.ts'
import type { handsOperations } from './hands-operations.ts'

/**
 * What is visible in a sandbox, and so what hands in it can do. `work`: the workspace, no network. `online`: the same with the egress
 * proxy. `browser`: `/tmp` and the egress proxy. `vault-read`: the vault, read-only, and nothing else.
 */
export type Profile = 'work' | 'online' | 'browser' | 'vault-read'

/** Isolation of hands, weakest first. */
export type SandboxTier = 'process' | 'container' | 'micro_vm'
export const sandboxTiers: readonly SandboxTier[] = ['process', 'container', 'micro_vm']

type Operations = typeof handsOperations

/** Name of an operation of hands; `hands-operations.ts` has its request and reply. */
export type HandsOp = keyof Operations

/** Those that start a program, or talk with one. */
export const programOps: ReadonlySet<HandsOp> = new Set<HandsOp>(['exec', 'sessionOpen', 'sessionWrite', 'sessionRead'])

/** Those that change files. */
export const changeOps: ReadonlySet<HandsOp> = new Set<HandsOp>(['write', 'put', 'edit', 'patch', 'unpack', 'move', 'delete'])

/** Request and reply of each operation. */
export type HandsOps = {
  [Op in HandsOp]: { input: z.infer<Operations[Op]['input']>; output: z.infer<Operations[Op]['output']> }
}

export type ArchiveOps = Pick<HandsOps, 'archive' | 'unpack'>
export type SurveyOps = Pick<HandsOps, 'survey'>
export type SnapshotOps = Pick<HandsOps, 'snapshot' | 'collect'>
export type WatchOps = Pick<HandsOps, 'watch'>
export type CommandOps = Pick<HandsOps, 'exec' | 'execInputs' | 'execOutput' | 'fingerprint' | 'usage'>
/** The operations on shell sessions. */
export type SessionOps = Pick<HandsOps, Extract<HandsOp, `session${string}`>>
export type BrowserOps = Pick<HandsOps, Extract<HandsOp, `browser${string}`>>
export type FileOps = Omit<
  HandsOps,
  'shutdown' | keyof (ArchiveOps & SurveyOps & SnapshotOps & WatchOps & CommandOps & SessionOps & BrowserOps)
>

export type PatchedFile = HandsOps['patch']['output']['files'][number]
export type SnapshotEntry = HandsOps['snapshot']['output']['entries'][number]
export type SurveyedEntry = HandsOps['survey']['output']['entries'][number]
export type WatchedChange = HandsOps['watch']['output']['changes'][number]

export type SessionOutput = HandsOps['sessionRead']['output']
export type SessionEnd = HandsOps['sessionClose']['output']['ended']
export type SessionPrompt = NonNullable<SessionOutput['prompt']>
export type SessionEntry = HandsOps['sessionList']['output']['sessions'][number]
export type SessionSignal = HandsOps['sessionSignal']['input']['signal']
export type SessionKey = HandsOps['sessionWrite']['input']['keys'][number]

export type BrowserTab = Pick<HandsOps['browserOpen']['input'], 'profile' | 'owner' | 'tab'>
export type BrowserAction = HandsOps['browserAct']['input']['action']
export type BrowserView = HandsOps['browserOpen']['output']
export type BrowserDownload = HandsOps['browserDownloads']['output']['downloads'][number]

/** Functions that answer requests, by operation. */
export type HandlersOf<Ops extends Record<keyof Ops, { input: unknown; output: unknown }>> = {
  [Op in keyof Ops]: (input: Ops[Op]['input'], signal: AbortSignal) => Promise<Ops[Op]['output']>
}

export interface Hands {
  /**
   * @throws OxbowError with the code from hands (`not_found`, `path_refused`, `edit_mismatch`, …), `cancelled`, `timeout` or
   * `sandbox_failed`. On abort the process tree of the request has ended before this settles.
   */
  ask<Op extends HandsOp>(
    op: Op,
    input: HandsOps[Op]['input'],
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<HandsOps[Op]['output']>
}

/** How hands are isolated, and what is missing. Shown by the status line, sent in `hello_ack`, and recorded. */
/** Why a sandbox does not have a profile. */
export interface Lack {
  /** Continues `browser.open needs a browser, which`. */
  readonly why: string
  /** What the person can do about it. */
  readonly hint: string
}

export type Lacking = Readonly<Partial<Record<Profile, Lack>>>

export interface SandboxStatus {
  /** The configured minimum. */
  readonly asked: SandboxTier
  readonly tier: SandboxTier | 'insecure' | 'none'
  /** The tier's provider: `bubblewrap`, `podman with runc`, `QEMU, emulated`. Empty without a provider. */
  readonly provider: string
  readonly files: boolean
  readonly shell: boolean
  /** The available profiles. */
  readonly profiles: readonly Profile[]
  /** Why it does not have one of the others. Absent: nothing more is known. */
  readonly lacking?: Lacking
  /** Why something is off, and what to install; null if everything is on. */
  readonly problem: Failure | null
  /** Limits in force, e.g. `memory: 1024 MB for all together`. */
  readonly limits: readonly string[]
  /** Limits that could not be enforced, e.g. `memory: no writable cgroup`. */
  readonly degraded: readonly string[]
}

/** Hosts of plugins; see `src/plugin-host/`. */
export type OwnProgram = 'plugin-host' | 'eliza-host'

/**
 * A program that speaks a protocol over its standard streams. It sees the system, its own program folder, a `/tmp` of its own in memory and
 * the folders that are named; no other part of the workspace, and no network unless it has a pass.
 */
export interface ServerProgram {
  /** A program of Oxbow's own that runs instead of `command`, in Node, with `args`; absent: none. */
  readonly own?: OwnProgram | undefined
  /** Absolute folder of the host that only this program has, shown writable at `/data`; absent: none. */
  readonly state?: string | undefined
  /** The largest file that it may write; absent, or more than `sandbox.max_file_mb`: that. */
  readonly maxFileMb?: number | undefined
  /** A program of the system or an absolute path inside; `node` is Oxbow's own. */
  readonly command: string
  readonly args: readonly string[]
  /** Its whole environment, except `PATH`, `HOME` and the proxy. */
  readonly env: Readonly<Record<string, string>>
  /** Absolute folder of the host, shown read-only at `/opt/server`; empty: none. */
  readonly programFolder: string
  /** Where the program folder is shown instead. */
  readonly programAt?: string
  /** Folder in which it starts; `/tmp` when absent. */
  readonly cwd?: string
  /** `/shared`, or `/shared/NAME` for a folder of the person. `/shared` does not include these. */
  readonly folders: readonly { readonly path: string; readonly writable: boolean }[]
  /** For the egress proxy; null: no network. */
  readonly pass: string | null
}

export interface ServerProcess {
  readonly input: Writable
  /** Paused. */
  readonly output: Readable
  readonly errors: Readable
  /** Resolves when the program has ended, however it did. Never rejects. */
  readonly exited: Promise<void>
  /** It runs in an emulated machine, where a start takes seconds. */
  readonly isSlow?: boolean
  /** After its end; null: a signal ended it. Absent where it is not known. */
  readonly exitCode?: () => number | null
  /** Resolves when all of its processes have ended. Never rejects. */
  kill(): Promise<void>
}

/** How a branch has its files. */
export interface BranchFiles {
  /** `overlay`: files that it has not changed are the workspace's own. */
  readonly kind: 'overlay' | 'copy'
  /** Why it is a copy; empty for an overlay. */
  readonly why: string
}

/** `new_folder`: nothing of what was in the folder is there. */
export interface BranchChange {
  readonly path: string
  readonly state: 'file' | 'gone' | 'folder' | 'new_folder'
}

/**
 * Branches of files: each has a sandbox of its own that sees it as `/shared`, with the folders of the person; read-only ones are shown as
 * they are. `isBranchName` checks names.
 */
export interface SandboxBranches {
  /**
   * Makes a branch of what is in the workspace now: an overlay, else a copy. Safe to repeat: a branch that exists stays.
   * @throws OxbowError `sandbox_failed`, `limit_reached`, `bad_input` for the name
   */
  create(name: string, signal: AbortSignal): Promise<BranchFiles>
  /**
   * What an overlay has changed since it was made, or perhaps changed; a content may be as it was. Paths are from `/shared`, folders
   * before what is in them. Null for a copy: all of it has to be looked at.
   * @param ignore names of files and folders that are left out, as `fitsAnyName` takes them
   * @throws OxbowError `not_found`, `sandbox_failed`
   */
  changes(name: string, ignore: readonly string[], signal: AbortSignal): Promise<readonly BranchChange[] | null>
  /** The profiles `work` and `online` and its servers see the copy; other profiles see the workspace. @throws OxbowError `not_found` */
  open(name: string): Promise<Sandbox>
  /** Ends every process of the branch and keeps its files. */
  rest(name: string): Promise<void>
  /** Ends every process of the branch and removes its files. Safe to repeat. */
  drop(name: string): Promise<void>
}

/** Where the hands of a branch of files are to start, and what they are to see. */
export interface ElsewhereRequest {
  /** Name of the branch. */
  readonly branch: string
  /** All that the node has to offer; none: any node. */
  readonly labels: readonly string[]
  /** The version that they see. */
  readonly version: string
  /** Puts the files of the version there, where the node has no file of it. */
  fill(sandbox: Pick<Sandbox, 'hands'>): Promise<void>
  readonly signal: AbortSignal
}

/** A branch of files on another node, over a version that was brought there. It ends with `close`, or with the node. */
export interface FarBranch {
  readonly node: string
  /** Has the profile `work`, and `online` where the node has it; programs of that use the passes of the requests that start them. */
  readonly sandbox: Sandbox
  /** As `SandboxBranches.changes`, over the version. */
  changes(ignore: readonly string[], signal: AbortSignal): Promise<readonly BranchChange[] | null>
  /** Asks the node. False: it is lost, with all that was not brought back, and whether a request was done is not known. */
  isThere(): Promise<boolean>
  /** Ends its processes and removes its files there. Never rejects. */
  close(): Promise<void>
}

/** Starts hands on other nodes of a cluster. */
export interface HandsElsewhere {
  /** @throws OxbowError `sandbox_missing` where no node has room, `sandbox_failed` for a node that does not do as it should */
  open(request: ElsewhereRequest): Promise<FarBranch>
  /** Ends all that it has started. */
  close(): Promise<void>
}

/** Digits of a content's hash: 48 bits distinguish any two contents of one file, and cost a model few tokens. */
export const hashDigits = 12

/** @param patterns names of files and folders, as `versions.ignore` has them; `*` is any text @returns whether one of them fits a name */
export function fitsAnyName(patterns: readonly string[]): (name: string) => boolean {
  const sources = patterns.map((pattern) => pattern.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*'))
  const whole = new RegExp(`^(?:${sources.join('|') || '(?!)'})$`, 's')
  return (name) => whole.test(name)
}

/** @returns whether a folder of this name is a repository, in every spelling that git refuses in a tree */
export function isRepositoryName(name: string): boolean {
  return /^(?:\.git|git~1)$/i.test(name)
}

/** @returns whether it can be the name of a branch: a plain name, or the id of a call */
export function isBranchName(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9_-]|\.(?=[a-z0-9])){0,99}$/i.test(name)
}

/** A folder of the person in which agents may work, at `/shared/NAME`. */
export interface HostFolder {
  readonly name: string
  /** Absolute, without links. */
  readonly path: string
  readonly readOnly: boolean
  /** The space of the person that shares it; absent: it is their own folder. */
  readonly space?: string
}

export interface ShownFolder extends HostFolder {
  /** Why agents do not see it, as the end of a sentence about its path; empty if they do. */
  readonly problem: string
}

/** The folders of the person that a sandbox shows at `/shared/NAME`. */
export interface SandboxFolders {
  list(): readonly ShownFolder[]
  /**
   * Shows these folders and no others, to every program that is started from now on. What runs is ended if it sees a folder that is taken
   * away or becomes read-only; otherwise it goes on, and requests that follow are answered by hands that see the new folders.
   * @throws OxbowError `workspace_busy` if a shell or job runs that would not see a new folder; `bad_config`. Nothing changes then.
   */
  show(folders: readonly HostFolder[]): Promise<readonly ShownFolder[]>
}

export interface Sandbox {
  readonly status: SandboxStatus
  /** Starts hands of a profile on first need and keeps them. @throws OxbowError `sandbox_missing`. */
  hands(profile: Profile): Promise<Hands>
  /**
   * Starts a program in a sandbox of its own, the profile `server`; absent where the tier has none.
   * @throws OxbowError `sandbox_missing`, `sandbox_failed`, `bad_config` for a folder that does not exist
   */
  readonly serve?: (program: ServerProgram) => Promise<ServerProcess>
  /**
   * The text of `package-lock.json` in a program folder, empty without one; absent where this process can read it itself.
   * @throws OxbowError `denied` for a folder that programs may not be started from
   */
  readonly lockOf?: (programFolder: string) => Promise<string>
  /** Absent where folders of the person cannot be shown, and in a branch. */
  readonly folders?: SandboxFolders
  /** Absent in a branch. */
  readonly branches?: SandboxBranches
  /** Absent outside of a cluster, and in a branch. */
  readonly elsewhere?: HandsElsewhere
  /** Ends every process of the sandbox. */
  close(): Promise<void>
}

/** Uid and gid of hands when the kernel runs as root: outside the ranges of people, system accounts and containers. */
export const sandboxUid = 60_999
