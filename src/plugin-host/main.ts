/**
 * The program that runs a plugin, inside a sandbox of its own. It speaks frames (types/plugin-frames.ts) over standard input and output and
 * ends when its input ends, so that it never outlives the guest.
 *
 *     node plugin-host.cjs FOLDER ENTRY…      ENTRY: files in FOLDER that a plugin begins with
 */
import { openPlugin } from './open-plugin.ts'
import { serveHost } from './serve-host.ts'

const [folder = '', ...entries] = process.argv.slice(2)

serveHost((api) => openPlugin(folder, entries, api)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`plugin-host: ${error instanceof Error ? error.message : 'unknown failure'}\n`)
    process.exit(1)
  },
)
