/**
 * Branches of files: overlays over the workspace in folders next to it, each with a sandbox of the same tier over it; copies where the tier
 * or the machine has no overlays. A copy is made by a command in a sandbox that sees the workspace read-only, so that nothing in it can lead
 * the copy outside; a tier that cannot show two folders borrows a process sandbox for that, or passes an archive from one sandbox to the
 * other. A branch gets its name last: one whose making a crash interrupted is made again.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, realpath, rename, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Failure, OxbowError, toError } from '../../base/index.ts'
import { type BranchFiles, type Hands, isBranchName, type Sandbox, type SandboxStatus } from '../../protocol/index.ts'
import { bubblewrapTier } from '../bubblewrap/bubblewrap-tier.ts'
import { keepHands, type KeptBranches } from '../keep-hands.ts'
import { branchCopyMs, branchPieceBytes, maxBranches, maxCopiedBytes } from '../limits.ts'
import type { OnlineProfile, TierOptions, TierPlan, WorkspaceFolders } from '../tier-plan.ts'
import {
  branchMade,
  type BranchMade,
  layersIn,
  makeLayers,
  openOverlay,
  overlayChanges,
  overlayOf,
  removeFolders,
  unlock,
} from './branch-overlay.ts'
import { mountOverlay } from './overlay.ts'

type BranchPlan = Pick<TierPlan, 'start' | 'serve' | 'close'> & Partial<Pick<TierPlan, 'mounts' | 'shell'>>

interface BranchesDeps {
  /** Where the copies are; made with the first one. */
  readonly folder: string
  /** The sandbox of the workspace. */
  readonly main: Sandbox
  readonly status: SandboxStatus
  /** Of the workspace. */
  readonly options: TierOptions
  /** Plans the tier of the workspace over other folders. */
  readonly plan: (options: TierOptions) => Promise<BranchPlan | Failure>
  /** See TierPlan. */
  readonly enters: boolean
  /** Is told how a new branch has its files, for people. */
  readonly tell: (how: string) => void
}

export function keepBranches(deps: BranchesDeps): Omit<KeptBranches, 'how'> {
  const { folder } = deps
  const open = new Map<string, Promise<Sandbox>>()
  const placeOf = (name: string): string => join(folder, named(name))
  /** Copies and removals run one after another. */
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const next = last.then(work, work)
    last = next.catch(() => {})
    return next
  }
  const leftovers = createLeftovers()
  const existingPlace = (name: string): string => {
    const place = placeOf(name)
    if (existsSync(place)) return place
    throw new OxbowError('not_found', `There is no branch of files ${name}.`, { hint: 'It was merged or dropped: oxbow branch list.' })
  }
  const rest = async (name: string): Promise<void> => {
    const opened = open.get(name)
    open.delete(name)
    await (await opened?.catch(() => null))?.close()
  }
  return {
    create: (name, signal) => {
      const place = placeOf(name)
      return inTurn(async () => {
        if (existsSync(place)) return filesOf(await readMade(place))
        await leftovers.removed(`${place}${draftEnd}`)
        return filesOf(await makeBranch(deps, place, signal, leftovers))
      })
    },
    async open(name) {
      const place = existingPlace(name)
      let opened = open.get(name)
      if (opened === undefined) open.set(name, (opened = openBranch(deps, place)))
      opened.catch(() => open.delete(name))
      return opened
    },
    async changes(name, ignore, signal) {
      const place = existingPlace(name)
      const made = await readMade(place)
      if (made.kind === 'copy') return null
      const { folders, searchPath } = deps.options
      return overlayChanges(place, made, { ignore, mounts: folders.mounts ?? [], searchPath, signal })
    },
    rest,
    drop: (name) => {
      const place = placeOf(name)
      return inTurn(async () => {
        await rest(name)
        // Renamed first: what a crash leaves of it is no branch.
        const draft = `${place}${draftEnd}`
        await leftovers.removed(draft)
        if (existsSync(place)) await rename(place, draft)
        leftovers.remove(draft)
      })
    },
    async close() {
      await last
      await leftovers.allRemoved()
      await Promise.all([...open.keys()].map(rest))
    },
  }
}

/** Folders of branches that have ended: nobody waits for a disk on which thousands of files are removed. */
interface Leftovers {
  /** Begins to. What cannot be removed, or what a crash has left, is removed when the next branch is made. */
  remove(draft: string): void
  /** Resolves when there is nothing. @throws a system error */
  removed(draft: string): Promise<void>
  allRemoved(): Promise<void>
}

function createLeftovers(): Leftovers {
  const removals = new Map<string, Promise<void>>()
  return {
    remove(draft) {
      if (removals.has(draft)) return
      const mine = removeFolders(draft)
        .catch(() => {})
        .finally(() => removals.delete(draft))
      removals.set(draft, mine)
    },
    async removed(draft) {
      await removals.get(draft)
      await removeFolders(draft)
    },
    allRemoved: async () => void (await Promise.all(removals.values())),
  }
}

