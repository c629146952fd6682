/**
 * A node of a cluster takes a user over: before anything runs, the files of its disk become the newest version of the store, which any node may
 * have made. Whoever calls this holds the user's lease, so no other node makes a version meanwhile.
 *
 * Where the store has no version of the user, the files of this disk become the first one: they are from before the cluster.
 * Else what is on the disk is committed first, as it is: so a kill at any moment, or a node that was away for long, or a person who has edited
 * files here, loses nothing. See `thread/take-over.ts` for what becomes of each file.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type CallId, type Clock, isOxbowError, OxbowError, type UserId } from '../../base/index.ts'
import type { FilesPlace } from '../../store/index.ts'
import type { Hands, Sandbox } from '../../protocol/index.ts'
import type { VersionsConfig } from './config.ts'
import { checkpointTimeoutMs, maxTakeoverTries } from './limits.ts'
import { restoreFiles } from './restore-files.ts'
import { takeAll } from './take-files.ts'
import { inFolders } from './thread/left-out.ts'
import { trailersOf } from './thread/message-labels.ts'
import type { Ask, VersionQuestion } from './thread/version-questions.ts'
import { allFolders, createThread } from './versions.ts'

export interface TakeoverOptions {
  readonly user: UserId
  /** Of the repository. */
  readonly folder: string
  readonly place: FilesPlace
  /** Resolves when no other node writes any more. */
  readonly held: () => Promise<void>
  readonly sandbox: Sandbox
  readonly config: VersionsConfig
  readonly mounts: () => readonly string[]
  readonly coveredFolders: () => readonly string[]
  readonly clock: Clock
}

/** What became of the files. */
export interface TookOver {
  /** Files that were written or removed. */
  readonly changed: number
  /** Files of this node that differ from the cluster's and were kept, where they are now. */
  readonly kept: readonly string[]
  /** Whose version it was; empty: this node's own, or none. */
  readonly from: string
}

/** @throws OxbowError where the files cannot be what they should: then the guest does not start here */
export async function takeOverFiles(options: TakeoverOptions): Promise<TookOver> {
  const { folder, place, held, sandbox, config } = options
  const none: TookOver = { changed: 0, kept: [], from: '' }
  if (!config.enabled)
    throw new OxbowError('bad_config', 'In a cluster files go from node to node as versions, and versions are switched off.', {
      hint: 'Set versions.enabled = true on all nodes.',
    })
  const thread = createThread(folder, place)
  const ask: Ask = (name, question) => thread.ask({ name, ...question } as VersionQuestion)
  try {
    // The thread starts and connects meanwhile; what it is told then does not count.
    await Promise.all([held(), ask('newest', {}).catch(() => {})])
    const newest = await ask('newest', {})
    if (newest.is === 'same' || !sandbox.status.files) return none
    if (newest.is === 'none' && !(await hasFiles(folder, ask))) return none
    const hands = await sandbox.hands('work')
    if (newest.is === 'none') {
      await commitDisk(options, {
        ask,
        hands,
        signal: AbortSignal.timeout(checkpointTimeoutMs),
        subject: 'before its cluster',
        isKept: true,
      })
      return none
    }
    for (let tries = 1; ; tries += 1) {
      const { left, ...took } = await takeOnce(options, ask, hands)
      if (left.length === 0) return { ...took, from: newest.node }
      // Somebody edits the files at this moment: what they have written is kept like all that was there before.
      const [first] = left
      if (tries === maxTakeoverTries)
        throw new OxbowError(
          'tool_failed',
          `The files of the cluster cannot be written on ${place.lease.node}: ${first!.path}: ${first!.why}.`,
          {
            hint: `Look at the workspace’s folder and its disk, or let another node run the user: oxbow cluster move ${options.user} NODE`,
          },
        )
    }
  } finally {
    await thread.close()
  }
}

/** A machine that has been in no cluster is the only one that has them; a user of a cluster who has no file yet has nothing to keep. */
async function hasFiles(folder: string, ask: Ask): Promise<boolean> {
  if ((await ask('head', { branch: '' })) !== null) return true
  return (await readdir(join(folder, '..', '..', 'shared')).catch(() => [])).length > 0
}

interface DiskCommit {
  readonly ask: Ask
  readonly hands: Hands
  readonly signal: AbortSignal
  /** What the files are from, after the name of the node. */
  readonly subject: string
  /** Whether the store has it, too, when this resolves. */
  readonly isKept: boolean
}

/** What is on the disk, as it is. @returns the commit */
async function commitDisk(
  { user, place, config, coveredFolders, clock }: TakeoverOptions,
  { ask, hands, signal, subject, isKept }: DiskCommit,
): Promise<string> {
  // The first that reads the repository of this node, which may have lost what the store has.
  const extras = await ask('extras', { ignore: config.ignore }).catch(async (error: unknown) => {
    if (isKept || !isOxbowError(error, 'tool_failed')) throw error
    await ask('fetchAll', {})
    return ask('extras', { ignore: config.ignore })
  })
  await takeAll({ ask, branch: '', hands, config, signal, since: '', also: [...allFolders, ...extras], except: [] })
  const isFirst = (await ask('log', { from: 'HEAD', path: '', limit: 1 })).length === 0
  const by = {
    author: `user:${user}`,
    at: clock.now(),
    subject: `Files of ${place.lease.node} from ${subject}`,
    trailers: trailersOf({ session: '', turn: '' }, []),
  }
  const facts = inFolders(by, coveredFolders())
  return (await ask('commit', { branch: '', facts, state: null, always: isFirst, isKept })).commit!
}

interface Took extends Pick<TookOver, 'changed' | 'kept'> {
  /** Files that could not be written. */
  readonly left: Awaited<ReturnType<typeof restoreFiles>>
}

async function takeOnce(options: TakeoverOptions, ask: Ask, hands: Hands): Promise<Took> {
  const { user, place, mounts, coveredFolders, clock } = options
  const signal = AbortSignal.timeout(checkpointTimeoutMs)
  const { node } = place.lease
  const disk = await commitDisk(options, { ask, hands, signal, subject: 'before it took over', isKept: false })
  const by = {
    author: `user:${user}`,
    at: clock.now(),
    subject: `Keep files of ${node}`,
    trailers: trailersOf({ session: '', turn: '' }, []),
  }
  const mark = `${node} ${new Date(clock.now()).toISOString().slice(0, 10)}`
  const plan = await ask('takeOver', { disk, mounts: mounts(), mark, facts: inFolders(by, coveredFolders()) })
  const restore = {
    commit: plan.commit,
    before: disk,
    changes: plan.changes,
    call: `takeover ${plan.commit}` as CallId,
    signal,
    ownFiles: true as const,
  }
  // What the sandbox shows read-only of a repository stays, and is said to be changed here.
  const left = (await restoreFiles({ ask, hands, mounts: mounts() }, restore)).filter(({ path }) => !/\/%\.git\//i.test(path))
  if (left.length === 0) await ask('took', plan)
  return { changed: plan.changes.length, kept: plan.kept, left }
}
