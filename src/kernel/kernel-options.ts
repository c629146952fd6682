/** What a kernel is made of, as the composition root sees it. */
import type { Memory, MemoryHost } from '../memory/index.ts'
import type { SecretKeeper } from '../secrets/index.ts'
import type { Store } from '../store/index.ts'
import type { Clock, Random, UserId } from '../base/index.ts'
import type { Call, Engine, Sandbox, ShownFolder } from '../protocol/index.ts'
import type { CatalogQuestion, Config, HostPort } from '../config/index.ts'
import type { DiskProbe, HealthProbe, Service } from './service.ts'

export interface KernelOptions {
  readonly user: UserId
  readonly version: string
  readonly config: Config
  readonly store: Store
  /** For users: `file`, or an address without its password. */
  readonly storeName?: string
  /** This process runs in a container without network, which its runner has started. Absent: it does not. */
  readonly isolated?: boolean
  /** A warning about a store that works; empty: none. */
  readonly storeWarning?: () => string
  readonly engine: Engine
  readonly sandbox: Sandbox
  /** What the kernel offers beyond its core. */
  readonly services: readonly Service[]
  /** The calls of `tools`, to which the kernel adds its own. Requested once, with the first call. */
  readonly calls: (memory: Memory | undefined) => Promise<readonly Call[]>
  /** Makes the memory, which is closed with the kernel; absent: nothing is remembered. */
  readonly memory?: (host: MemoryHost) => Memory
  /** Empty without a workspace. */
  readonly workspaceRoot: string
  /** Folders where Oxbow is installed, to hide from models. */
  readonly hostFolders?: readonly string[]
  /** Values that must never reach a model, a log or a user, by the name that replaces them. */
  readonly secrets: ReadonlyMap<string, string>
  /** Keeps what is found in outputs; absent: it is kept until the kernel ends. */
  readonly secretKeeper?: SecretKeeper | undefined
  /** Called with what replaces secrets in texts that pass no gate, such as the log. */
  readonly onSecrets?: ((hide: (text: string) => string) => void) | undefined
  /** The folder of the person's secrets; `hands`: only hands see it; absent: no such folder. */
  readonly vaultFolder?: string | undefined
  readonly clock: Clock
  readonly random: Random
  /** Folder for the versions of the workspace; absent: no versions are kept. */
  readonly versionsFolder?: string | undefined
  /** Names in /shared of the person's own folders. */
  readonly mounts?: () => readonly string[]
  /** The mounts that versions cover now, each with a mark of the folder that has the name: `NAME:MARK`. */
  readonly coveredFolders?: (() => readonly string[]) | undefined
  /** Makes the sandbox show the folders of the person as their list is now; absent: there is no such list. */
  readonly showFolders?: () => Promise<readonly ShownFolder[]>
  /** Whether the guest that had this workspace before ended by itself, and not because it was stopped or killed. */
  readonly crashedBefore?: boolean
  /** Absent: nothing is known of the disk. */
  readonly disk?: DiskProbe
  /** What the host finds about files, model and machine; absent: nothing. */
  readonly health?: HealthProbe
  /** The way to the host, for the configuration; absent: no host. */
  readonly host?: HostPort | undefined
  /** Answers what terminals ask about models; absent: nothing is known but the engine's own. */
  readonly catalog?: (question: CatalogQuestion) => AsyncIterable<object>
}
