/**
 * What a runner and its guest say to each other over the guest's stdin and stdout. The runner writes one envelope line and
 * keeps stdin open; its end means stop. A serving guest answers with report lines; one that was asked a question with one JSON
 * document a line and, when it fails, a `fatal` report.
 */
import { z } from 'zod'
import type { Config } from './config.ts'
import type { Failure } from './error.ts'
import type { SandboxStatus } from './hands.ts'
import type { HeadSeal, RestoreFact } from './head-chain.ts'
import type { UserId } from './id.ts'
import type { ChainHead } from './record.ts'
import type { Json } from './text.ts'

export interface GuestEnvelope {
  readonly user: UserId
  /** Folder that holds `shared`, `tmp`, `vault`, `internal`, `ipc` and `logs`; all exist. */
  readonly workspaceRoot: string
  readonly config: Config
  /** Folder of what goes over the package's catalog of models: `overlay.json` and `refreshed.jsonl`, where they exist. Unset: there are none. */
  readonly catalogFolder?: string
  readonly insecure: boolean
  /** The guest is isolated itself: its runner does for it what needs the host. Unset: it has the host. */
  readonly isolation?: GuestIsolation
  readonly version: string
  /** The few environment variables that the configuration names, e.g. the model key. Nothing else of the host's environment is sent. */
  readonly keys: Readonly<Record<string, string>>
  /** What it is started for; absent: to serve. */
  readonly question?: GuestQuestion
  /** Keys of the file and of secrets at rest, 64 hexadecimal digits each: the one in use, and the next one while it is changed. */
  readonly masterKeys?: readonly string[]
  /** Variables that the configuration names: a secret of such a name goes into `keys` where the variable is not set. */
  readonly wantedKeys?: readonly string[]
  /** Secrets in whose place a variable is used, by name: not asked with, and still scrubbed from whatever leaves. */
  readonly unusedSecrets?: Readonly<Record<string, string>>
}

/** Variables of the host by which container engines find their service, storage and configuration. None holds a secret. */
export const engineVariables = [
  'XDG_RUNTIME_DIR',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'DBUS_SESSION_BUS_ADDRESS',
  'CONTAINERS_CONF',
  'CONTAINERS_STORAGE_CONF',
  'DOCKER_HOST',
  'DOCKER_CONTEXT',
  'DOCKER_CONFIG',
] as const

/** What a guest program is asked that does not serve, but answers and ends. */
export type GuestQuestion =
  | { readonly command: 'audit-verify'; /** Null: the journal is checked by itself. */ readonly seal: HeadSeal | null }
  /** Of a session the beginning of its id is enough. */
  | { readonly command: 'audit-show'; readonly session?: string; readonly after?: number; readonly limit?: number }
  | { readonly command: 'audit-recording'; readonly session: string }
  | { readonly command: 'calls' }
  | { readonly command: 'catalog'; readonly catalog: CatalogQuestion }
  | { readonly command: 'doctor' }
  | { readonly command: 'wasm-run'; readonly tool: ToolQuestion }
  | { readonly command: 'image-build'; readonly image: ImageQuestion }
  | { readonly command: 'store'; readonly store: StoreQuestion }
  | { readonly command: 'keys'; readonly keys: KeyQuestion }

/**
 * Where an isolated guest finds its runner. It has no network and can start nothing: `folder` holds a socket for each profile of
 * the sandbox (`hands-<profile>.sock`), and the guest makes `gateway.sock` there itself.
 */
export interface GuestIsolation {
  readonly folder: string
  /** Socket of a proxy to the web, and of one to model services. */
  readonly webSocket: string
  readonly modelSocket: string
  /** What the sandbox behind the sockets is. */
  readonly sandbox: SandboxStatus
  /** Address at which the runner takes terminals and passes them on, and the runner's process. */
  readonly url: string
  readonly pid: number
  /** Where the guest puts a proxy for models on its own loopback; its environment names it. */
  readonly proxyPort: number
}

/** What a person asks about models: `show` takes `provider/model`, `models` an id of a provider or nothing for all. */
export type CatalogQuestion =
  | { readonly ask: 'models'; readonly provider: string; readonly discover: boolean }
  | { readonly ask: 'show'; readonly model: string }
  | { readonly ask: 'verify' }
  | { readonly ask: 'refresh'; readonly url: string }

/** An image to make for the container tier, or with `vm` for the micro-VM tier; `engine` goes over the configuration's. */
export interface ImageQuestion {
  readonly extras: readonly ImageExtra[]
  readonly engine?: 'podman' | 'docker'
  /** `kernel` is the file of a kernel package of Debian; empty: the one that is kept, or else the newest is downloaded. */
  readonly vm?: { readonly kernel: string }
}

export type ImageExtra = 'ripgrep' | 'git' | 'python' | 'bash' | 'browser'
export const imageExtras: readonly ImageExtra[] = ['ripgrep', 'git', 'python', 'bash', 'browser']