/** @throws OxbowError `limit_reached`, and as the copy does */
async function makeBranch(deps: BranchesDeps, place: string, signal: AbortSignal, leftovers: Leftovers): Promise<BranchMade> {
  const { folder } = deps
  signal.throwIfAborted()
  await mkdir(folder, { recursive: true, mode: 0o711 })
  const there = await readdir(folder)
  const others = there.filter((other) => !other.endsWith(draftEnd))
  if (others.length >= maxBranches)
    throw new OxbowError('limit_reached', `There are ${others.length} branches of files; at most ${maxBranches} are allowed.`, {
      hint: 'Merge or drop one: oxbow branch list.',
    })
  // Branches are made one at a time, so nobody makes one of these.
  for (const name of there.filter((other) => other.endsWith(draftEnd))) leftovers.remove(join(folder, name))
  const draft = `${place}${draftEnd}`
  try {
    const made = await makeFiles(deps, draft, signal)
    await rename(draft, place)
    return made
  } catch (error) {
    await removeFolders(draft)
    throw error
  }
}

/** No name of a branch ends so. */
const draftEnd = '.'

/** @throws OxbowError `bad_input` */
function named(name: string): string {
  if (isBranchName(name)) return name
  throw new OxbowError('bad_input', `${JSON.stringify(name.slice(0, 100))} cannot be the name of a branch of files.`, {
    hint: 'Use letters, digits, dashes and single dots.',
  })
}

async function foldersOf({ options }: BranchesDeps, place: string): Promise<WorkspaceFolders> {
  const [shared, tmp] = await Promise.all(
    ['shared', 'tmp'].map(async (name) => {
      await mkdir(join(place, name), { recursive: true })
      return realpath(join(place, name))
    }),
  )
  return { shared: shared!, tmp: tmp!, vault: options.folders.vault }
}

async function planOver(
  { options, plan, status }: BranchesDeps,
  place: string,
  folders: WorkspaceFolders,
  enter?: readonly string[],
): Promise<BranchPlan> {
  // A machine keeps its disk there; others share what they keep.
  const cacheFolder = status.tier === 'micro_vm' ? join(place, 'internal') : options.cacheFolder
  const { egressSocket } = options
  const found = await plan({
    ...options,
    folders,
    cacheFolder,
    ...(egressSocket !== undefined && { egressSocket: (profile: OnlineProfile) => egressSocket(profile, basename(place)) }),
    ...(enter !== undefined && { enter }),
  })
  if ('start' in found) return found
  throw toError(found)
}

async function openBranch(deps: BranchesDeps, place: string): Promise<Sandbox> {
  const { main, status, options } = deps
  const mounts = options.folders.mounts ?? []
  const made = await readMade(place)
  const overlay = made.kind === 'copy' ? null : await openOverlay(place, made, mounts, options)
  const shown = [...(overlay?.mounts ?? []), ...mounts.filter(({ writable }) => !writable)]
  const folders = { ...(await foldersOf(deps, place)), mounts: shown }
  const own = keepHands(status, await planOver(deps, place, folders, overlay?.enter), options.logger)
  return {
    ...own,
    hands: (profile) => (profile === 'work' || profile === 'online' ? own.hands(profile) : main.hands(profile)),
    async close() {
      await own.close()
      overlay?.close()
      await unlock(place)
    },
  }
}

const madeFile = (place: string): string => join(place, 'made.json')

async function readMade(place: string): Promise<BranchMade> {
  const text = await readFile(madeFile(place), 'utf8').catch(() => null)
  return text === null ? { kind: 'copy', why: '', layers: [] } : branchMade.parse(JSON.parse(text))
}

const filesOf = ({ kind, why }: BranchMade): BranchFiles => ({ kind, why })

async function makeFiles(deps: BranchesDeps, draft: string, signal: AbortSignal): Promise<BranchMade> {
  const overlay = await makeOverlay(deps, draft)
  const made: BranchMade = typeof overlay === 'string' ? { kind: 'copy', why: overlay, layers: [] } : overlay
  if (made.kind === 'copy') {
    await removeFolders(draft)
    await copyWorkspace(deps, draft, signal)
  }
  await writeFile(madeFile(draft), JSON.stringify(made))
  deps.tell(made.kind === 'overlay' ? 'overlays' : `copies: ${made.why}`)
  return made
}

