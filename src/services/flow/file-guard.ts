/**
 * Watches what a call asks of hands, so that labels travel with files: what it reads adds the labels of these files to its result, and what
 * it writes gets the labels of its session. Every touch of the workspace is a request to hands, so nothing passes by here.
 *
 * A command can read every file and tells nobody what it writes: its output has the labels of all files, and what changes while it runs has
 * them too. That is found by comparing the workspace before and after. Jobs and shells go on after their call: as long as one lives,
 * the workspace is compared again before anything else is read. What it has read, it may hold in memory when the files are gone, and so may the
 * shared memory of the sandbox: later commands have these labels until both are empty.
 */
import { posix } from 'node:path'
import { type FileGuard, isKept, joined, nothing, type Provenance, workspacePath, type AskOptions, realPath } from '../../kernel/index.ts'
import type { Clock } from '../../base/index.ts'
import {
  type Caller,
  changeOps,
  type Hands,
  type HandsOp,
  type HandsOps,
  type Profile,
  programOps,
  type Sandbox,
} from '../../protocol/index.ts'
import { type FileLabels, type Of } from './file-labels.ts'
import { labelLinked, realPathsOf } from './linked-files.ts'
import { type ChangedPaths, hashesOf, hasSessions, keepsMemory, type Survey, surveyOf, snapshotTimeoutMs } from './workspace-survey.ts'

export interface GuardDeps {
  readonly files: FileLabels
  readonly clock: Pick<Clock, 'now'>
  /** Labels that rules of the configuration give to paths. */
  readonly byRule: (path: string, below: boolean) => Provenance
  /** Whether programs with network may run, in hands of their own. */
  readonly mayBeOnline: () => boolean
  /** Whether a call runs now that starts programs; not counting this one. */
  readonly runsOthers: (call: string) => boolean
  /**
   * Shared by all calls: the last look at the workspace while a job or a shell lives, null while none does; and the labels of what programs
   * may have kept in memory, theirs or shared.
   */
  readonly live: {
    last: Survey | null
    kept: Provenance
    /** Programs that run on after their calls and may write to folders, by name, while they live. */
    readonly programs: Map<string, () => boolean>
  }
  /** What happens once, before the first request: labels what a crash has left open. */
  readonly recover: (guard: Looking) => Promise<void>
}

type Ask = Hands['ask']

/** How to look at the workspace. */
export interface Looking {
  readonly of: Of
  readonly ask: Ask
  readonly options: AskOptions
}

const readsOne: ReadonlySet<string> = new Set(['read', 'bytes', 'edit'])
const readsBelow: ReadonlySet<string> = new Set(['list', 'search', 'archive', 'survey', 'snapshot', 'collect', 'watch', 'patch'])
/** The operations above that read what is in the files. */
const readsContentBelow: ReadonlySet<string> = new Set(['search', 'archive', 'collect', 'patch'])
const watched: ReadonlySet<Profile> = new Set(['work', 'online'])

/**
 * @param at what is known of the files of a branch; undefined: of the workspace
 * @param held what the session of the call has read, when it is asked @param given what its result has in any case
 */
export function createFileGuard(
  at: (branch: string | undefined) => GuardDeps,
  of: Of & { readonly caller: Pick<Caller, 'branch'> },
  held: () => Provenance,
  given: Provenance,
): FileGuard {
  let seen = given
  const own = { of, note: (found: Provenance) => void (seen = joined(seen, found)), writer: () => joined(held(), seen) }
  const request: Request = { ...at(of.caller.branch), ...own }
  return {
    async hands(inner, profile) {
      const hands = await inner.hands(profile)
      if (profile === 'browser') return { ask: async (...asked) => (await labelBrowserFolders(request), hands.ask(...asked)) }
      if (!watched.has(profile)) return hands
      return { ask: (op, input, options) => passOn({ ...request, inner, ask: hands.ask.bind(hands), options }, op, input) }
    },
    seen: () => seen,
    async around(inner, { branch, folders, holds, goesOn }, work) {
      const hands = await inner.hands('work')
      const options = { signal: new AbortController().signal, timeoutMs: snapshotTimeoutMs }
      const asking = { ...at(branch), ...own, inner, ask: hands.ask.bind(hands), options }
      await asking.recover(asking)
      if (holds !== undefined) asking.note(holds)
      if (goesOn !== undefined) asking.live.programs.set(goesOn.program, goesOn.lives)
      const sees = (path: string): boolean => folders.some((folder) => isWithin(path, folder))
      return whileRunning(asking, { work, goesOn: goesOn !== undefined, name: goesOn?.program, sees })
    },
  }
}

