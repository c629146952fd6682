/** In memory nothing changes by itself: every watch is quiet. */
import type { WatchOps } from '../../types/index.ts'
import type { Operations } from './fake-files.ts'

export function fakeWatches(): Pick<Operations, keyof WatchOps> {
  return {
    watch: async ({ waitMs }, signal) => {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs)
        signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true })
      })
      return { changes: [], overflow: false }
    },
  }
}
