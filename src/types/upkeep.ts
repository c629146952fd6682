/** What `oxbow store` asks a guest program that does nothing else, and what it is answered with: progress lines, then a report. */

export type StoreQuestion =
  | { readonly ask: 'status' }
  | { readonly ask: 'migrate'; readonly to?: number; readonly dryRun: boolean; readonly withoutCopy: boolean }
  /** `path` is absolute; empty: a file of its own in the folder of backups. */
  | { readonly ask: 'backup'; readonly path: string; readonly keep?: number }
  | { readonly ask: 'restore'; readonly path: string; readonly replace: boolean }
  | { readonly ask: 'verify' }
  | { readonly ask: 'vacuum' }
  /** `to`: an address of Postgres, which may hold a password, or `file`: the file in the workspace. */
  | { readonly ask: 'move'; readonly to: string }

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
  readonly format: 'oxbow.backup.1'
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
  /** Where the store is that stood there before; null when none did. */
  readonly replaced: string | null
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
  readonly ms: number
}
