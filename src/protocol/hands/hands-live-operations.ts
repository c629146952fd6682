/** The operations of hands on what outlives a request: sessions and browser tabs. See hands-operations.ts. */
import { z } from 'zod'
import { maxBrowserNotes, maxBrowserPageBytes, maxSessionText } from './hands-frame.ts'

const count = z.int().nonnegative()
const owner = z.string()
/** Identifies the session to the egress proxy, if there is one. */
const pass = z.string().optional()
/** A `fingerprint` without the files in `except`: where something has changed since, nothing is run. */
export const unchanged = z.strictObject({ digest: z.string().max(100), except: z.array(z.string().max(4_096)).max(100) }).optional()

/** Strict, because ids are part of texts that a model reads. */
const sessionId = z.string().regex(/^(?:shell|job)-[0-9]{1,9}-[a-z0-9]{1,12}$/)
const exitCode = z.int().min(-1).max(255).nullable()
/** Exactly one is null, or both if the end could not be observed; null itself while the session lives. */
const end = z.strictObject({ exitCode, signal: z.string().max(32).nullable() })
/** A shell waits for input since the last write. `exitCode` is its last command's; null on a continuation line. */
const prompt = z.strictObject({ exitCode }).nullable()
const cells = z.int().min(1).max(1_000)
const sessionKind = z.enum(['shell', 'job'])
const sessionSignal = z.enum(['SIGINT', 'SIGTERM', 'SIGKILL', 'SIGHUP', 'SIGQUIT', 'SIGSTOP', 'SIGCONT', 'SIGUSR1', 'SIGUSR2'])
// prettier-ignore
const sessionKey = z.enum([
  'enter', 'tab', 'escape', 'backspace', 'delete', 'up', 'down', 'left', 'right', 'home', 'end', 'page_up', 'page_down', 'ctrl_a', 'ctrl_c',
  'ctrl_d', 'ctrl_e', 'ctrl_k', 'ctrl_l', 'ctrl_r', 'ctrl_u', 'ctrl_w', 'ctrl_x', 'ctrl_z', 'ctrl_backslash',
])

/**
 * Processes that outlive a request: interactive shells and background jobs. Both have an id, a process tree, and the newest part of an
 * output whose bytes are counted from 0.
 *
 * `owner` is the conversation that opened a session: to another one it does not exist. The owner '' is the person, who sees all.
 */
const sessions = {
  /**
   * Resolves for a shell when it first waits for input, for a job at once. `command` is what a job runs, '' for a shell; `terminal` null:
   * plain pipes. In the reply `terminal` is false if one was requested but is not available.
   */
  sessionOpen: {
    input: z.strictObject({
      owner,
      kind: sessionKind,
      command: z.string(),
      cwd: z.string(),
      terminal: z.strictObject({ columns: z.number(), rows: z.number() }).nullable(),
      pass,
      env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string()).optional(),
      unchanged,
    }),
    output: z.strictObject({ id: sessionId, terminal: z.boolean() }),
  },
  /** Text first, then the keys. `total` is the length of the output before the write: continue reading there. */
  sessionWrite: {
    input: z.strictObject({ owner, id: z.string(), text: z.string(), keys: z.array(sessionKey), unchanged }),
    output: z.strictObject({ total: count }),
  },
  /**
   * `from`: offset to begin at; negative: relative to the end. `waitMs`: timeout of the wait for `until`; 0 returns at once. The session's
   * end and a full page end the wait too. `until` output: new output, and then none for `quietMs`; quiet: none for `quietMs`. A shell that
   * waits for input ends the wait early. `plain`: control sequences are removed, and lines are in their final state. Cancelling a read does
   * not affect the session.
   *
   * In the reply `from` is the offset of the text, `next` the next page's, `total` the length of the output so far, and `dropped` the
   * number of bytes after the requested offset that are no longer kept.
   */
  sessionRead: {
    input: z.strictObject({
      owner,
      id: z.string(),
      from: z.int(),
      maxBytes: z.number(),
      waitMs: z.number(),
      until: z.enum(['output', 'quiet']),
      quietMs: z.number(),
      plain: z.boolean(),
    }),
    output: z.strictObject({
      text: z.string().max(maxSessionText),
      from: count,
      next: count,
      total: count,
      dropped: count,
      ended: end.nullable(),
      prompt,
    }),
  },
  sessionResize: {
    input: z.strictObject({ owner, id: z.string(), columns: z.number(), rows: z.number() }),
    output: z.strictObject({ columns: cells, rows: cells }),
  },
  /** `foreground`: what a shell runs, or the job. `all`: every process of the session, also what left its group. */
  sessionSignal: {
    input: z.strictObject({ owner, id: z.string(), signal: sessionSignal, to: z.enum(['foreground', 'all']) }),
    output: z.strictObject({ processes: count }),
  },
  /** Ends all its processes and removes it. */
  sessionClose: {
    input: z.strictObject({ owner, id: z.string() }),
    output: z.strictObject({ ended: end, total: count }),
  },
  /** `command` is the beginning of what a job runs; '' for a shell. */
  sessionList: {
    input: z.strictObject({ owner }),
    output: z.strictObject({
      sessions: z
        .array(
          z.strictObject({
            id: sessionId,
            kind: sessionKind,
            terminal: z.boolean(),
            command: z.string().max(1_000),
            cwd: z.string().max(8_192),
            ageMs: count,
            total: count,
            ended: end.nullable(),
            prompt,
          }),
        )
        .max(64),
    }),
  },
}

