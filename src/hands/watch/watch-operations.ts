/** Keeps watches by name, from question to question. */
import type { HandsOps, WatchOps } from '../../types/index.ts'
import { failed, fromSystemError, throwIfCancelled } from '../failure.ts'
import { toRealPlace } from '../files/workspace-path.ts'
import type { Root } from '../files/workspace-path.ts'
import type { HandlersOf } from '../handlers.ts'
import { coalesceMs, maxTransferName, maxWatchChanges, maxWatches, maxWatchWaitMs, watchIdleMs } from '../limits.ts'
import { watchTree } from './watch-tree.ts'
import type { TreeWatch } from './watch-tree.ts'

type Input = HandsOps['watch']['input']

export interface Watches {
  readonly ops: HandlersOf<WatchOps>
  close(): void
}

interface Kept {
  readonly tree: Promise<TreeWatch>
  /** One question at a time. */
  asked: boolean
  idle: NodeJS.Timeout | undefined
}

export function openWatches(roots: readonly Root[], idleMs: number = watchIdleMs): Watches {
  const kept = new Map<string, Kept>()
  const forget = (name: string, each: Kept): void => {
    clearTimeout(each.idle)
    if (kept.get(name) === each) kept.delete(name)
    each.tree.then(
      (tree) => tree.close(),
      () => undefined,
    )
  }
  const open = (input: Input): Kept => {
    if (input.watch === '' || input.watch.length > maxTransferName)
      throw failed('bad_input', 'A watch needs a short name.', 'Make up another one.')
    const known = kept.get(input.watch)
    if (known?.asked === true) throw failed('bad_input', 'This watch is being asked already.', 'Wait for its answer.')
    if (known !== undefined) return known
    if (kept.size >= maxWatches) throw failed('limit_reached', 'Too many folders are watched.', 'End one by a cancel first.')
    const begun: Kept = { tree: beginWatch(roots, input), asked: false, idle: undefined }
    kept.set(input.watch, begun)
    return begun
  }
  return {
    ops: {
      async watch(input, signal) {
        throwIfCancelled(signal)
        const each = open(input)
        each.asked = true
        clearTimeout(each.idle)
        try {
          const tree = await each.tree
          await tree.changed(Math.min(input.waitMs, maxWatchWaitMs), signal)
          throwIfCancelled(signal)
          // One change rarely comes alone.
          if (input.waitMs > 0) await new Promise((resolve) => setTimeout(resolve, coalesceMs))
          throwIfCancelled(signal)
          const output = await tree.take(Math.max(0, Math.min(input.maxChanges, maxWatchChanges)))
          each.idle = setTimeout(() => forget(input.watch, each), idleMs).unref()
          return output
        } catch (error) {
          forget(input.watch, each)
          throw error
        } finally {
          each.asked = false
        }
      },
    },
    close() {
      for (const [name, each] of kept) forget(name, each)
    },
  }
}

async function beginWatch(roots: readonly Root[], { path, recursive }: Input): Promise<TreeWatch> {
  const place = await toRealPlace(roots, path)
  try {
    return await watchTree(place, recursive)
  } catch (error) {
    throw fromSystemError(error, place.virtual)
  }
}
