/**
 * The protocol between a runner and its guest, over the guest's stdin and stdout. The runner writes the envelope as one line and keeps
 * stdin open; when stdin ends, the guest stops. A serving guest writes report lines. A guest that was started with a question writes one
 * JSON document per line and, if it fails, a `fatal` report.
 */
import type { SharedBudgetChange } from './machine/config-cluster.ts'
import type { ChainHead, HeadSeal, HostedPlugin, HostFolder, RestoreFact, SandboxStatus } from '../protocol/index.ts'
import type { ImageQuestion } from './sandbox-image.ts'
import { z } from 'zod'
import type { Config } from './config.ts'
import type { Failure, Json, UserId } from '../base/index.ts'
import type { AppFacts } from './app.ts'
import { type HostQuestion, hostQuestionSchema, type HostState } from './settings.ts'

/**
 * A node's right to run a user's guest. Leases are ordered by `term`, then `epoch`: a newer one is larger. `term` tells when the place was made that
 * counts epochs, in unix milliseconds: where that was lost and made anew, its epochs begin again.
 */
export interface GuestLease {
  readonly term: number
  readonly epoch: number
  readonly node: string
  /** Address under which the door of the node leads to the guest. */
  readonly door?: string
  /** Socket at which the node is asked for hands on other nodes; absent: it gives none. */
  readonly hands?: string
}

export interface GuestEnvelope {
  readonly user: UserId
  /** Folder with `shared`, `tmp`, `vault`, `internal`, `ipc` and `logs`, which all exist. */
  readonly workspaceRoot: string
  readonly config: Config
  /** Folder with `overlay.json` and `refreshed.jsonl`, which override the package's model catalog; either may be missing. */
  readonly catalogFolder?: string
  readonly insecure: boolean
  /** Set if the guest belongs to a cluster. */
  readonly lease?: GuestLease
  /** Folders of the person, mounted in /shared. */
  readonly folders?: readonly HostFolder[]
  /** Installed plugins that are enabled, in the order in which they are loaded. */
  readonly plugins?: readonly HostedPlugin[]
  /** Set if the guest itself is isolated and its runner does for it what needs the host. */
  readonly isolation?: GuestIsolation
  /** Set if the program that starts the guest has tools of its own, or is the model. */
  readonly app?: AppFacts
  readonly version: string
  /** Environment variables that the configuration names, e.g. the model key. The guest gets no others. */
  readonly keys: Readonly<Record<string, string>>
  /** Variables `OTEL_*` of the host; absent unless telemetry is switched on. */
  readonly collector?: Readonly<Record<string, string>>
  /** The question to answer; absent if the guest is to serve. */
  readonly question?: GuestQuestion
  /** Keys for the database file and stored secrets, 64 hexadecimal digits each: the current one, and the next one during a change. */
  readonly masterKeys?: readonly string[]
  /** Variables that the configuration names. If one is not set, a stored secret of that name is used for `keys`. */
  readonly wantedKeys?: readonly string[]
  /** Other stored secrets by name, and those that a variable overrides: handles replace them in everything that leaves the guest. */
  readonly unusedSecrets?: Readonly<Record<string, string>>
}

/** A question to a guest that does not serve, but answers it and exits. */
export type GuestQuestion =
  /** Without a seal, the journal is checked without signed heads; `host`: compared with what it has of it. */
  | { readonly command: 'audit-verify'; readonly seal: HeadSeal | null; readonly host: HostState | null }
  /** `session` may be the beginning of an id. */
  | { readonly command: 'audit-show'; readonly session?: string; readonly after?: number; readonly limit?: number }
  | { readonly command: 'audit-recording'; readonly session: string }
  /** Every record after this one, with the contents of blobs. */
  | { readonly command: 'audit-export'; readonly after: number; /** Absent: up to the newest. */ readonly upto?: number }
  /** Spans of the turns that have ended behind this record, as requests of OTLP; `content`: with what was said. */
  | { readonly command: 'audit-traces'; readonly after: number; readonly content: boolean }
  | { readonly command: 'calls' }
  | { readonly command: 'catalog'; readonly catalog: CatalogQuestion }
  | { readonly command: 'doctor' }
  /** Fails with what a guest would not start with this configuration for; a missing key does not count. */
  | { readonly command: 'config-check' }
  | { readonly command: 'wasm-run'; readonly tool: ToolQuestion }
  | { readonly command: 'images'; readonly images: ImageQuestion }
  | { readonly command: 'store'; readonly store: StoreQuestion }
  | { readonly command: 'keys'; readonly keys: KeyQuestion }

