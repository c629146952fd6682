/** What the full-screen terminal needs from the program that opens it: a guest, and the person's own files. */
import type { Client, ConnectionState } from '../client/index.ts'
import type { Failure } from '../base/index.ts'
import type { Notice, SentFile } from '../protocol/index.ts'
import type { FoundFile } from './completion.ts'
import type { AttachedFile } from './state.ts'

/** What the screen uses of the client. */
export type Gateway = Pick<Client, 'status' | 'createSession' | 'listSessions' | 'sendTurn' | 'cancelTurn' | 'call' | 'follow'>

/** A connected guest. */
export interface Link {
  readonly gateway: Gateway
  /** Settles when the guest is gone for good; another can then be opened. */
  readonly gone: Promise<Failure>
  onConnection(listener: (state: ConnectionState) => void): void
  onNotice(listener: (notice: Notice) => void): void
  /** Ends the connection, and the guest if it was started for it. */
  close(): Promise<void>
}

export interface Ports {
  /** Starts a guest, or joins the one that runs. @throws OxbowError */
  open(): Promise<Link>
  /** The folder of the guest in which the person is; `/shared` if it sees no other. */
  readonly folder: string
  /** Files and folders of the person, for a path as they type it. */
  ownFiles(typed: string): Promise<readonly FoundFile[]>
  /** @throws OxbowError as the file cannot be attached */
  findFile(path: string): Promise<AttachedFile>
  uploadFiles(files: readonly AttachedFile[], gateway: Gateway): Promise<readonly SentFile[]>
  /** What a notice says, in a sentence. */
  noticeText(gateway: Gateway, notice: Notice): Promise<string>
  /** Tells what a person who has just come should know: interrupted turns, models on this machine. */
  news(link: Link, tell: (text: string) => void): void
  readonly version: string
  readonly env: Readonly<Record<string, string | undefined>>
}