interface Request extends GuardDeps {
  readonly of: Of
  note(found: Provenance): void
  writer(): Provenance
}

interface Asking extends Request {
  readonly inner: Sandbox
  readonly ask: Ask
  readonly options: AskOptions
}

/**
 * A page may begin a download long after the request that opened it, and the browser picks the name: what it saves is labelled by its folders.
 */
async function labelBrowserFolders({ files, of, writer }: Request): Promise<void> {
  const all = writer()
  if (isKept(all.labels)) await files.mark(of, browserFolders, all, true)
}

/** Where hands save downloads and pictures of pages, which the other hands see. */
const browserFolders = ['/tmp/downloads', '/tmp/screenshots']

type Input<Op extends HandsOp> = HandsOps[Op]['input']

async function passOn<Op extends HandsOp>(asking: Asking, op: Op, input: Input<Op>): Promise<HandsOps[Op]['output']> {
  await asking.recover(asking)
  if (programOps.has(op)) return run(asking, op, input)
  const below = readsBelow.has(op)
  if (below || readsOne.has(op)) {
    await refresh(asking)
    if (readsContentBelow.has(op)) await labelLinked(asking, await surveyOf(asking.ask, asking.options))
    asking.note(await labelsAt(asking, (input as { path: string }).path, below))
  }
  if (op === 'delete') await labelNamesLeft(asking, input as Input<'delete'>)
  else if (changeOps.has(op)) return change(asking, op, input)
  const reply = await asking.ask(op, input, asking.options)
  if (op === 'delete') await asking.files.setPast(asking.of, [plain((input as Input<'delete'>).path)], true)
  return reply
}

/** A deleted file may have other names (hard links), which stay. */
async function labelNamesLeft(asking: Asking, { path, recursive }: Input<'delete'>): Promise<void> {
  if (recursive) await labelLinked(asking, await surveyOf(asking.ask, asking.options))
  else await realPathsOf(asking, [plain(path)])
}

async function labelsAt(asking: Asking, path: string, below: boolean): Promise<Provenance> {
  const { files, byRule, ask, options } = asking
  const named = plain(path)
  const [real = named] = await realPathsOf(asking, [named])
  const found = [...new Set([named, real])].map((one) => joined(files.at(one, { below }), byRule(one, below))).reduce(joined)
  if (below || isKept(found.labels)) return found
  // Somebody may have renamed it without this guest, or changed what a person has declassified.
  const hash = (await hashesOf(ask, [real], options)).get(real) ?? ''
  return joined(found, files.freed(real, hash) ?? files.withContent(hash))
}

/** Changes files by name. */
async function change<Op extends HandsOp>(asking: Asking, op: Op, input: Input<Op>): Promise<HandsOps[Op]['output']> {
  const { files, of, ask, options } = asking
  const moved = op === 'move' ? plain((input as Input<'move'>).from) : ''
  const targets = targetsOf(op, input).map(plain)
  const paths = (await realPathsOf(asking, moved === '' ? targets : [...targets, moved])).slice(0, targets.length)
  const all = asking.writer()
  if (isKept(all.labels) && files.isEmpty()) await watchWhatRuns(asking)
  if (moved !== '' && paths[0] !== undefined) await carryOver(asking, moved, paths[0])
  if (isKept(all.labels)) {
    await files.mark(of, paths, all, op === 'unpack')
    // Their names stay when the file is gone.
    await files.mark(of, await foldersToMake(asking, paths), all)
  }
  const reply = await ask(op, input, options)
  if (isKept(all.labels)) {
    const { hash, files: patched = [] } = reply as { hash?: string; files?: readonly { path: string }[] }
    await files.mark(
      of,
      patched.map(({ path }) => plain(path)),
      all,
    )
    if (hash !== undefined && paths[0] !== undefined) await files.setHashes(of, new Map([[paths[0], hash]]))
  } else if (op === 'write' || (op === 'put' && (input as Input<'put'>).last)) await files.setPast(of, paths)
  if (moved !== '') await files.setPast(of, [moved], true)
  return reply
}

