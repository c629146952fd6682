/** What the program around an editor's connection gives it: a guest, the person's folders and files. */
import type { Client, OutputOf } from '../client/index.ts'
import type { Failure } from '../base/index.ts'
import type { SentFile } from '../protocol/index.ts'

/** What a session in an editor uses of the client. */
export type Gateway = Pick<Client, 'status' | 'listSessions' | 'sendTurn' | 'cancelTurn' | 'call' | 'follow'>

/** A connection to a guest. */
export interface Link {
  readonly gateway: Gateway
  /** Resolves when the guest is gone. */
  readonly gone: Promise<Failure>
  close(): Promise<void>
}

export interface AcpPorts {
  readonly version: string
  /** Starts a guest if none is running. @throws OxbowError */
  open(): Promise<Link>
  /** @returns the path by which agents know a file or folder of the person; undefined if they do not see it */
  guestPath(path: string): string | undefined
  /** @returns the path on this machine of what agents know as `path`; undefined if it has none */
  ownPath(path: string): string | undefined
  /** Puts the folder on the list of what agents see. @returns its path for them @throws OxbowError for one that they must not see */
  addFolder(path: string): string
  /** Makes sure that agents see the folder at their path `path`. @throws OxbowError with why they do not */
  showFolder(path: string, gateway: Gateway): Promise<void>
  /** Uploads a file of the person. @throws OxbowError */
  attach(path: string, gateway: Gateway): Promise<SentFile>
  readonly servers: ServerPorts
  /** For the person who looks at the log of the editor. */
  log(text: string): void
}

/** What `oxbow servers` does, for the servers of tools that an editor names. Each throws OxbowError. */
export interface ServerPorts {
  list(gateway: Gateway): Promise<readonly HeldServer[]>
  /** Adds a server, or changes its settings. */
  add(name: string, settings: HeldServer['settings'], gateway: Gateway): Promise<void>
  /** Starts it in the sandbox. */
  look(name: string, gateway: Gateway): Promise<OfferedTools>
  /** @param digest of what the person has seen @param tools those that they have seen */
  approve(name: string, digest: string, tools: readonly string[], gateway: Gateway): Promise<void>
  switchOff(name: string, gateway: Gateway): Promise<void>
  remove(name: string, gateway: Gateway): Promise<void>
  /** @returns how a server sees a program of this machine; null for a system program, and if there is no such file */
  placeProgram(path: string): { readonly folder: string; readonly path: string } | null
  /** @returns whether it had another value; a guest knows it after a restart */
  storeSecret(name: string, value: string, gateway: Gateway): Promise<boolean>
  removeSecret(name: string, gateway: Gateway): Promise<void>
  /** @returns whether the agent of the configuration has the right */
  hasRight(right: string): boolean
  /** Writes the right into the configuration, which a guest reads when it starts. */
  grant(right: string): void
  /** Resolves when the guest answers again. */
  restart(gateway: Gateway): Promise<void>
}

/** A server of tools that Oxbow has. */
export interface HeldServer {
  readonly name: string
  /** Without the values of variables that name no secret. */
  readonly settings: OutputOf<'server.list'>['servers'][number]['settings']
  readonly enabled: boolean
  /** How many of its tools are. */
  readonly approved: number
  /** The end of what its program has written to its standard error. */
  readonly log: string
}

export interface OfferedTools {
  /** Stands for all of it. */
  readonly digest: string
  readonly instructions: string
  readonly resources: boolean
  readonly prompts: boolean
  /** `problem`: why it cannot be approved; empty if it can. */
  readonly tools: readonly { readonly name: string; readonly description: string; readonly problem: string }[]
}