export interface ImageReport {
  readonly engine: string
  readonly image: string
  /** What it was made of; null when the engine had it already. */
  readonly made: { readonly files: number; readonly bytes: number } | null
  /** How many older images of this installation it replaced and removed. */
  readonly removed: number
  /** Short ids of images that other versions of Oxbow made; they are kept. */
  readonly others: readonly string[]
  readonly ms: number
}

/** A tool to run once: a module or a JavaScript file, with folders of the person who asks. Paths are absolute. */
export interface ToolQuestion {
  readonly file: string
  readonly mounts: readonly { readonly folder: string; readonly mode: 'ro' | 'rw' }[]
  /** Which export to call with JSON; a module without one is run as a command. */
  readonly function?: string
  readonly input: Json
  readonly limits: { readonly timeoutMs?: number; readonly memoryMb?: number }
}

/** What came of it; the changes are written. */
export interface ToolReport {
  readonly kind: 'wasi' | 'abi' | 'js'
  /** Null when it ran to its end, whatever its exit code. */
  readonly failure: Failure | null
  readonly exitCode: number | null
  readonly output: Json
  readonly stdout: { readonly text: string; readonly droppedBytes: number }
  readonly stderr: { readonly text: string; readonly droppedBytes: number }
  readonly changes: readonly { readonly kind: string; readonly path: string; readonly bytes: number }[]
  /** Links and the like, which no tool is given. */
  readonly leftOut: readonly string[]
  readonly ms: number
}

export type GuestReport =
  | { readonly type: 'ready'; readonly url: string; readonly pid: number }
  | ({ readonly type: 'head' } & ChainHead)
  /** A restore is about to replace the journal; the guest waits for a line that says the runner has signed it. */
  | ({ readonly type: 'restoring' } & Pick<RestoreFact, 'call' | 'from'> & { readonly to: ChainHead })
  /** The guest's last word, a failure. Its code may be one of another version. */
  | { readonly type: 'fatal'; readonly code: string; readonly message: string; readonly hint: string }

const chainHead = { seq: z.int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) }

/** A guest may have been taken over, and whatever runs in it can write lines: what is no report is passed over. */
export const guestReportSchema: z.ZodType<GuestReport> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), url: z.string(), pid: z.int() }),
  z.object({ type: z.literal('head'), ...chainHead }),
  z.object({ type: z.literal('restoring'), call: z.uuid(), from: z.object(chainHead), to: z.object(chainHead) }),
  z.object({ type: z.literal('fatal'), code: z.string(), message: z.string(), hint: z.string() }),
])

/** What `oxbow secret`, and `oxbow store encrypt|decrypt|rekey`, ask of a guest program that does nothing else, and its answers. */

export type KeyQuestion =
  | { readonly ask: 'set'; readonly name: string; readonly value: string }
  | { readonly ask: 'list' }
  | { readonly ask: 'remove'; readonly name: string }
  /** Seals every secret under a new data key. */
  | { readonly ask: 'rotate_data' }
  /** From the first of the master keys to the last: wraps the data keys anew, and encrypts the file anew when it is encrypted. */
  | { readonly ask: 'change_master' }
  | { readonly ask: 'encrypt' }
  | { readonly ask: 'decrypt' }

export interface KeyReport {
  /** Secrets by name, when they were asked for. */
  readonly secrets: readonly { readonly name: string; readonly updatedAt: number }[]
  /** Secrets or data keys that were changed. */
  readonly changed: number
  readonly encrypted: boolean
}

/** What `oxbow store` asks a guest program that does nothing else, and what it is answered with: progress lines, then a report. */

export type StoreQuestion =
  | { readonly ask: 'status' }
  | { readonly ask: 'migrate'; readonly to?: number; readonly dryRun: boolean; readonly withoutCopy: boolean }
  /** `path` is absolute; empty: a file of its own in the folder of backups. */
  | { readonly ask: 'backup'; readonly path: string; readonly keep?: number; readonly files?: FileKeys }
  /** `by`: account of the person who asks. With `preview` nothing is changed. */
  | {
      readonly ask: 'restore'
      readonly path: string
      readonly replace: boolean
      readonly by: string
      readonly files?: FileKeys
      readonly preview?: boolean
    }
  | { readonly ask: 'verify' }
  | { readonly ask: 'vacuum' }
  /** `to`: an address of Postgres, which may hold a password, or `file`: the file in the workspace. */
  | { readonly ask: 'move'; readonly to: string; readonly replace?: boolean }

/** What a backup needs for the files of a workspace; without it, it has the database alone. */
export interface FileKeys {
  /** Key material of the installation, 64 hexadecimal digits each, and the file that it comes from. Files are sealed by the first. */
  readonly keys: readonly { readonly key: string; readonly file: string }[]
  /** The configuration of all users. */
  readonly homeConfig: string
}