/** @returns the folders above these files that are not there */
async function foldersToMake({ ask, options }: Asking, paths: readonly string[]): Promise<readonly string[]> {
  const missing = new Set<string>()
  for (const path of paths)
    for (let folder = posix.dirname(path); /^\/(?:shared|tmp)\/./.test(folder) && !missing.has(folder); folder = posix.dirname(folder)) {
      if ((await ask('stat', { path: folder }, options)).kind !== 'missing') break
      missing.add(folder)
    }
  return [...missing]
}

/** Gives what is moved the labels that its present place has, by entries and by rules: no rule may know of the new place. */
async function carryOver(asking: Asking, from: string, to: string): Promise<void> {
  const { files, of, ask, options, byRule } = asking
  // A link itself is moved, not what it names; folders above it may be links, too.
  const real = posix.join(await realPath(ask, posix.dirname(from), options), posix.basename(from))
  for (const place of new Set([from, real])) {
    await files.copy(of, place, to)
    const own = byRule(place, false)
    if (isKept(own.labels)) await files.mark(of, [to], own, true)
    else if (isKept(byRule(place, true).labels)) await markRuled(asking, place, to)
  }
}

/** Labels what rules name below a folder that is moved. */
async function markRuled({ files, of, ask, options, byRule }: Asking, from: string, to: string): Promise<void> {
  const { entries, truncated } = await ask('survey', { path: from, maxEntries: maxMovedEntries }, options).catch(() => unknown)
  if (truncated) return files.mark(of, [to], byRule(from, true), true)
  for (const { path } of entries) {
    const found = byRule(`${from}/${path}`, false)
    if (isKept(found.labels)) await files.mark(of, [`${to}/${path}`], found)
  }
}

/** Of a folder that is moved: with more, all of it is labelled. */
const maxMovedEntries = 10_000
const unknown = { entries: [], truncated: true }

/** Before the first file gets a label: what runs by then may copy it. */
async function watchWhatRuns(asking: Asking): Promise<void> {
  if (asking.live.last === null && (asking.runsOthers(asking.of.call) || (await anybodyWrites(asking))))
    asking.live.last = await surveyOf(asking.ask, asking.options)
}

/** Shells and jobs of both hands that run programs. */
async function anybodyLives(asking: Asking): Promise<boolean> {
  return asking.runsOthers(asking.of.call) || inEither(asking, hasSessions)
}

/** @returns whether a program may write files although no call of it is running */
async function anybodyWrites(asking: Asking): Promise<boolean> {
  const { programs } = asking.live
  for (const [name, lives] of programs) if (!lives()) programs.delete(name)
  return programs.size > 0 || anybodyLives(asking)
}

/** Asks the hands that run programs, without network and with it. */
async function inEither({ inner, mayBeOnline, options }: Asking, isSo: typeof hasSessions): Promise<boolean> {
  for (const profile of mayBeOnline() ? (['work', 'online'] as const) : (['work'] as const)) {
    const hands = await inner.hands(profile)
    if (await isSo(hands.ask.bind(hands), options)) return true
  }
  return false
}

/** @returns the labels of what earlier programs may still hold in memory */
async function keptInMemory(asking: Asking): Promise<Provenance> {
  const { live } = asking
  if (isKept(live.kept.labels) && !(await anybodyLives(asking)) && !(await inEither(asking, keepsMemory))) live.kept = nothing
  return live.kept
}

/** Labels what jobs and shells have changed since the last look. */
async function refresh(asking: Asking): Promise<void> {
  const { live, files, of, ask, options } = asking
  const since = live.last
  if (since === null) return
  const isLive = await anybodyWrites(asking)
  const now = await surveyOf(ask, options)
  await markChanged(asking, now.changedSince(since), [...files.writers.values()].reduce<Provenance>(joined, files.everywhere()))
  live.last = isLive ? now : null
  if (!isLive) for (const name of [...files.writers.keys()].filter((one) => one.startsWith(livePrefix))) await files.end(of, name)
}

/** Starts a program, or talks with one that runs. */
function run<Op extends HandsOp>(asking: Asking, op: Op, input: Input<Op>): Promise<HandsOps[Op]['output']> {
  return whileRunning(asking, { work: () => asking.ask(op, input, asking.options), goesOn: op === 'sessionOpen', sees: () => true })
}

