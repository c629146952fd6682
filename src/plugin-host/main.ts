/**
 * The program that runs a plugin, inside a sandbox of its own. It speaks frames (protocol/plugin/plugin-frames.ts) over standard input and output and
 * ends when its input ends, so that it never outlives the guest.
 *
 *     node plugin-host.cjs [--watch-start=MS] FOLDER ENTRY…      ENTRY: files in FOLDER that a plugin begins with
 */
import { isMainThread } from 'node:worker_threads'
import { openPlugin } from './open-plugin.ts'
import { serveHost } from './serve-host.ts'
import { noWatch, runWatch, takeWatchArgument, watchStart } from './start-watch.ts'

const { waitMs, rest } = takeWatchArgument(process.argv.slice(2))
const [folder = '', ...entries] = rest

if (isMainThread) {
  const watch = waitMs === null ? noWatch : watchStart(process.argv[1] ?? '', folder, waitMs)
  serveHost((api) => openPlugin(folder, entries, api, watch)).then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`plugin-host: ${error instanceof Error ? error.message : 'unknown failure'}\n`)
      process.exit(1)
    },
  )
} else runWatch(folder)
