/**
 * The operations of hands: request and reply of each, as schemas from which the types follow. The kernel parses every reply with them,
 * since everything in a sandbox may be controlled by an attacker; the runner parses the requests of an isolated guest. Hands import only
 * the types. This file is not part of the public API of `types`, whose importers would otherwise build all these schemas at every start.
 *
 * Lines and columns count from 1; offsets and sizes are bytes unless named lines. Paths are the real paths inside.
 */
import { z } from 'zod'
import { isTreePath, maxSnapshotEntries, maxSurveyEntries } from './hands-frame.ts'
import { liveOperations, unchanged } from './hands-live-operations.ts'

const count = z.int().nonnegative()
const path = z.string().max(8_192)
const content = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
/** The beginning of a SHA-256; '' if there is no file, or it was not read. */
const hash = z.string().regex(/^(?:[0-9a-f]{12})?$/)
/** Why a file was not written: somebody else has changed it, nobody here may write it, nothing fits on the disk, or another failure. */
const notWritten = z.enum(['changed', 'refused', 'full', 'failed'])
const ifHash = z.string().optional()
const none = z.strictObject({})

const files = {
  /** `hash` covers the whole file. `newline`: the file has a newline right behind `text`, which is not part of it. */
  read: {
    input: z.strictObject({ path: z.string(), fromLine: z.int(), maxLines: z.int(), maxBytes: z.int() }),
    output: z.strictObject({
      text: z.string(),
      newline: z.boolean(),
      fromLine: count,
      lines: count,
      totalLines: count,
      bytes: count,
      truncated: z.boolean(),
      hash,
    }),
  },
  /** Of any file. `content` begins at `offset`; empty if the file ends before it. */
  bytes: {
    input: z.strictObject({ path: z.string(), offset: count, maxBytes: z.int() }),
    output: z.strictObject({ content, offset: count, totalBytes: count, modifiedMs: z.number() }),
  },
  /** `glob` filters entries, '' for all; `all` also enters ignored folders; the first `skip` entries are omitted. */
  list: {
    input: z.strictObject({ path: z.string(), depth: z.int(), glob: z.string(), all: z.boolean(), skip: count, maxEntries: z.int() }),
    output: z.strictObject({
      entries: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other']), bytes: count })),
      truncated: z.boolean(),
    }),
  },
  /**
   * `all` also searches hidden and ignored files; the first `skip` matches are omitted. `before` and `after` are the lines around a match;
   * no line of a file is repeated.
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
  /** `hash` is the new content's, `was` the previous content's. With `ifHash` only a file with this hash is replaced. */
  write: {
    input: z.strictObject({ path: z.string(), text: z.string(), ifHash }),
    output: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  },
  /**
   * Writes a file in chunks, in order: `offset` is the length of those before. The file is replaced atomically after the `last` one; an
   * upload that is not continued for a minute is dropped. `upload` is a name that the caller chooses for one file. `bytes` is the length so
   * far; `hash` and `was` are set in the last reply. With `ifHash` only what has this hash is replaced, a link itself; '': nothing may be
   * there, but an empty folder.
   */
  put: {
    input: z.strictObject({
      path: z.string(),
      upload: z.string(),
      offset: count,
      content,
      last: z.boolean(),
      overwrite: z.boolean(),
      ifHash,
    }),
    output: z.strictObject({ bytes: count, created: z.boolean(), hash, was: hash }),
  },
  /**
   * Does not follow a link. `missing`: nothing has this name, and the rest is empty. `linkTarget` is '' unless it is a link. `names` is the
   * number of names that a file has, hard links included.
   */
  stat: {
    input: z.strictObject({ path: z.string() }),
    output: z.strictObject({
      kind: z.enum(['file', 'folder', 'link', 'other', 'missing']),
      bytes: count,
      modifiedMs: z.number(),
      executable: z.boolean(),
      linkTarget: path,
      names: count,
    }),
  },
  edit: {
    input: z.strictObject({ path: z.string(), find: z.string(), replace: z.string(), all: z.boolean(), ifHash }),
    output: z.strictObject({ replaced: count, firstLine: count, hash, was: hash }),
  },
  /**
   * A unified diff of any number of files below `path`: all of it is applied, or nothing. `from` is the old name of a moved file, otherwise
   * ''; `shifted` counts hunks that matched at another line.
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
  /**
   * `to` is the new name, not a folder to move into. Missing folders are created; a link itself is moved. Only `overwrite` replaces, and
   * never a folder.
   */
  move: {
    input: z.strictObject({ from: z.string(), to: z.string(), overwrite: z.boolean() }),
    output: z.strictObject({ kind: z.enum(['file', 'folder', 'link']), replaced: z.boolean() }),
  },
  /**
   * With `ifHash` only a file with this hash, or a link that leads there. `madeSinceMs`: also the folders above that are then empty, up to one
   * that is older.
   */
  delete: {
    input: z.strictObject({ path: z.string(), recursive: z.boolean(), ifHash, madeSinceMs: z.number().optional() }),
    output: z.strictObject({ deleted: count }),
  },
}