interface Program<Result> {
  readonly work: () => Promise<Result>
  /** It runs on after its call. */
  readonly goesOn: boolean
  /** The same for all calls of a program; absent: its call's name. */
  readonly name?: string | undefined
  readonly sees: (path: string) => boolean
}

async function whileRunning<Result>(asking: Asking, program: Program<Result>): Promise<Result> {
  const { work, goesOn, sees } = program
  const { files, of, ask, options, live, clock } = asking
  await refresh(asking)
  const before = await surveyOf(ask, options)
  await files.setPast(of, before.missing(files.present()))
  await labelLinked(asking, before)
  asking.note([files.everywhere(sees), ruledIn(asking, before, sees), await keptInMemory(asking)].reduce(joined))
  const all = asking.writer()
  if (!isKept(all.labels)) return workUnlabelled(asking, program, before)
  if (files.isEmpty()) await watchWhatRuns(asking)
  live.kept = joined(live.kept, all)
  const name = writerName(asking, program)
  await files.begin(of, { ...all, name, at: clock.now() })
  try {
    return await work()
  } finally {
    // What a cancelled command has written has labels too.
    const patient = { ...asking, options: { ...options, signal: new AbortController().signal } }
    const after = await surveyOf(ask, patient.options)
    // Files that others have labelled meanwhile were there to be read.
    asking.note(files.everywhere(sees))
    await markChanged(patient, after.changedSince(before), joined(all, files.everywhere(sees)))
    if (goesOn) live.last = after
    else await files.end(of, name)
  }
}

/** A program that has read nothing with labels may have linked a file into a folder of a rule, or met another one that has. */
async function workUnlabelled<Result>(asking: Asking, program: Program<Result>, before: Survey): Promise<Result> {
  try {
    return await program.work()
  } finally {
    asking.note(asking.live.kept)
    if (isKept(asking.byRule('/', true).labels)) await linkAgain(asking)
    // A plugin that writes files has read something meanwhile, by calls of its own.
    const all = asking.writer()
    if (program.name !== undefined && isKept(all.labels)) {
      const patient = { ...asking, options: { ...asking.options, signal: new AbortController().signal } }
      await asking.files.begin(asking.of, { ...all, name: writerName(asking, program), at: asking.clock.now() })
      asking.live.last = await surveyOf(asking.ask, patient.options)
      await markChanged(patient, asking.live.last.changedSince(before), all)
    }
  }
}

/** Name of the writer; one that goes on after its call has the prefix. */
const writerName = ({ of }: Asking, { goesOn, name }: Pick<Program<unknown>, 'goesOn' | 'name'>): string =>
  `${goesOn ? livePrefix : ''}${name ?? of.call}`

async function linkAgain(asking: Asking): Promise<void> {
  const options = { ...asking.options, signal: new AbortController().signal }
  await labelLinked(asking, await surveyOf(asking.ask, options))
}

/** @returns the labels that rules give to what is there */
function ruledIn({ byRule }: Asking, { stamps }: Survey, sees: Program<unknown>['sees']): Provenance {
  if (stamps === null) return byRule('/', true)
  let found = nothing
  for (const path of stamps.keys()) if (sees(path)) found = joined(found, byRule(path, false))
  return found
}

export async function markChanged(
  { files, of, ask, options }: Looking & Pick<GuardDeps, 'files'>,
  changed: ChangedPaths,
  all: Provenance,
): Promise<void> {
  if (!isKept(all.labels)) return
  await files.mark(of, changed.trees, all, true)
  await files.mark(of, changed.paths, all)
  await files.setHashes(of, await hashesOf(ask, changed.paths, options))
}

/** Begins the name of a writer that lives on after its call. */
const livePrefix = 'live '

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`)
}

function plain(path: string): string {
  return workspacePath(path) ?? path
}

function targetsOf<Op extends HandsOp>(op: Op, input: Input<Op>): readonly string[] {
  if (op === 'move') return [(input as Input<'move'>).to]
  const { path } = input as { path: string }
  if (op !== 'patch') return [path]
  const names = [...(input as Input<'patch'>).diff.matchAll(/^(?:\+\+\+ |rename to )"?([^\t\r\n"]+)/gm)].map(([, name = '']) => name)
  return names.flatMap((name) => [`${path}/${name}`, `${path}/${name.replace(/^[^/]*\//, '')}`])
}
