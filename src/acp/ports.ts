/** What the program around an editor's connection gives it: a guest, the person's folders and files. */
import type { Client } from '../client/index.ts'
import type { Failure, SentFile } from '../types/index.ts'

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
  /** Starts a guest where there is none. @throws OxbowError */
  open(): Promise<Link>
  /** @returns the path by which agents know a file or folder of the person; undefined if they do not see it */
  guestPath(path: string): string | undefined
  /** @returns the path on this machine of what agents know as `path`; undefined if it has none */
  ownPath(path: string): string | undefined
  /** Puts the folder on the list of what agents see. @returns its path for them @throws OxbowError for one that they must not see */
  addFolder(path: string): string
  /** Makes sure that agents see the folder at this path of theirs. @throws OxbowError with why they do not */
  showFolder(path: string, gateway: Gateway): Promise<void>
  /** Uploads a file of the person. @throws OxbowError */
  attach(path: string, gateway: Gateway): Promise<SentFile>
  /** For the person who looks at the log of the editor. */
  log(text: string): void
}