/** Whole folders. `transfer` is a name that the caller chooses; one that is not continued for a minute is dropped. */
const folders = {
  /**
   * As a tar archive, in ustar with pax headers; names are relative to the folder. Each request has the `offset` at which the previous
   * chunk ended. `skipped` counts what an archive cannot contain: devices, sockets, unreadable files.
   */
  archive: {
    input: z.strictObject({ path: z.string(), transfer: z.string(), offset: count, maxBytes: z.int() }),
    output: z.strictObject({ content, done: z.boolean(), skipped: count }),
  },
  /**
   * Unpacks into a new or existing folder. Nothing appears before the `last` chunk, and nothing at all if any entry is refused: paths and
   * links that leave the folder, devices, setuid bits, entries over a limit. Only `overwrite` replaces files. `replaces`, which each piece has
   * or none, names the hash that each of its files may replace ('': none may be there); those that were not written are `kept`,
   * and why. `ownFiles`: it is what the workspace was on another node, so hooks and settings of its repositories are among it.
   */
  unpack: {
    input: z.strictObject({
      path: z.string(),
      transfer: z.string(),
      offset: count,
      content,
      last: z.boolean(),
      overwrite: z.boolean(),
      replaces: z.array(z.strictObject({ path, hash })).optional(),
      ownFiles: z.literal(true).optional(),
    }),
    output: z.strictObject({
      bytes: count,
      files: count,
      folders: count,
      links: count,
      kept: z.array(z.strictObject({ path, why: notWritten })),
    }),
  },
  /**
   * Everything below a folder, folders before their contents; links are not followed, and `target` is where a link points. `path` is relative to
   * the folder. `stamp` changes with every change of an entry, and is only for comparison: files with the same one are hard links of each other. A folder that cannot be read is `closed`: its
   * contents are unknown.
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
   * The files below a folder that differ from an earlier snapshot, `since`; all of them (`whole`) if hands no longer have that. Names that
   * fit a pattern of `ignore` (`*` is any text) are left out, as are repositories (`.git`) and what is read-only; the files in `also`, and
   * repositories in its folders, are listed all the same. The first request, with offset 0, takes the snapshot; the others fetch the rest of
   * its list. `large`: a file of more than `maxFileBytes`. A file whose `stamp` is '' may still be changing.
   */
  snapshot: {
    input: z.strictObject({
      path: z.string(),
      since: z.string(),
      offset: count,
      maxEntries: z.int(),
      maxFileBytes: count,
      ignore: z.array(z.string()),
      also: z.array(z.string()).optional(),
    }),
    output: z.strictObject({
      snapshot: z.string().max(60),
      whole: z.boolean(),
      entries: z
        .array(
          z.strictObject({
            path: z.string().max(4_096).refine(isTreePath),
            kind: z.enum(['file', 'link', 'large', 'gone']),
            stamp: z.string().max(120),
          }),
        )
        .max(maxSnapshotEntries),
      done: z.boolean(),
    }),
  },
  /**
   * The contents of files below a folder, one after another, until `maxBytes` are reached, at least of one; of a link, its target. `bytes`
   * is -1 for what has no content here: `gone` is no longer a file or a link, `large` has more than `maxFileBytes`, `closed` cannot be read.
   */
  collect: {
    input: z.strictObject({ path: z.string(), files: z.array(z.string()), maxBytes: z.int(), maxFileBytes: count }),
    output: z.strictObject({
      files: z
        .array(
          z.strictObject({
            kind: z.enum(['file', 'program', 'link', 'gone', 'large', 'closed']),
            bytes: z.int().min(-1),
            stamp: z.string().max(120),
          }),
        )
        .max(maxSnapshotEntries),
      content,
    }),
  },
  /**
   * Polled repeatedly under one name (`watch`, which the caller chooses): the first request begins the watch, each returns what has changed
   * since the one before, each path once, in its current state. Waits up to `waitMs` for the first change. `overflow`: the list is
   * incomplete, and the caller must scan the folder. A cancel ends the watch, and so does a minute without a request. When the folder is
   * removed, or changes too fast, the next request fails, and the one after it begins again.
   */
  watch: {
    input: z.strictObject({ path: z.string(), watch: z.string(), recursive: z.boolean(), waitMs: z.number(), maxChanges: z.int() }),
    output: z.strictObject({
      changes: z.array(z.strictObject({ path, kind: z.enum(['file', 'folder', 'link', 'other', 'missing']) })),
      overflow: z.boolean(),
    }),
  },
}