/**
 * `profile` selects cookies and storage (lower-case letters, digits and hyphens), `owner` the tabs, `tab` one of them; '' is the current
 * one.
 */
const inTab = { profile: z.string(), owner, tab: z.string() }
const tab = z.string().regex(/^t\d{1,6}$/)
const url = z.string().max(8_192)
const title = z.string().max(1_000)
/** Created by hands only: nothing in a page can name another path. */
const browserPath = z
  .string()
  .max(300)
  .regex(/^\/tmp\/(?:downloads|screenshots)\/[^./\p{Cc}][^/\p{Cc}]*$/u)

/**
 * `status` is the HTTP status of `browserOpen`'s navigation, null without a response. `shows` says what `text` is: the whole tree of
 * elements, its new (+) and removed (-) lines, the plain text, or nothing. `nextByte` is null at the end. `notes` are events since the last
 * reply, oldest first: dialogs, opened windows, downloads, crashes.
 */
const view = {
  tab,
  url,
  title,
  status: z.int().min(100).max(999).nullable(),
  shows: z.enum(['tree', 'changes', 'text', 'nothing']),
  text: z.string().max(maxBrowserPageBytes),
  fromByte: count,
  nextByte: count.nullable(),
  totalBytes: count,
  notes: z.array(z.string().max(1_000)).max(maxBrowserNotes),
}

/**
 * `ref` identifies an element of a tree: e5, or f1e2 in a frame. With '' a key goes to the focused element, and a scroll moves by a screen.
 */
const browserAction = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('click'), ref: z.string(), button: z.enum(['left', 'right', 'middle']), double: z.boolean() }),
  z.strictObject({ kind: z.literal('type'), ref: z.string(), text: z.string(), append: z.boolean(), submit: z.boolean() }),
  z.strictObject({ kind: z.literal('press'), ref: z.string(), key: z.string() }),
  z.strictObject({ kind: z.literal('select'), ref: z.string(), values: z.array(z.string()) }),
  z.strictObject({ kind: z.literal('hover'), ref: z.string() }),
  z.strictObject({ kind: z.literal('scroll'), ref: z.string(), direction: z.enum(['down', 'up']) }),
  z.strictObject({ kind: z.enum(['back', 'forward', 'reload']) }),
])

/**
 * Operations of profile `browser`. Tabs belong to an owner (a conversation) and to a browser profile (an agent), and are invisible to
 * others. Texts in replies come from pages and are untrusted, so their length is limited.
 */
const browser = {
  /** Goes to an address in the owner's current tab, in `tab`, or in a new one. */
  browserOpen: {
    input: z.strictObject({ ...inTab, url: z.string(), newTab: z.boolean(), maxBytes: z.int() }),
    output: z.strictObject(view),
  },
  /** Performs one action in a tab, and waits until the page has settled. */
  browserAct: {
    input: z.strictObject({ ...inTab, action: browserAction, acceptDialogs: z.boolean(), maxBytes: z.int() }),
    output: z.strictObject(view),
  },
  /** Reads the page without changing it. `fromByte` above 0 continues in the last result. */
  browserLook: {
    input: z.strictObject({
      ...inTab,
      as: z.enum(['tree', 'changes', 'text']),
      ref: z.string(),
      depth: z.int(),
      fromByte: count,
      maxBytes: z.int(),
    }),
    output: z.strictObject(view),
  },
  /** A screenshot of the visible part, of the whole page, or of one element, as a new file below /tmp. */
  browserPicture: {
    input: z.strictObject({ ...inTab, ref: z.string(), fullPage: z.boolean() }),
    output: z.strictObject({ ...view, path: browserPath, bytes: count, width: count, height: count }),
  },
  /** The owner's tabs, after closing or selecting one if requested. */
  browserTabs: {
    input: z.strictObject({ ...inTab, action: z.enum(['list', 'select', 'close']) }),
    output: z.strictObject({ tabs: z.array(z.strictObject({ tab, current: z.boolean(), url, title })).max(20) }),
  },
  /** The owner's downloads, the newest last; waits for running ones up to `waitMs`. `path` is '' until it is complete. */
  browserDownloads: {
    input: z.strictObject({ profile: z.string(), owner, waitMs: z.number() }),
    output: z.strictObject({
      downloads: z
        .array(
          z.strictObject({
            path: z.union([z.literal(''), browserPath]),
            url,
            bytes: count,
            state: z.enum(['running', 'done', 'failed']),
            problem: z.string().max(300),
          }),
        )
        .max(30),
    }),
  },
}

export const liveOperations = { ...sessions, ...browser }
