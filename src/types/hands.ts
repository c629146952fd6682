/**
 * The port to the sandbox, and the requests that hands answer. Paths are the real paths inside: `/shared/…` or `/tmp/…`.
 * All that hands say is hostile input to the kernel: replies are parsed against limits before they are used.
 */
import type { Failure } from './error.ts'

export type Profile = 'work'

/** Request and reply of each operation. Lines and columns count from 1; offsets and sizes are bytes unless named lines. */
export interface HandsOps {
  read: {
    input: { path: string; fromLine: number; maxLines: number; maxBytes: number }
    output: { text: string; fromLine: number; lines: number; totalLines: number; bytes: number; truncated: boolean }
  }
  bytes: {
    input: { path: string; offset: number; maxBytes: number }
    /** Of any file. `bytes` stand in `base64`, from `offset`; none where the file ends before it. */
    output: { base64: string; offset: number; bytes: number; totalBytes: number }
  }
  list: {
    /** `glob` names what is listed, '' everything; `all` enters ignored folders too; the first `skip` entries are left out. */
    input: { path: string; depth: number; glob: string; all: boolean; skip: number; maxEntries: number }
    output: { entries: { path: string; kind: 'file' | 'folder' | 'link' | 'other'; bytes: number }[]; truncated: boolean }
  }
  search: {
    /** `all` searches hidden and ignored files too; the first `skip` matches are left out. */
    input: {
      path: string
      pattern: string
      regex: boolean
      ignoreCase: boolean
      glob: string
      all: boolean
      contextLines: number
      skip: number
      maxMatches: number
    }
    /** `before` and `after` are the lines around a match; no line of a file is told twice. */
    output: {
      matches: { path: string; line: number; text: string; before: string[]; after: string[] }[]
      filesSearched: number
      truncated: boolean
    }
  }
  write: {
    input: { path: string; text: string }
    output: { bytes: number; created: boolean }
  }
  edit: {
    input: { path: string; find: string; replace: string; all: boolean }
    output: { replaced: number; firstLine: number }
  }
  /** A unified diff of any number of files below `path`: all of it is applied, or nothing. */
  patch: {
    input: { path: string; diff: string }
    output: { files: PatchedFile[] }
  }
  /** To a name, not into a folder. Missing folders are made; a link is moved itself. Only `overwrite` replaces, and never a folder. */
  move: {
    input: { from: string; to: string; overwrite: boolean }
    output: { kind: 'file' | 'folder' | 'link'; replaced: boolean }
  }
  delete: {
    input: { path: string; recursive: boolean }
    output: { deleted: number }
  }
  exec: {
    input: { command: string; cwd: string; stdin: string; timeoutMs: number; maxOutputBytes: number }
    output: {
      /** null when a signal ended it. */
      exitCode: number | null
      signal: string | null
      timedOut: boolean
      stdout: string
      stderr: string
      /** Bytes that the command wrote, beyond what is kept here. */
      stdoutBytes: number
      stderrBytes: number
      durationMs: number
    }
  }
}

/** What a patch did to one file. `from` is the name it had before, '' unless it was moved; `shifted` are hunks that stood at another line. */
export interface PatchedFile {
  path: string
  from: string
  change: 'created' | 'changed' | 'deleted' | 'moved'
  added: number
  removed: number
  hunks: number
  shifted: number
}

export type HandsOp = keyof HandsOps

export interface Hands {
  /**
   * @throws OxbowError with the code that hands gave (`not_found`, `path_refused`, `edit_mismatch`, …), `cancelled`,
   * `timeout` or `sandbox_failed`. On abort the process tree of the request is gone before this settles.
   */
  ask<Op extends HandsOp>(
    op: Op,
    input: HandsOps[Op]['input'],
    options: { signal: AbortSignal; timeoutMs: number },
  ): Promise<HandsOps[Op]['output']>
}

/** What holds the hands, and what is missing. Shown by the status line and sent in `hello_ack`. */
export interface SandboxStatus {
  readonly tier: 'process' | 'insecure' | 'none'
  readonly files: boolean
  readonly shell: boolean
  /** Why something is off, and what to install; null when all is on. */
  readonly problem: Failure | null
  /** Limits that could not be put in force, e.g. `memory: no writable cgroup`. */
  readonly degraded: readonly string[]
}

export interface Sandbox {
  readonly status: SandboxStatus
  /** Starts hands of a profile on first need and keeps them. @throws OxbowError `sandbox_missing`. */
  hands(profile: Profile): Promise<Hands>
  /** Ends every process that was started. */
  close(): Promise<void>
}
