/**
 * What a runner and its guest say to each other over the guest's stdin and stdout. The runner writes one envelope line and
 * keeps stdin open; its end means stop. A serving guest answers with report lines; one that was asked a question with one JSON
 * document a line and, when it fails, a `fatal` report.
 */
import { z } from 'zod'
import type { Config } from './config.ts'
import type { Failure } from './error.ts'
import type { UserId } from './id.ts'
import type { Json } from './json.ts'
import type { KeyQuestion } from './keys.ts'
import type { SandboxStatus } from './hands.ts'
import type { ChainHead, SignedHead } from './record.ts'
import type { StoreQuestion } from './upkeep.ts'

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
  /** With the heads that the runner has signed, oldest first, and the PEM of the key that signed them. */
  | { readonly command: 'audit-verify'; readonly heads: readonly SignedHead[]; readonly publicKey: string }
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
  /** The guest's last word, a failure. Its code may be one of another version. */
  | { readonly type: 'fatal'; readonly code: string; readonly message: string; readonly hint: string }

/** A guest may have been taken over, and whatever runs in it can write lines: what is no report is passed over. */
export const guestReportSchema: z.ZodType<GuestReport> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready'), url: z.string(), pid: z.int() }),
  z.object({ type: z.literal('head'), seq: z.int().nonnegative(), hash: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.object({ type: z.literal('fatal'), code: z.string(), message: z.string(), hint: z.string() }),
])
