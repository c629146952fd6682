/**
 * The operations of hands: request and reply of each, as schemas from which the types follow. The kernel parses every reply with
 * them, since everything in a sandbox may be in a stranger's hands; the runner parses what an isolated guest asks. Hands import the
 * types alone. This file is not a part of the public API of `types`, whose importers would make all these schemas at every start.
 *
 * Lines and columns count from 1; offsets and sizes are bytes unless named lines. Paths are the real paths inside.
 */
import { z } from 'zod'
import { maxSurveyEntries } from './hands-frame.ts'
import { liveOperations } from './hands-live-operations.ts'

const count = z.int().nonnegative()
const path = z.string().max(8_192)
const content = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
/** The beginning of a SHA-256; '' where there is no file, or it was not looked at. */
const hash = z.string().regex(/^(?:[0-9a-f]{12})?$/)
const ifHash = z.string().optional()
const none = z.strictObject({})

const files = {
  /** `hash` is that of the whole file. */
  read: {
    input: z.strictObject({ path: z.string(), fromLine: z.int(), maxLines: z.int(), maxBytes: z.int() }),
    output: z.strictObject({
      text: z.string(),
      fromLine: count,
      lines: count,
      totalLines: count,
      bytes: count,
      truncated: z.boolean(),
      hash,
    }),
  },
  /** Of any file. `content` is what stands from `offset` on; empty where the file ends before it. */
  bytes: {
    input: z.strictObject({ path: z.string(), offset: count, maxBytes: z.int() }),
    output: z.strictObject({ content, offset: count, totalBytes: count }),
  },
  /** `glob` names what is listed, '' everything; `all` enters ignored folders too; the first `skip` entries are left out. */
  list: {
    input: z.strictObject({ path: z.string(), depth: z.int(), glob: z.string(), all: z.boolean(), skip: count, maxEntries: z.int() }),
    output: z.strictObject({
      entries: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other']), bytes: count })),
      truncated: z.boolean(),
    }),
  },
  /**
   * `all` searches hidden and ignored files too; the first `skip` matches are left out. `before` and `after` are the lines around a
   * match; no line of a file is there twice.
   */
  search: {
    input: z.strictObject({
      path: z.string(),
      pattern: z.string(),
      regex: z.boolean(),
      ignoreCase: z.boolean(),
      glob: z.string(),
      all: z.boolean(),
      contextLines: z.int(),
      skip: count,
      maxMatches: z.int(),
    }),
    output: z.strictObject({
      matches: z.array(z.strictObject({ path, line: count, text: z.string(), before: z.array(z.string()), after: z.array(z.string()) })),
      filesSearched: count,
      truncated: z.boolean(),
    }),
  },
  /** `hash` is that of the new content, `was` that of the content before. With `ifHash` only a file that has this hash is replaced. */
  write: {
    input: z.strictObject({ path: z.string(), text: z.string(), ifHash }),
    output: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  },
  /**
   * Writes a file in pieces, in their order: each says with `offset` what has come before. The file shows the whole of it when the
   * `last` has come, or never; an upload that is not continued for a minute is forgotten. `upload` is a name that the caller makes
   * up for one file. `bytes` is how much has come; `hash` and `was` come with the last piece.
   */
  put: {
    input: z.strictObject({ path: z.string(), upload: z.string(), offset: count, content, last: z.boolean(), overwrite: z.boolean() }),
    output: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  },
  /** A link itself, not what it leads to. `missing`: nothing has this name, and the rest is empty. `linkTarget` is '' for what is no link. */
  stat: {
    input: z.strictObject({ path: z.string() }),
    output: z.strictObject({
      kind: z.enum(['file', 'folder', 'link', 'other', 'missing']),
      bytes: count,
      modifiedMs: z.number(),
      executable: z.boolean(),
      linkTarget: path,
    }),
  },
  edit: {
    input: z.strictObject({ path: z.string(), find: z.string(), replace: z.string(), all: z.boolean(), ifHash }),
    output: z.strictObject({ replaced: count, firstLine: count, hash, was: hash }),
  },
  /**
   * A unified diff of any number of files below `path`: all of it is applied, or nothing. `from` is the name that a file had before,
   * '' unless it was moved; `shifted` are hunks that stood at another line.
   */
  patch: {
    input: z.strictObject({ path: z.string(), diff: z.string() }),
    output: z.strictObject({
      files: z.array(
        z.strictObject({
          path,
          from: path,
          change: z.enum(['created', 'changed', 'deleted', 'moved']),
          added: count,
          removed: count,
          hunks: count,
          shifted: count,
          hash,
          was: hash,
        }),
      ),
    }),
  },
  /** To a name, not into a folder. Missing folders are made; a link is moved itself. Only `overwrite` replaces, and never a folder. */
  move: {
    input: z.strictObject({ from: z.string(), to: z.string(), overwrite: z.boolean() }),
    output: z.strictObject({ kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  },
  delete: {
    input: z.strictObject({ path: z.string(), recursive: z.boolean() }),
    output: z.strictObject({ deleted: count }),
  },
}

/** Folders as a whole. `transfer` is a name that the caller makes up; one that is not continued for a minute is forgotten. */
const folders = {
  /**
   * As a tar archive, in ustar with pax headers; names are relative to the folder. Each piece is asked for with the `offset` where the
   * one before ended. `skipped` counts what an archive cannot bring elsewhere: devices, sockets, what cannot be read.
   */
  archive: {
    input: z.strictObject({ path: z.string(), transfer: z.string(), offset: count, maxBytes: z.int() }),
    output: z.strictObject({ content, done: z.boolean(), skipped: count }),
  },
  /**
   * Into a folder, which is made or added to. Nothing of it shows before the `last` piece, and nothing at all when any of it is
   * refused: paths and links that leave the folder, devices, setuid bits, more than there may be. Only `overwrite` replaces files.
   */
  unpack: {
    input: z.strictObject({ path: z.string(), transfer: z.string(), offset: count, content, last: z.boolean(), overwrite: z.boolean() }),
    output: z.strictObject({ bytes: count, files: count, folders: count, links: count }),
  },
  /**
   * Everything below a folder, folders before what is in them; links are not followed, and `target` is where one leads. `path` is
   * relative to the folder. `stamp` changes with every change of an entry, and is only good for comparing. A folder that cannot be
   * read is `closed`: what is in it is not here, and not gone.
   */
  survey: {
    input: z.strictObject({ path: z.string(), maxEntries: z.int() }),
    output: z.strictObject({
      entries: z
        .array(
          z.strictObject({
            path: z.string().max(4_096),
            kind: z.enum(['file', 'folder', 'closed', 'link', 'other']),
            bytes: count,
            executable: z.boolean(),
            modifiedMs: z.number(),
            stamp: z.string().max(120),
            target: z.string().max(4_096),
          }),
        )
        .max(maxSurveyEntries),
      truncated: z.boolean(),
    }),
  },
  /**
   * Asked again and again under one name (`watch`, which the caller makes up): the first time begins it, each answers what has changed
   * since the one before, each path once, as it is now. Waits up to `waitMs` for the first change. `overflow`: more has changed than
   * is named, or could be seen, and the caller must look. A cancel ends the watch, and so does a minute without a question. When the
   * folder goes, or more changes than can be looked at, the next question fails, and the one after it begins anew.
   */
  watch: {
    input: z.strictObject({ path: z.string(), watch: z.string(), recursive: z.boolean(), waitMs: z.number(), maxChanges: z.int() }),
    output: z.strictObject({
      changes: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other', 'missing']) })),
      overflow: z.boolean(),
    }),
  },
}

/** Names this command to the egress proxy, where there is a way out. */
const pass = z.string().optional()

const commands = {
  /** `exitCode` is null when a signal ended it. `stdoutBytes` and `stderrBytes` count what it wrote, beyond what is kept. */
  exec: {
    input: z.strictObject({
      command: z.string(),
      cwd: z.string(),
      stdin: z.string(),
      timeoutMs: z.number(),
      maxOutputBytes: z.int(),
      pass,
      // Chosen by the caller; execOutput finds the command by it.
      watch: z.string().optional(),
    }),
    output: z.strictObject({
      exitCode: z.int().nullable(),
      signal: z.string().max(32).nullable(),
      timedOut: z.boolean(),
      stdout: z.string(),
      stderr: z.string(),
      stdoutBytes: count,
      stderrBytes: count,
      durationMs: count,
    }),
  },
  /** The end of what a running command has written so far, both streams as they came; empty when it has written nothing, or does not run. */
  execOutput: {
    input: z.strictObject({ watch: z.string() }),
    output: z.strictObject({ tail: z.string().max(8_192) }),
  },
  /** Ends all that was started and forgets what was not finished; hands answer, and exit. */
  shutdown: { input: none, output: none },
}

export const handsOperations = { ...files, ...folders, ...commands, ...liveOperations }
