/**
 * What hands do with files: request and reply of each operation. Lines and columns count from 1; offsets and sizes are bytes
 * unless named lines. Paths are the real paths inside.
 */
export interface FileOps {
  read: {
    input: { path: string; fromLine: number; maxLines: number; maxBytes: number }
    /** `hash` is that of the whole file: see `write`. */
    output: { text: string; fromLine: number; lines: number; totalLines: number; bytes: number; truncated: boolean; hash: string }
  }
  bytes: {
    input: { path: string; offset: number; maxBytes: number }
    /** Of any file. `content` is what stands from `offset` on; empty where the file ends before it. */
    output: { content: Uint8Array; offset: number; totalBytes: number }
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
  /**
   * `hash` is that of the new content, `was` that of the content before; '' where there was none, or it was not looked at.
   * With `ifHash` only a file that has this hash is replaced.
   */
  write: {
    input: { path: string; text: string; ifHash?: string | undefined }
    output: { bytes: number; created: boolean; hash: string; was: string }
  }
  /**
   * Writes a file in pieces, in their order: each says with `offset` what has come before. The file shows the whole of it when
   * the `last` has come, or never; an upload that is not continued for a minute is forgotten. `upload` is a name that the
   * caller makes up for one file. `bytes` is how much has come.
   */
  put: {
    input: { path: string; upload: string; offset: number; content: Uint8Array; last: boolean; overwrite: boolean }
    /** `hash` and `was` come with the last piece. */
    output: { bytes: number; created: boolean; hash: string; was: string }
  }
  /** A link itself, not what it leads to. `missing`: nothing has this name, and the rest is empty. `linkTarget` is '' for what is no link. */
  stat: {
    input: { path: string }
    output: {
      kind: 'file' | 'folder' | 'link' | 'other' | 'missing'
      bytes: number
      modifiedMs: number
      executable: boolean
      linkTarget: string
    }
  }
  edit: {
    input: { path: string; find: string; replace: string; all: boolean; ifHash?: string | undefined }
    output: { replaced: number; firstLine: number; hash: string; was: string }
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
  /** '' for a file that is gone, or was not there. */
  hash: string
  was: string
}