/** One step of longer work. `total` is 0 where nobody knows. */
export interface StoreProgress {
  readonly progress: string
  readonly done: number
  readonly total: number
}

export interface StoreStatus {
  readonly where: string
  readonly dialect: 'sqlite' | 'postgres'
  /** Version of its tables, and the newest that this program knows. */
  readonly version: number
  readonly newest: number
  readonly state: string
  /** Steps that have not run. */
  readonly pending: readonly string[]
  /** Bytes that it takes, as far as it can tell. */
  readonly bytes: number
  readonly head: { readonly seq: number; readonly hash: string }
  /** Rows of the user, by table. */
  readonly rows: Readonly<Record<string, number>>
  /** How vectors are looked through in Postgres, for a person; empty where there is nothing to say. */
  readonly vectors: string
  /** Copies that were made before steps and restores, and backups in their folder. */
  readonly copies: readonly { readonly path: string; readonly bytes: number }[]
}

export interface MigrateReport {
  readonly from: number
  readonly to: number
  readonly steps: readonly string[]
  readonly copy: string | null
  readonly dryRun: boolean
}

export interface BackupManifest {
  /** The first format has the database alone. */
  readonly format: 'oxbow.backup.1' | 'oxbow.backup.2'
  readonly user: string
  /** Version of the tables. */
  readonly schema: number
  readonly head: { readonly seq: number; readonly hash: string }
  readonly rows: Readonly<Record<string, number>>
  /** Unix milliseconds. */
  readonly madeAt: number
  /** Of the database in the file, without the manifest: its length, and its BLAKE3 in lower-case hex. */
  readonly bytes: number
  readonly hash: string
  /** Archives of files behind the database, in this order. Absent: there are none. */
  readonly parts?: readonly BackupPart[]
  /** Names of the configuration's files in it. */
  readonly config?: readonly string[]
  /** The store that the configuration in it is for: `file`, or the address without its password. */
  readonly store?: string
}

export interface BackupPart {
  /** `private` has the vault and the configuration, and is always sealed. */
  readonly name: 'shared' | 'private'
  /** Length, and BLAKE3. */
  readonly bytes: number
  readonly hash: string
  /** The file of the key that seals it, and an id that binds its pieces; null: plain. */
  readonly sealed: { readonly id: string; readonly key: string } | null
  /** Files and bytes of their content; links; what was left out; and files that changed while they were read. */
  readonly files: number
  readonly contentBytes: number
  readonly links: number
  readonly skipped: number
  readonly changed: number
}

export interface BackupReport {
  readonly path: string
  readonly manifest: BackupManifest
  /** Older ones that `--keep` removed. */
  readonly removed: readonly string[]
}

export interface RestoreReport {
  readonly from: string
  readonly where: string
  readonly manifest: BackupManifest
  /** The newest record of the journal that was replaced; 0: there was none that could be read. */
  readonly cutBackFrom: number
  /** Where the store is that was there before; null when there was none. */
  readonly replaced: string | null
  /** Folders and files that were put in place, each with where the one before it is kept; null: there was none. */
  readonly files: readonly { readonly path: string; readonly kept: string | null }[]
}

/** What a restore would change. */
export interface RestorePreview {
  readonly manifest: BackupManifest
  readonly where: string
  /** The newest record now, and whether there is anything. */
  readonly head: number
  readonly hasRows: boolean
  readonly files: readonly { readonly path: string; readonly change: 'new' | 'replaced' | 'beside' }[]
}

export interface StoreProblem {
  readonly what: string
  readonly todo: string
}

export interface StoreVerifyReport {
  readonly ok: boolean
  readonly where: string
  readonly checked: readonly string[]
  readonly problems: readonly StoreProblem[]
}

export interface VacuumReport {
  readonly where: string
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly ms: number
  /** What became of the index of vectors in Postgres, for a person; empty where there is nothing to say. */
  readonly vectors: string
}

export interface MoveReport {
  readonly from: string
  readonly to: string
  /** Rows by table, each verified by checksum on both sides. */
  readonly rows: Readonly<Record<string, number>>
  /** True when it went on from where another one stopped. */
  readonly resumed: boolean
  /** The line of configuration that makes Oxbow use it. */
  readonly configure: string
  /** Where a file is kept that was in the way; null: there was none. */
  readonly kept: string | null
  readonly ms: number
}

/** What `oxbow doctor` tells of one thing that it tried. */
export interface DoctorCheck {
  readonly name: string
  /** `weak`: it works, and something that was asked for is not in force. */
  readonly state: 'ok' | 'weak' | 'missing'
  /** What was seen, and what that means. One line. */
  readonly says: string
  /** What to do about it, as a command where there is one; '' where there is nothing to do. */
  readonly fix: string
  /** True for the tier of the configuration: without it there are no files and no commands. */
  readonly required: boolean
  readonly ms: number
}