/**
 * How an isolated guest, which has no network and cannot start programs, reaches its runner. `folder` holds a socket for each profile of
 * the sandbox (`hands-<profile>.sock`); the guest creates `gateway.sock` there.
 */
export interface GuestIsolation {
  readonly folder: string
  /** Sockets of a proxy to the web and of one to model services. */
  readonly webSocket: string
  readonly modelSocket: string
  /** The sandbox behind the sockets. */
  readonly sandbox: SandboxStatus
  /** URL at which the runner accepts terminals on the guest's behalf, and the runner's process id. */
  readonly url: string
  readonly pid: number
  /** No hands need to start to look for secrets in the vault. */
  readonly isVaultEmpty: boolean
  /** Loopback port of the guest's own proxy to model services, which its environment variables name. */
  readonly proxyPort: number
}

/** A question about the model catalog. `show` takes `provider/model`; `models` takes a provider's id, or an empty string for all. */
export type CatalogQuestion =
  | { readonly ask: 'models'; readonly provider: string; readonly discover: boolean }
  | { readonly ask: 'show'; readonly model: string }
  /** What a service at any address offers, and the size of one of its models: see `AddressModels`. */
  | { readonly ask: 'address'; readonly baseUrl: string; readonly model: string; readonly key?: string }
  /** Which models a service at an address of the person's own offers: see `ServedModels`. */
  | { readonly ask: 'served'; readonly provider: string }
  | { readonly ask: 'verify' }
  | { readonly ask: 'refresh'; readonly url: string }

/** A tool to run once: a WebAssembly module or JavaScript file, with folders of the person to mount. Paths are absolute. */
export interface ToolQuestion {
  readonly file: string
  readonly mounts: readonly { readonly folder: string; readonly mode: 'ro' | 'rw' }[]
  /** The export to call with JSON; without it, the module runs as a command. */
  readonly function?: string
  readonly input: Json
  readonly limits: { readonly timeoutMs?: number; readonly memoryMb?: number }
}

/** The result of a tool's run. The changes were written to the mounted folders. */
export interface ToolReport {
  readonly kind: 'wasi' | 'abi' | 'js'
  /** Null if the tool ran to its end, with any exit code. */
  readonly failure: Failure | null
  readonly exitCode: number | null
  readonly output: Json
  readonly stdout: { readonly text: string; readonly droppedBytes: number }
  readonly stderr: { readonly text: string; readonly droppedBytes: number }
  readonly changes: readonly { readonly kind: string; readonly path: string; readonly bytes: number }[]
  /** Links and special files, which tools do not get. */
  readonly leftOut: readonly string[]
  readonly ms: number
}

/** A line that a serving guest writes to its runner. */
export type GuestReport =
  | { readonly type: 'ready'; readonly url: string; readonly pid: number }
  | ({ readonly type: 'head' } & ChainHead)
  /** A restore is about to replace the journal. The guest waits until a line from the runner says that it signed this. */
  | ({ readonly type: 'restoring' } & Pick<RestoreFact, 'call' | 'from'> & { readonly to: ChainHead })
  /** The guest has restarted with the newest envelope that it asked for. */
  | { readonly type: 'renewed' }
  /** It was told to settle: no call of its turns runs, and none begins. */
  | { readonly type: 'settled' }
  /** A question of a serving guest; the runner writes a `HostReply` with the same id. */
  | { readonly type: 'ask'; readonly id: number; readonly question: HostQuestion }
  /** The guest failed; no report follows. The code may be from another version. */
  | { readonly type: 'fatal'; readonly code: string; readonly message: string; readonly hint: string }

const chainHead = { seq: z.int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) }

/** Validates untrusted lines: the guest may be compromised. Lines that are not reports are ignored. */
export const guestReportSchema: z.ZodType<GuestReport> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), url: z.string(), pid: z.int() }),
  z.object({ type: z.literal('head'), ...chainHead }),
  z.object({ type: z.literal('restoring'), call: z.uuid(), from: z.object(chainHead), to: z.object(chainHead) }),
  z.object({ type: z.literal('renewed') }),
  z.object({ type: z.literal('settled') }),
  z.object({ type: z.literal('ask'), id: z.int().nonnegative(), question: hostQuestionSchema }),
  z.object({ type: z.literal('fatal'), code: z.string(), message: z.string(), hint: z.string() }),
])

