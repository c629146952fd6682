/** The kernel as the gateway sees it: what terminals and programs can ask of it. And what it is made of, as the composition root sees it. */
import type { Memory, MemoryHost } from '../memory/index.ts'
import type { SecretKeeper } from '../secrets/index.ts'
import type { Store } from '../store/index.ts'
import type {
  Call,
  CallId,
  CallOutcome,
  CatalogQuestion,
  Clock,
  Config,
  Engine,
  GuestStatus,
  HostPort,
  Json,
  Notice,
  OxbowError,
  Random,
  Sandbox,
  SessionId,
  ShownFolder,
  SessionInfo,
  UserId,
} from '../types/index.ts'
import type { ForeignCalls } from './access/foreign-calls.ts'
import type { KernelEvent, PastDelivery } from './events.ts'
import type { DiskProbe, HealthProbe } from './observe/resources.ts'
import type { OpenServers } from './registry.ts'
import type { Service } from './service.ts'
import type { StartTurn } from './turns/start-turn.ts'

export interface Kernel {
  status(): GuestStatus
  /** @param clientId made by the terminal; becomes the session's id, so that a repeated request returns the same session */
  createSession(title?: string, clientId?: CallId): Promise<SessionInfo>
  listSessions(limit: number): Promise<readonly SessionInfo[]>
  /** Resolves when the message is in the journal. @throws OxbowError `not_found`, `limit_reached`, `store_full` … */
  sendTurn: StartTurn
  /** @returns whether a turn was running. */
  cancelTurn(session: SessionId): Promise<boolean>
  /** Decides a parked call. @returns what must still happen; empty: it is decided @throws OxbowError `not_found` when none waits under this id. */
  approve(call: CallId, allow: boolean): Promise<string>
  /**
   * Makes a call that is offered to terminals, as the user, through the gate.
   * @param id makes it repeatable: the same id returns the recorded outcome, or continues the recorded intent
   */
  call(name: string, input: Json, session?: SessionId, id?: CallId): Promise<CallOutcome>
  /**
   * @returns a function that stops following
   * @throws OxbowError `not_found` for an unknown session, or the reason of `past.leaving`
   */
  follow(session: SessionId, cursor: number, listener: (event: KernelEvent) => void, past?: PastDelivery): Promise<() => void>
  /** @returns a function that stops it */
  onNotice(listener: (notice: Notice) => void): () => void
  /**
   * The kernel for a program with an API key: the key's rights only.
   * @throws OxbowError `unauthenticated` for a key that is unknown, wrong, revoked or expired; so does each later request
   */
  withKey(key: string): Promise<Kernel>
  /**
   * @returns whether everything is allowed, as to the owner
   * @throws OxbowError `unauthenticated` when the key of this kernel was revoked or has expired; never for the owner's
   */
  check(): Promise<boolean>
  /**
   * @param listener called once, when the key of this kernel is revoked, expires, or has other rights: what was opened with it must end
   * @returns a function that stops it. Absent: the owner's rights stay
   */
  onEnd?(listener: (why: OxbowError) => void): () => void
  /** Calls that a model outside of this guest makes; only for a program with an API key. */
  readonly foreign?: ForeignCalls
  /** Interrupts turns, which continue at the next start, and flushes the journal. */
  close(): Promise<void>
}

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
  /** Opens the servers of tools, with the first call; absent: there are none. */
  readonly servers?: OpenServers
  /** Opens them at the start: there are plugins, whose tasks and events wait for no call. */
  readonly hasPlugins?: boolean
  /** Makes the memory, which is closed with the kernel; absent: nothing is remembered. */
  readonly memory?: (host: MemoryHost) => Memory
  /** Empty when there is none. */
  readonly workspaceRoot: string
  /** Folders where Oxbow is installed, to hide from models. */
  readonly hostFolders?: readonly string[]
  /** Values that must never reach a model, a log or a user, by the name that replaces them. */
  readonly secrets: ReadonlyMap<string, string>
  /** Keeps what is found in outputs; absent: it is kept until the kernel ends. */
  readonly secretKeeper?: SecretKeeper | undefined
  /** Called with what replaces secrets in texts that pass no gate, such as the log. */
  readonly onSecrets?: ((hide: (text: string) => string) => void) | undefined
  /** The folder of the person's secrets; `hands`: only hands see it; absent: there is none. */
  readonly vaultFolder?: string | undefined
  readonly clock: Clock
  readonly random: Random
  /** Folder for the versions of the workspace; absent: there are none. */
  readonly versionsFolder?: string | undefined
  /** Names in /shared of the person's own folders. */
  readonly mounts?: () => readonly string[]
  /** Those of them that versions cover now, each with a mark of the folder that has the name: `NAME:MARK`. */
  readonly coveredFolders?: (() => readonly string[]) | undefined
  /** Makes the sandbox show the folders of the person as their list is now; absent: there is no such list. */
  readonly showFolders?: () => Promise<readonly ShownFolder[]>
  /** Whether the guest that had this workspace before ended by itself, and not because it was stopped or killed. */
  readonly crashedBefore?: boolean
  /** Absent: nothing is known of the disk. */
  readonly disk?: DiskProbe
  /** What the host finds about files, model and machine; absent: nothing. */
  readonly health?: HealthProbe
  /** The way to the host, for the configuration; absent: there is none. */
  readonly host?: HostPort | undefined
  /** Answers what terminals ask about models; absent: nothing is known but the engine's own. */
  readonly catalog?: (question: CatalogQuestion) => AsyncIterable<object>
}