/** @returns why it has to be a copy */
async function makeOverlay({ main, enters, options, status }: BranchesDeps, draft: string): Promise<BranchMade | string> {
  if (!enters) return `the tier ${status.tier} shows folders of this machine as they are`
  // So that what is in the workspace belongs to whoever works in the branch.
  await main.hands('work')
  const made = overlayOf(options.folders)
  await makeLayers(draft, made)
  const tried = await mountOverlay(layersIn(draft, made), options.searchPath)
  if (typeof tried === 'string') return tried
  tried.close()
  return made
}

async function copyWorkspace(deps: BranchesDeps, draft: string, signal: AbortSignal): Promise<void> {
  const target = await foldersOf(deps, draft)
  const copier = await planCopier(deps, draft, target)
  if (copier !== null) {
    const { hands, kill } = await copier.start('work')
    try {
      return await copyByCommand(hands, signal)
    } finally {
      await kill()
      await copier.close()
    }
  }
  const copy = keepHands(deps.status, await planOver(deps, draft, target), deps.options.logger)
  try {
    await copyByArchive(await deps.main.hands('work'), await copy.hands('work'), signal)
  } finally {
    await copy.close()
  }
}

/** @returns a sandbox that sees both folders: of the tier, else a process; null if neither is possible */
async function planCopier(deps: BranchesDeps, draft: string, target: WorkspaceFolders): Promise<BranchPlan | null> {
  const { options, status } = deps
  const original = options.folders
  const writable = (original.mounts ?? []).filter((one) => one.writable)
  const mounts = [{ host: original.shared, inside: '/shared' }, ...writable].map(({ host, inside }) => ({
    host,
    inside: inside.replace('/shared', insideOriginal),
    writable: false,
  }))
  const folders = { ...target, mounts }
  const own = await planOver(deps, draft, folders)
  if (own.mounts === true && status.shell) return own
  await own.close()
  const other = process.platform === 'linux' ? await bubblewrapTier.plan({ ...options, folders }) : null
  return other !== null && 'start' in other ? other : null
}

/** Where the sandbox that makes a copy sees the workspace. */
const insideOriginal = '/original'

const probe = '/shared/.oxbow-probe'
/** Its exit code where there is too much. */
const tooMuch = 9

// Not every `cp` has copy-on-write. Where blocks are shared, a copy takes no space, however large it is.
const copyCommand = `
if cp --reflink=auto --version >/dev/null 2>&1; then set -- --reflink=auto; fi
one=$(find ${insideOriginal} -type f -size +0 2>/dev/null | head -n 1)
if [ -n "$one" ] && ! cp --reflink=always "$one" ${probe} 2>/dev/null; then
  size=$(du -sk ${insideOriginal} 2>/dev/null | cut -f 1)
  if [ "$size" -gt ${maxCopiedBytes / 1024} ]; then exit ${tooMuch}; fi
fi
rm -f ${probe}
exec cp -a "$@" ${insideOriginal}/. /shared/`

async function copyByCommand(hands: Hands, signal: AbortSignal): Promise<void> {
  const input = { command: copyCommand, cwd: '/tmp', stdin: '', timeoutMs: branchCopyMs, maxOutputBytes: 64 * 1024 }
  const { exitCode, stderr, timedOut } = await hands.ask('exec', input, { signal, timeoutMs: branchCopyMs + 5_000 })
  if (exitCode === tooMuch) throw tooLarge()
  if (timedOut) throw copyFailed(`it took longer than ${branchCopyMs / 1_000} s`)
  // What hands cannot read, agents cannot either.
  const faults = stderr.split('\n').filter((line) => line !== '' && !line.endsWith('Permission denied'))
  if (exitCode !== 0 && faults.length > 0) throw copyFailed(faults.at(-1)!.slice(0, 300))
}

async function copyByArchive(from: Hands, to: Hands, signal: AbortSignal): Promise<void> {
  const options = { signal, timeoutMs: branchCopyMs }
  const transfer = `branch ${process.hrtime.bigint().toString(36)}`
  for (let offset = 0, done = false; !done;) {
    const piece = await from.ask('archive', { path: '/shared', transfer, offset, maxBytes: branchPieceBytes }, options)
    done = piece.done
    await to.ask('unpack', { path: '/shared', transfer, offset, content: piece.content, last: done, overwrite: false }, options)
    offset += piece.content.length
    if (offset > maxCopiedBytes) throw tooLarge()
  }
}

function tooLarge(): OxbowError {
  return new OxbowError('limit_reached', `The workspace has more than ${maxCopiedBytes / 1024 ** 3} GiB, too much for a copy.`, {
    hint: 'oxbow doctor says why this machine has no overlays, which copy nothing; or move large files out of the workspace.',
  })
}

function copyFailed(why: string): OxbowError {
  return new OxbowError('sandbox_failed', `The workspace could not be copied: ${why}.`, {
    hint: 'Check the free space of the disk; large files that can be made again need not be in the workspace.',
  })
}