/** Questions of `oxbow secret` and of `oxbow store encrypt|decrypt|rekey`. */
export type KeyQuestion =
  | { readonly ask: 'set'; readonly name: string; readonly value: string }
  | { readonly ask: 'list' }
  | { readonly ask: 'remove'; readonly name: string }
  /** Encrypts every secret with a new data key. */
  | { readonly ask: 'rotate_data' }
  /** Changes from the first master key to the last: rewraps the data keys and, if the database file is encrypted, re-encrypts it. */
  | { readonly ask: 'change_master' }
  | { readonly ask: 'encrypt' }
  | { readonly ask: 'decrypt' }

export interface KeyReport {
  /** The secrets, for `list`. */
  readonly secrets: readonly { readonly name: string; readonly updatedAt: number }[]
  /** Number of secrets or data keys that were changed. */
  readonly changed: number
  readonly encrypted: boolean
}

/** Questions of `oxbow store`, answered by progress lines and then a report. */
export type StoreQuestion =
  | { readonly ask: 'status' }
  | { readonly ask: 'migrate'; readonly to?: number; readonly dryRun: boolean; readonly withoutCopy: boolean }
  /** `path` is absolute; empty: a new file in the folder of backups. `preview` writes and removes nothing. */
  | { readonly ask: 'backup'; readonly path: string; readonly keep?: number; readonly files?: FileKeys; readonly preview?: boolean }
  /** `by` is the account of the person. `preview` changes nothing. */
  | {
      readonly ask: 'restore'
      readonly path: string
      readonly replace: boolean
      readonly by: string
      /** Also proves who has made the backup. */
      readonly files?: FileKeys
      /** Leaves files and configuration as they are, whatever `files` opens. */
      readonly databaseOnly?: boolean
      /** Restores a backup whose journal does not verify; what is wrong is recorded with the restore. */
      readonly acceptDamage?: boolean
      readonly preview?: boolean
      /** Does all that can be refused, also the unpacking of files, and replaces nothing. */
      readonly rehearse?: boolean
    }
  | { readonly ask: 'verify' }
  | { readonly ask: 'vacuum' }
  /** `to` is a Postgres URL, which may contain a password, or `file` for the file in the workspace. */
  | { readonly ask: 'move'; readonly to: string; readonly replace?: boolean }
  /** Budgets that users of a cluster share. Absent: lists them. */
  | { readonly ask: 'shared_budgets'; readonly change?: SharedBudgetChange }

/** What a backup needs to include the files of a workspace; without it, it has only the database. */
export interface FileKeys {
  /** Keys of the installation, 64 hexadecimal digits each, and the files that they come from. Files are encrypted with the first. */
  readonly keys: readonly { readonly key: string; readonly file: string }[]
  /** Path of the configuration of all users. */
  readonly homeConfig: string
  /** Also what belongs to the home as a whole. Not for a space: its home is in the backup of the default one. */
  readonly withHome: boolean
}

/** Progress of a longer operation. `total` is 0 if it is unknown. */
export interface StoreProgress {
  readonly progress: string
  readonly done: number
  readonly total: number
}

export interface StoreStatus {
  readonly where: string
  readonly dialect: 'sqlite' | 'postgres'
  /** Schema version, and the newest one that this program knows. */
  readonly version: number
  readonly newest: number
  readonly state: string
  /** Migration steps that have not run. */
  readonly pending: readonly string[]
  /** Size in bytes, as far as it is known. */
  readonly bytes: number
  readonly head: { readonly seq: number; readonly hash: string }
  /** Number of the user's rows by table. */
  readonly rows: Readonly<Record<string, number>>
  /** How Postgres searches vectors, for people; empty if there is nothing to report. */
  readonly vectors: string
  /** Copies made before migrations and restores, and backups in their default folder. */
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
  /** Format 1 has only the database, format 2 also `shared`, the vault and the configuration. */
  readonly format: 'oxbow.backup.1' | 'oxbow.backup.2' | 'oxbow.backup.3'
  readonly user: string
  /** Schema version. */
  readonly schema: number
  readonly head: { readonly seq: number; readonly hash: string }
  readonly rows: Readonly<Record<string, number>>
  /** Unix milliseconds. */
  readonly madeAt: number
  /** Length of the database in the backup, and its BLAKE3 hash in lower-case hex. */
  readonly bytes: number
  readonly hash: string
  /** Length of the database itself, where the backup has it compressed. */
  readonly unpacked?: number
  /** Archives of files after the database, in this order; absent if there are no archives. */
  readonly parts?: readonly BackupPart[]
  /** Names of the configuration files in it. */
  readonly config?: readonly string[]
  /** Of format 2: whether `private` has the folders of plugins as well. */
  readonly plugins?: boolean
  /** Ids of the items of the home that are in it. */
  readonly items?: readonly string[]
  /** What was below the home and is not in it. */
  readonly leftOut?: readonly LeftOut[]
  /** The store that the included configuration names: `file`, or the URL without its password. */
  readonly store?: string
  /** Proves that a holder of the key of the installation has made it; absent without files, and in backups of older versions. */
  readonly proof?: string
}