/** Identifies this command to the egress proxy, if there is one. */
const pass = z.string().optional()

/** Additional variables of the command: secrets, which no command line has. */
const variables = z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string()).optional()

const commands = {
  /**
   * Runs `command` in a shell, or `program` without one: `argv` begins with the name of a program that is installed, and `env` adds to its
   * environment. `exitCode` is null when a signal ended it. `stdoutBytes` and `stderrBytes` count all that it wrote, also what is not
   * kept. `carried`: its streams go over the port for them (`streamsPort`), `argv` may begin with a path, and `env` is all of its environment.
   */
  exec: {
    input: z.strictObject({
      command: z.string(),
      program: z.strictObject({ argv: z.array(z.string()).min(1), env: z.record(z.string(), z.string()) }).optional(),
      cwd: z.string(),
      stdin: z.string(),
      timeoutMs: z.number(),
      maxOutputBytes: z.int(),
      pass,
      env: variables,
      // Chosen by the caller; identifies the command to execOutput.
      watch: z.string().optional(),
      carried: z.literal(true).optional(),
      unchanged,
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
  /**
   * What a command would run: the paths that are regular files, with hashes of their content (of size and time, where they are
   * large), and which installed program a name is ('' for none), with its size and time. With `targets` the paths are those that a call
   * writes: where each of them leads counts too, and one that does not exist.
   */
  execInputs: {
    input: z.strictObject({ program: z.string(), paths: z.array(z.string()).max(100), targets: z.boolean().optional() }),
    output: z.strictObject({
      program: z.string().max(400),
      files: z.array(z.strictObject({ path: z.string().max(4_096), hash: z.string().max(120) })).max(100),
    }),
  },
  /**
   * What the files are that commands can see: `digest` differs once one of them has changed, but for those in `except`; empty: there are too
   * many. Compare it only with the digest of `since`; `changed` names what differs from it. `unread` counts files whose content should
   * count, but would be too much to read. `running` counts programs that run now and could change files.
   */
  fingerprint: {
    input: z.strictObject({ since: z.string().max(100), except: z.array(z.string().max(4_096)).max(100) }),
    output: z.strictObject({
      digest: z.string().max(100),
      files: count,
      unread: count,
      changed: z.array(z.string().max(4_096)).max(100),
      running: count,
    }),
  },
  /** The tail of a running command's output, both streams in order of arrival; empty if it has written nothing, or does not run. */
  execOutput: {
    input: z.strictObject({ watch: z.string() }),
    output: z.strictObject({ tail: z.string().max(8_192) }),
  },
  /**
   * What the running commands use, by the `watch` of a command or the `owner` of sessions; and whether commands have left something in
   * shared memory, which later ones can read.
   */
  usage: {
    input: none,
    output: z.strictObject({
      owners: z.array(z.strictObject({ owner: z.string().max(200), cpuMs: count, memoryBytes: count, processes: count })).max(1_000),
      keepsMemory: z.boolean(),
    }),
  },
  /** Ends all processes and drops everything unfinished; hands reply, and exit. */
  shutdown: { input: none, output: none },
}

export const handsOperations = { ...files, ...folders, ...commands, ...liveOperations }