export interface LeftOut {
  /** Below the home. */
  readonly path: string
  readonly what: string
  /** How to have it again, or why nobody needs it. */
  readonly instead: string
}

/** One archive of files in a backup. */
export interface BackupPart {
  /** `private` has the vault and the configuration, and is always encrypted; `kept` the rest of the installation. */
  readonly name: 'shared' | 'kept' | 'private'
  /** Length and BLAKE3 hash. */
  readonly bytes: number
  readonly hash: string
  /** The file of the encryption key, and an id that binds the pieces of the archive together; null if it is not encrypted. */
  readonly sealed: { readonly id: string; readonly key: string } | null
  /** Numbers of files, bytes of content, links, skipped entries, and files that changed while they were read. */
  readonly files: number
  readonly contentBytes: number
  readonly links: number
  readonly skipped: number
  readonly changed: number
}

export interface BackupReport {
  readonly path: string
  readonly manifest: BackupManifest
  /** What does not verify in its journal, in words. */
  readonly problems: readonly string[]
  /** Older backups that `--keep` removed. */
  readonly removed: readonly string[]
}

/** What a backup would write and remove. */
export interface BackupPreview {
  readonly path: string
  readonly removed: readonly string[]
}

export interface RestoreReport {
  readonly from: string
  readonly where: string
  readonly manifest: BackupManifest
  /** A holder of a key of this home has made the backup as it is. */
  readonly proven: boolean
  /** The newest record of the replaced journal; 0 if there was no readable one. */
  readonly cutBackFrom: number
  /** What does not verify in it, and was accepted. */
  readonly problems: readonly string[]
  /** Path of the previous store; null if no store was replaced. */
  readonly replaced: string | null
  /** Parts that no key of this home opens, which were left out. */
  readonly unopened: readonly BackupPart[]
  /** Restored folders and files. `kept` is the new path of what was there before; null if nothing was. */
  readonly files: readonly { readonly path: string; readonly kept: string | null }[]
}

/** What a restore would change. */
export interface RestorePreview {
  readonly manifest: BackupManifest
  readonly where: string
  /** The newest record now, and whether the store has any rows. */
  readonly head: number
  readonly hasRows: boolean
  readonly unopened: readonly BackupPart[]
  readonly files: readonly { readonly path: string; readonly change: 'new' | 'replaced' | 'beside' }[]
  readonly problems: readonly string[]
}

export interface StoreProblem {
  readonly what: string
  readonly todo: string
}

/** What a check of the store has found. */
export interface StoreVerifyReport {
  readonly ok: boolean
  readonly where: string
  readonly checked: readonly string[]
  readonly problems: readonly StoreProblem[]
}

/** What a vacuum has freed. Sizes are in bytes. */
export interface VacuumReport {
  readonly where: string
  readonly bytesBefore: number
  readonly bytesAfter: number
  readonly ms: number
  /** What was done to the vector index in Postgres, for people; empty if there is nothing to report. */
  readonly vectors: string
}

export interface MoveReport {
  readonly from: string
  readonly to: string
  /** Number of rows by table, verified by checksum on both sides. */
  readonly rows: Readonly<Record<string, number>>
  /** True if it continued an interrupted move. */
  readonly resumed: boolean
  /** The configuration line that makes Oxbow use the new store. */
  readonly configure: string
  /** New path of a file that was at the destination; null if there was no such file. */
  readonly kept: string | null
  readonly ms: number
}
